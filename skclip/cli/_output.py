"""Rows to a file or to standard output, in the format that the file's ending names."""

import csv
import json
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import pyarrow as pa
from pyarrow import parquet

from skclip._files import replacing
from skclip._paths import find_file
from skclip._spreadsheet import guard_cell
from skclip.cli._terminal import escaped, is_terminal, standard_output

__all__ = ["FORMATS", "choose_format", "open_rows", "output_file"]

FORMATS = {
    ".csv": "csv",
    ".tsv": "tsv",
    ".json": "json",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".parquet": "parquet",
}
Row = Sequence[str | int | float | None]


def choose_format(output: str, wanted: str | None = None) -> str:
    """Return the format to write, after checking that it can be written.

    Parameters
    ----------
    output : str
        File, or ``-`` for standard output.

    wanted : str or None, default=None
        Format that the user asked for; None takes the file's ending, or CSV without one.

    Returns
    -------
    kind : {"csv", "tsv", "json", "jsonl", "parquet"}
        What :func:`open_rows` writes.
    """
    if output == "-":
        if wanted == "parquet" and is_terminal(standard_output()):
            raise ValueError("Parquet is no text: name a file by --output.")
        standard_output()
        return wanted or "csv"
    path = find_file(output)
    if path.is_dir():
        raise ValueError(f"--output {output!r} is a folder: name a file in it.")
    if not path.parent.is_dir():
        raise ValueError(f"--output {output!r} is in a folder that does not exist: make it first.")
    if not os.access(path if _is_special(path) else path.parent, os.W_OK):
        raise ValueError(f"--output {output!r} is where nothing may be written.")
    suffix = path.suffix.lower()
    by_ending = FORMATS.get(suffix)
    if wanted is None and by_ending is None and suffix:
        raise ValueError(
            f"--output {output!r} ends in {suffix!r}, which names no format: end it in one of "
            f"{', '.join(FORMATS)}."
        )
    if wanted is not None and by_ending not in (None, wanted):
        raise ValueError(f"--output {output!r} does not end as a file of --format {wanted} does.")
    return wanted or by_ending or "csv"


def _is_special(path: Path) -> bool:
    """Return whether a path is a device or a pipe, which nothing may take the place of."""
    # /dev/stdout is a link, and may lead to a file
    return path.exists() and (not path.is_file() or path.absolute().parts[:2] == ("/", "dev"))


@contextmanager
def output_file(path: str) -> Iterator[IO[str]]:
    """Open a text file to write; it appears under its name when it is complete.

    Parameters
    ----------
    path : str
        File, or ``-`` for standard output.

    Yields
    ------
    file : text file
        UTF-8, with what is not encodable escaped; line ends are written as given. On a terminal
        control characters are escaped too.
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
    """A terminal that gets no control characters but line feeds."""

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
        Their names.

    quote : bool, default=False
        Whether all texts of CSV stand in quotes, not only those that need it.

    Yields
    ------
    write : callable
        Takes one value a column; None is an empty cell.
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
        # Python before 3.13 quotes no carriage return of its own accord
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
