"""Cells that spreadsheets would run: what is written with a quote before it is read without.

A cell that begins with ``=``, ``+``, ``-`` or ``@`` is a formula to a spreadsheet, and captions and
file names come from anywhere. Whoever writes CSV here puts ``'`` before such a cell, and whoever
reads it takes one off, so that every text comes back as it was.
"""

import re
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

__all__ = ["guard_cell", "unguard_cell", "unguard_column"]

# Quotes before it count: else '=1 and =1 would be written alike.
_FORMULA = re.compile(r"'*[=+\-@\t\r]")


def guard_cell(text: str) -> str:
    """Return a text as it is written to a cell.

    Examples
    --------
    >>> from skclip._spreadsheet import guard_cell, unguard_cell
    >>> guard_cell("=1+1"), guard_cell("a cat"), unguard_cell(guard_cell("'=1+1"))
    ("'=1+1", 'a cat', "'=1+1")
    """
    return f"'{text}" if _FORMULA.match(text) else text


def unguard_cell(cell: str) -> str:
    """Return the text of a cell; the inverse of :func:`guard_cell`."""
    return cell[1:] if cell.startswith("'") and _FORMULA.match(cell) else cell


def unguard_column(cells: Any) -> Any:
    """Return the texts of an Arrow column of cells."""
    if not pa.types.is_string(cells.type) and not pa.types.is_large_string(cells.type):
        return cells
    return pc.replace_substring_regex(cells, pattern=r"^'('*[=+\-@\t\r])", replacement=r"\1")
