"""Read CSV, TSV and text files in common encodings."""

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
import pyarrow.csv

from skclip._files import unguard_column
from skclip.corpus._readers._columns import Columns, find_columns
from skclip.corpus._readers._decoding import MAX_TEXT, encoding_of
from skclip.corpus._stored_paths import arrow_source
from skclip.exceptions import CorpusError

__all__ = ["check_quotes", "csv_batches", "csv_names", "has_header", "text_lines"]

_HEAD = 1 << 16
_CHUNK = 1 << 20
_DELIMITERS = (",", "\t", ";", "|")
# The rest of a quoted cell; quotation marks within it are doubled.
_QUOTED = re.compile(r'(?:[^"]|"")*+"')


class _Dialect(NamedTuple):
    """The format of a file: encoding, delimiter, and whether cells may be quoted."""

    encoding: str
    delimiter: str
    quoted: bool


def csv_names(path: Path) -> list[str]:
    """Return the column names of a CSV or TSV file."""
    with _open(path, None) as reader:
        names: list[str] = reader.schema.names
    return names


def csv_batches(
    path: Path, columns: Sequence[str], *, as_text: Sequence[str]
) -> Iterator[pa.RecordBatch]:
    """Yield some columns of a CSV or TSV file, as text or with the types of their first values."""
    with _open(path, list(columns), as_text) as reader:
        for batch in reader:
            cells = [unguard_column(column) for column in batch.columns]
            yield pa.record_batch(cells, schema=batch.schema)


def has_header(path: Path, wanted: Columns) -> bool:
    """Return whether a text file begins with the header of a table of captions and images."""
    head, dialect = _head(path), _dialect(path)
    if dialect.delimiter not in head:
        return False
    names = [name.strip().strip('"') for name in head.split(dialect.delimiter)]
    try:
        return find_columns(names, wanted, where=f"{str(path)!r}").image is not None
    except CorpusError:
        return False


def text_lines(path: Path, batch_size: int) -> Iterator[list[str]]:
    """Yield the lines of a text file in batches."""
    encoding = _dialect(path).encoding
    batch: list[str] = []
    n_lines = 0
    try:
        with path.open(encoding="utf-8-sig" if encoding == "utf-8" else encoding) as file:
            while line := file.readline(MAX_TEXT + 1):
                n_lines += 1
                if len(line) > MAX_TEXT:
                    raise CorpusError(
                        f"Line {n_lines} of {str(path)!r} is longer than {MAX_TEXT} characters, "
                        "the limit for a caption."
                    )
                batch.append(line.rstrip("\r\n"))
                if len(batch) == batch_size:
                    yield batch
                    batch = []
    except UnicodeDecodeError as error:
        raise CorpusError(
            f"{str(path)!r} is not {encoding.upper()} text from about line {n_lines + 1} on "
            f"({error.reason}): save it as UTF-8."
        ) from error
    if batch:
        yield batch


def _head(path: Path) -> str:
    """Return the first line of a file."""
    with path.open("rb") as file:
        data = file.read(_HEAD)
    text = data.decode(encoding_of(data), "replace").removeprefix("\ufeff")
    return text.splitlines()[0] if text else ""


def _dialect(path: Path) -> _Dialect:
    """Return the format of a file, determined from its first line."""
    with path.open("rb") as file:
        encoding = encoding_of(file.read(_HEAD))
    tabs = path.suffix.lower() == ".tsv"
    usual, head = "\t" if tabs else ",", _head(path)
    others = [delimiter for delimiter in _DELIMITERS if delimiter in head]
    delimiter = usual if usual in head or not others else others[0]
    # a TSV has no quoting: quotation marks are part of the caption
    return _Dialect(encoding, delimiter, quoted=not (tabs and delimiter == "\t"))


def check_quotes(path: Path) -> None:
    """Raise if a file ends within a quoted cell, which would hide all rows after its quote."""
    encoding, delimiter, quoted = _dialect(path)
    if not quoted:
        return
    with path.open("rb") as data:
        n_quotes = sum(chunk.count(b'"') for chunk in iter(lambda: data.read(_CHUNK), b""))
    if n_quotes % 2 == 0 and encoding.startswith("utf-8"):
        return
    opened = 0
    encoding = "utf-8-sig" if encoding == "utf-8" else encoding
    with path.open(encoding=encoding, errors="replace") as file:
        for number, line in enumerate(file, start=1):
            if '"' in line and _opens(line, delimiter, within=bool(opened)):
                if not opened or _QUOTED.match(line):
                    opened = number
            elif '"' in line:
                opened = 0
    if opened:
        raise CorpusError(
            f"{str(path)!r} ends within the quoted cell that begins in line {opened}: add the "
            "closing quotation mark, or double the mark if it is part of the text."
        )


def _opens(line: str, delimiter: str, *, within: bool) -> bool:
    """Return whether a line ends within a quoted cell."""
    at = 0
    while True:
        if within or line.startswith('"', at):
            closed = _QUOTED.match(line, at + (not within))
            if closed is None:
                return True
            within, at = False, closed.end()
        at = line.find(delimiter, at) + 1
        if not at:
            return False


@contextmanager
def _open(
    path: Path, columns: list[str] | None, as_text: Sequence[str] = ()
) -> Iterator[pyarrow.csv.CSVStreamingReader]:
    """Open a file; without columns, read only its header."""
    encoding, delimiter, quoted = _dialect(path)
    with (
        arrow_source(path) as source,
        pyarrow.csv.open_csv(
            source,
            read_options=pyarrow.csv.ReadOptions(
                encoding="utf8" if encoding.startswith("utf-8") else encoding
            ),
            parse_options=pyarrow.csv.ParseOptions(
                delimiter=delimiter,
                quote_char='"' if quoted else False,
                newlines_in_values=quoted,
            ),
            convert_options=pyarrow.csv.ConvertOptions(
                include_columns=columns,
                column_types=dict.fromkeys(as_text, pa.string()),
                strings_can_be_null=False,
            ),
        ) as reader,
    ):
        yield reader
