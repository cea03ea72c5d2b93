"""Write rows to a file or standard output, in the format of the file's suffix."""

import csv
import json
import os
import sys
from argparse import ArgumentParser
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import pyarrow as pa
from pyarrow import parquet

from skclip._files import file_to_write, find_file, guard_cell, replacing
from skclip.cli._terminal import escaped, is_terminal, standard_output

__all__ = [
    "FORMATS",
    "add_output_arguments",
    "choose_format",
    "open_rows",
    "output_file",
]

FORMATS = {
    ".csv": "csv",
    ".tsv": "tsv",
    ".json": "json",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".parquet": "parquet",
}
Row = Sequence[str | int | float | None]


def add_output_arguments(parser: ArgumentParser) -> None:
    """Add ``--format`` and ``--output``, which :func:`choose_format` checks."""
    parser.add_argument(
        "--format",
        choices=sorted(set(FORMATS.values())),
        help="output format (default: the suffix of --output, else csv)",
    )
    parser.add_argument(
        "--output", default="-", metavar="FILE", help="file to write (default: standard output)"
    )


def choose_format(output: str, wanted: str | None = None) -> str:
    """Return the output format, after checking that the output can be written.

    Parameters
    ----------
    output : str
        File, or ``-`` for standard output.

    wanted : str or None, default=None
        Format given by the user; None uses the file's suffix, or CSV without one.

    Returns
    -------
    kind : {"csv", "tsv", "json", "jsonl", "parquet"}
        Format for :func:`open_rows`.
    """
    if output == "-":
        if wanted == "parquet" and is_terminal(standard_output()):
            raise ValueError("Parquet is not text: give a file as --output.")
        standard_output()
        return wanted or "csv"
    path = file_to_write(output, "--output")
    if not os.access(path if _is_special(path) else path.parent, os.W_OK):
        raise ValueError(f"--output {output!r} is not writable.")
    suffix = path.suffix.lower()
    by_ending = FORMATS.get(suffix)
    if wanted is None and by_ending is None and suffix:
        raise ValueError(
            f"--output {output!r} ends in {suffix!r}, which is not a known format: use one of "
            f"{', '.join(FORMATS)}."
        )
    if wanted is not None and by_ending not in (None, wanted):
        raise ValueError(f"--output {output!r} does not have the suffix of --format {wanted}.")
    return wanted or by_ending or "csv"


def _is_special(path: Path) -> bool:
    """Return whether a path is a device or a pipe, which must not be replaced."""
    # /dev/stdout is a link, possibly to a file
    return path.exists() and (not path.is_file() or path.absolute().parts[:2] == ("/", "dev"))


@contextmanager
def output_file(path: str) -> Iterator[IO[str]]:
    """Open a text file for writing; it is renamed to its name when it is complete.

    Parameters
    ----------
    path : str
        File, or ``-`` for standard output.

    Yields
    ------
    file : text file
        A UTF-8 file. Characters that cannot be encoded are escaped, and on a terminal also control
        characters. Line ends are unchanged.
    """
    if path == "-":
        file = standard_output()
        yield _Escaping(file) if is_terminal(file) else file  # type: ignore[misc]
        return
    with (
        _file_to_write(path) as name,
        open(name, "w", newline="", encoding="utf-8", errors="backslashreplace") as file,
    ):
        yield file


@contextmanager
def _file_to_write(path: str) -> Iterator[Path]:
    target = find_file(path)
    if _is_special(target):
        yield target
        return
    with replacing(target) as temporary:
        yield temporary


class _Escaping:
    """A terminal that escapes control characters except line feeds."""

    def __init__(self, file: IO[str]) -> None:
        self._file = file

    def write(self, text: str) -> int:
        return self._file.write(escaped(text.replace("\r\n", "\n")))


@contextmanager
def open_rows(
    output: str, kind: str, columns: Sequence[str], *, quote: bool = False
) -> Iterator[Callable[[Row], None]]:
    """Open a table to write row by row.

    Parameters
    ----------
    output : str
        File, or ``-`` for standard output.

    kind : str
        From :func:`choose_format`.

    columns : sequence of str
        Names of the columns.

    quote : bool, default=False
        Whether to quote all texts of CSV, not only those that need it.

    Yields
    ------
    write : callable
        Function of one value per column; None is an empty cell.
    """
    if kind == "parquet":
        rows: list[Row] = []
        yield rows.append
        _write_parquet(output, columns, rows)
        return
    with output_file(output) as file:
        if kind in ("csv", "tsv"):
            write = _delimited(file, "," if kind == "csv" else "\t", quote=quote)
            write(columns)
            yield write
        elif kind == "jsonl":
            yield lambda row: print(_json(columns, row), file=file)
        else:
            before = "[\n"

            def write_element(row: Row) -> None:
                nonlocal before
                file.write(before + _json(columns, row))
                before = ",\n"

            yield write_element
            file.write("[]\n" if before == "[\n" else "\n]\n")


def _delimited(file: IO[str], delimiter: str, *, quote: bool) -> Callable[[Row], None]:
    careful = csv.writer(
        file, delimiter=delimiter, lineterminator="\n", quoting=csv.QUOTE_NONNUMERIC
    )
    plain = csv.writer(file, delimiter=delimiter, lineterminator="\n")

    def write(row: Row) -> None:
        cells = [guard_cell(cell) if isinstance(cell, str) else cell for cell in row]
        # Python before 3.13 does not quote carriage returns by default
        returns = any(isinstance(cell, str) and "\r" in cell for cell in cells)
        (careful if quote or returns else plain).writerow(cells)

    return write


def _json(columns: Sequence[str], row: Row) -> str:
    return json.dumps(dict(zip(columns, row, strict=True)), ensure_ascii=False)


def _write_parquet(output: str, columns: Sequence[str], rows: list[Row]) -> None:
    def clean(cell: Any) -> Any:
        if isinstance(cell, str):
            return cell.encode("utf-8", "backslashreplace").decode("utf-8")
        return cell

    values = zip(*rows, strict=True) if rows else [()] * len(columns)
    arrays = [pa.array([clean(cell) for cell in column]) for column in values]
    arrays = [
        array.cast(pa.string()) if pa.types.is_null(array.type) else array for array in arrays
    ]
    table = pa.table(dict(zip(columns, arrays, strict=True)))
    if output == "-":
        parquet.write_table(table, sys.stdout.buffer)
        return
    with _file_to_write(output) as path:
        parquet.write_table(table, path)
