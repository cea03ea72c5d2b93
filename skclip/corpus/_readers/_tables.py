"""Read captions from tables: CSV, TSV and Parquet files, data frames, and sequences."""

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from skclip.corpus._readers._columns import Columns, find_columns, rows_table
from skclip.corpus._readers._csv import (
    check_quotes,
    csv_batches,
    csv_names,
    has_header,
    text_lines,
)
from skclip.corpus._readers._decoding import Doubts
from skclip.corpus._readers._filters import Filters
from skclip.corpus._readers._json import json_batches
from skclip.corpus._readers._request import Request
from skclip.corpus._readers._saved_datasets import saved_batches, saved_names
from skclip.corpus._stored_paths import arrow_source
from skclip.exceptions import CorpusError

__all__ = [
    "TABLE_SUFFIXES",
    "as_values",
    "column_names",
    "filtered_batches",
    "frame_columns",
    "is_frame",
    "is_pair",
    "read_frame",
    "read_pairs",
    "read_table_file",
    "reading",
]

TABLE_SUFFIXES = (".csv", ".tsv", ".parquet")
_BATCH = 4096


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Convert errors of libraries to an error that names the file."""
    try:
        yield
    except CorpusError as error:
        if str(path) in str(error):
            raise
        raise CorpusError(f"{str(path)!r} cannot be used: {error}") from error
    except (pa.ArrowException, OSError, EOFError, KeyError, ValueError) as error:
        remedy = ". Save it as UTF-8" if "UTF8" in str(error) else ""
        kind = path.suffix.removeprefix(".").upper() or "a data set"
        raise CorpusError(f"{str(path)!r} cannot be read as {kind}: {error}{remedy}") from error


def read_table_file(path: Path, request: Request) -> Iterator[pa.Table]:
    """Yield the rows of a table of captions.

    Parameters
    ----------
    path : Path
        CSV, TSV, Parquet or JSON file, saved data set, or text file with a caption per line. A
        text file whose first line is the header of captions and images is read as a table.

    request : Request
        Options for the source.

    Yields
    ------
    table : pyarrow.Table
        Rows as returned by :func:`rows_table`.
    """
    kind = path.suffix.lower()
    with reading(path):
        if kind == ".txt" and not has_header(path, request.columns):
            request.refuse_filters("A text file of captions")
            for lines in text_lines(path, _BATCH):
                yield rows_table(lines, None, None, request.doubts)
            return
        where = repr(str(path))
        if kind in (".csv", ".tsv", ".txt"):
            check_quotes(path)
        names = column_names(path)
        columns = find_columns(names, request.columns, where=where)
        for batch in filtered_batches(path, names, columns.present, request.filters):
            yield _arrow_rows(batch, columns, request.doubts)


def filtered_batches(
    path: Path, names: Sequence[str], columns: Sequence[str], filters: Filters | None
) -> Iterator[pa.RecordBatch]:
    """Yield some columns of a table, and those of the filters, of the rows that fulfil them.

    Parameters
    ----------
    path : Path
        CSV, TSV, Parquet or JSON file, or saved data set.

    names : sequence of str
        All columns of the table.

    columns : sequence of str
        Columns to read.

    filters : Filters or None
        Which rows to keep.

    Yields
    ------
    batch : pyarrow.RecordBatch
        At least one row.
    """
    where, wanted = repr(str(path)), list(columns)
    if filters is not None:
        wanted = filters.to_read(names, columns, where=where)
    for batch in _batches(path, wanted, as_text=columns):
        kept = batch if filters is None else filters.apply(batch, where=where)
        if kept.num_rows:
            yield kept


def _batches(path: Path, columns: list[str], *, as_text: Sequence[str]) -> Iterator[pa.RecordBatch]:
    kind = path.suffix.lower()
    if path.is_dir():
        yield from saved_batches(path, columns)
    elif kind == ".parquet":
        with arrow_source(path) as source, pq.ParquetFile(source) as file:
            yield from file.iter_batches(batch_size=_BATCH, columns=columns)
    elif kind == ".json":
        yield from (batch.select(columns) for batch in json_batches(path))
    else:
        yield from csv_batches(path, columns, as_text=as_text)


def read_frame(frame: Any, request: Request) -> Iterator[pa.Table]:
    """Yield the rows of a pandas, polars or Arrow table."""
    request.refuse_filters("A data frame")
    yield from read_pairs(*frame_columns(frame, request.columns), doubts=request.doubts)


def frame_columns(
    frame: Any, wanted: Columns
) -> tuple[list[Any], list[Any] | None, list[Any] | None]:
    """Return captions, images and ids of a pandas, polars or Arrow table."""
    names = frame.column_names if isinstance(frame, pa.Table) else list(frame.columns)
    columns = find_columns([str(name) for name in names], wanted, where="The data frame")
    given = {str(name): name for name in names}

    def values(name: str | None) -> list[Any] | None:
        return None if name is None else as_values(frame[given[name]])

    captions = values(columns.caption)
    assert captions is not None
    return captions, values(columns.image), values(columns.id)


def read_pairs(
    captions: Any, images: Any = None, ids: Any = None, *, doubts: Doubts
) -> Iterator[pa.Table]:
    """Yield the rows of captions and images in memory."""
    captions, images, ids = as_values(captions), as_values(images), as_values(ids)
    for name, values in (("images", images), ("ids", ids)):
        if values is not None and len(values) != len(captions):
            raise CorpusError(
                f"There are {len(captions)} captions but {len(values)} {name}: give one for each."
            )
    for start in range(0, len(captions), _BATCH):
        part = slice(start, start + _BATCH)
        yield rows_table(
            captions[part],
            None if images is None else images[part],
            None if ids is None else ids[part],
            doubts,
        )


def as_values(column: Any) -> Any:
    """Return a column of any library as a sequence of Python objects; None is unchanged."""
    for method in ("to_pylist", "to_list"):  # Arrow; pandas and polars, including nested lists
        if hasattr(column, method):
            return getattr(column, method)()
    return column if column is None or isinstance(column, list | tuple) else list(column)


def column_names(path: Path) -> list[str]:
    """Return the column names of a table of any kind; a text file must have a header."""
    with reading(path):
        if path.is_dir():
            return saved_names(path)
        if path.suffix.lower() not in (".json", ".parquet"):
            return csv_names(path)
        with arrow_source(path) as source:
            is_json = path.suffix.lower() == ".json"
            schema = next(json_batches(path)).schema if is_json else pq.read_schema(source)
            names: list[str] = schema.names
        return names


def _arrow_rows(batch: pa.RecordBatch, columns: Columns, doubts: Doubts) -> pa.Table:
    """Return the rows of a batch, without converting plain text to Python objects."""
    assert columns.caption is not None
    images = None if columns.image is None else batch.column(columns.image)
    ids = None if columns.id is None else batch.column(columns.id)
    plain = [batch.column(columns.caption), images, ids]
    if not all(column is None or _is_text(column.type) for column in plain):
        return rows_table(
            batch.column(columns.caption).to_pylist(),
            None if images is None else images.to_pylist(),
            None if ids is None else ids.to_pylist(),
            doubts,
        )
    missing = pa.nulls(batch.num_rows, pa.string())
    captions = pc.fill_null(batch.column(columns.caption).cast(pa.string()), "")
    images = missing if images is None else images.cast(pa.string())
    if ids is None:
        ids = images
    else:
        ids = ids.cast(pa.string())
        ids = pc.coalesce(pc.if_else(pc.equal(ids, ""), missing, ids), images, "")
    empty = pc.fill_null(pc.equal(images, ""), False)
    images = pc.if_else(empty, missing, images)
    problems = pc.if_else(empty, "no image", missing)
    table = {"id": ids, "caption": captions, "image": images, "problem": problems}
    return pa.table(table)


def _is_text(kind: pa.DataType) -> bool:
    """Return whether values of a type have the same text in Arrow as in Python."""
    types = pa.types
    return bool(
        types.is_string(kind)
        or types.is_large_string(kind)
        or types.is_integer(kind)
        or types.is_null(kind)
    )


def is_frame(source: Any) -> bool:
    """Return whether ``source`` is a data frame of any library."""
    return hasattr(source, "columns") and hasattr(source, "__getitem__")


def is_pair(source: Any) -> bool:
    """Return whether ``source`` is ``(captions, images)``."""
    return (
        isinstance(source, tuple)
        and len(source) == 2
        and not any(isinstance(part, str | bytes | os.PathLike | Mapping) for part in source)
        and isinstance(source[0], Iterable)
        and (source[1] is None or isinstance(source[1], Iterable))
    )
