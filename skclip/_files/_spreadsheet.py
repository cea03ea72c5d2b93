"""Guard CSV cells that a spreadsheet would run as formulas.

A spreadsheet reads a cell that begins with ``=``, ``+``, ``-`` or ``@`` as a formula, and captions
and file names may come from others. Such cells are written with ``'`` before them, and reading
removes one quote, so that every text is unchanged.
"""

import re
from typing import Any

__all__ = ["guard_cell", "unguard_cell", "unguard_column"]

# Leading quotes count: else '=1 and =1 would be written the same.
_FORMULA = re.compile(r"'*[=+\-@\t\r]")


def guard_cell(text: str) -> str:
    """Return the cell for a text.

    Examples
    --------
    >>> from skclip._files import guard_cell, unguard_cell
    >>> guard_cell("=1+1"), guard_cell("a cat"), unguard_cell(guard_cell("'=1+1"))
    ("'=1+1", 'a cat', "'=1+1")
    """
    return f"'{text}" if _FORMULA.match(text) else text


def unguard_cell(cell: str) -> str:
    """Return the text of a cell; the inverse of :func:`guard_cell`."""
    return cell[1:] if cell.startswith("'") and _FORMULA.match(cell) else cell


def unguard_column(cells: Any) -> Any:
    """Return the texts of an Arrow column of cells."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if not pa.types.is_string(cells.type) and not pa.types.is_large_string(cells.type):
        return cells
    return pc.replace_substring_regex(cells, pattern=r"^'('*[=+\-@\t\r])", replacement=r"\1")
