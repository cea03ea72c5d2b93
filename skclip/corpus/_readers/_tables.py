"""Captions in tables: CSV, TSV and Parquet files, data frames, and plain sequences."""

import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet as pq

from skclip.corpus._readers._columns import Columns, find_columns, rows_table
from skclip.exceptions import CorpusError

__all__ = ["TABLE_SUFFIXES", "column_names", "read_frame", "read_pairs", "read_table_file"]

TABLE_SUFFIXES = (".csv", ".tsv", ".parquet")
_BATCH = 4096


def read_table_file(path: Path, wanted: Columns) -> Iterator[pa.Table]:
    """Yield the rows of a CSV, TSV or Parquet file, or of a text file with a caption a line.

    Parameters
    ----------
    path : Path
        File to read; its suffix says what it is.

    wanted : Columns
        Columns the user named.

    Yields
    ------
    table : pyarrow.Table
        Rows as :func:`rows_table` gives them.
    """
    try:
        if path.suffix == ".txt":
            with path.open(encoding="utf-8", errors="replace") as file:
                yield from _read_batches(_line_batches(file), Columns(caption="caption"))
        else:
            columns = find_columns(column_names(path), wanted, where=f"{str(path)!r}")
            batches = _parquet_batches if path.suffix == ".parquet" else _csv_batches
            yield from _read_batches(batches(path, columns), columns)
    except pa.ArrowException as error:
        raise CorpusError(
            f"{str(path)!r} cannot be read as {path.suffix.removeprefix('.').upper()}: {error}"
        ) from error


def read_frame(frame: Any, wanted: Columns) -> Iterator[pa.Table]:
    """Yield the rows of a pandas, polars or Arrow table."""
    table = _as_mapping(frame)
    columns = find_columns(list(table), wanted, where="The data frame")
    assert columns.caption is not None
    yield from read_pairs(
        table[columns.caption],
        None if columns.image is None else table[columns.image],
        None if columns.id is None else table[columns.id],
    )


def read_pairs(
    captions: Sequence[str], images: Sequence[Any] | None, ids: Sequence[Any] | None = None
) -> Iterator[pa.Table]:
    """Yield the rows of captions and images that are in memory."""
    for name, values in (("images", images), ("ids", ids)):
        if values is not None and len(values) != len(captions):
            raise CorpusError(
                f"There are {len(captions)} captions but {len(values)} {name}: give one a caption."
            )
    for start in range(0, len(captions), _BATCH):
        part = slice(start, start + _BATCH)
        yield rows_table(
            captions[part],
            None if images is None else images[part],
            None if ids is None else ids[part],
            first_row=start,
        )


def column_names(path: Path) -> list[str]:
    """Return the column names of a CSV, TSV or Parquet file."""
    if path.suffix == ".parquet":
        names: list[str] = pq.read_schema(path).names
        return names
    with _open_csv(path, []) as reader:
        names = reader.schema.names
    return names


def _as_mapping(frame: Any) -> dict[str, list[Any]]:
    """Return the columns of a data frame of any library as lists."""
    if isinstance(frame, pa.Table):
        columns: dict[str, list[Any]] = frame.to_pydict()
        return columns
    return {str(name): list(frame[name]) for name in frame.columns}


def _read_batches(batches: Iterable[pa.RecordBatch], columns: Columns) -> Iterator[pa.Table]:
    first_row = 0
    for batch in batches:
        yield _arrow_rows(batch, columns, first_row)
        first_row += batch.num_rows


def _arrow_rows(batch: pa.RecordBatch, columns: Columns, first_row: int) -> pa.Table:
    """Return the rows of a batch; plain text never becomes Python objects."""
    assert columns.caption is not None
    images = None if columns.image is None else batch.column(columns.image)
    ids = None if columns.id is None else batch.column(columns.id)
    plain = [batch.column(columns.caption), images, ids]
    if not all(column is None or _is_text(column.type) for column in plain):
        return rows_table(
            batch.column(columns.caption).to_pylist(),
            None if images is None else images.to_pylist(),
            None if ids is None else ids.to_pylist(),
            first_row=first_row,
        )
    missing = pa.nulls(batch.num_rows, pa.string())
    captions = pc.fill_null(batch.column(columns.caption).cast(pa.string()), "")
    images = missing if images is None else images.cast(pa.string())
    if ids is None:
        numbers = pa.array(range(first_row, first_row + batch.num_rows)).cast(pa.string())
        ids = pc.coalesce(images, numbers)
    table = {"id": ids.cast(pa.string()), "caption": captions, "image": images, "problem": missing}
    return pa.table(table)


def _is_text(kind: pa.DataType) -> bool:
    """Whether values of a type read the same in Arrow as in Python."""
    types = pa.types
    return bool(
        types.is_string(kind)
        or types.is_large_string(kind)
        or types.is_integer(kind)
        or types.is_null(kind)
    )


def _parquet_batches(path: Path, columns: Columns) -> Iterator[pa.RecordBatch]:
    with pq.ParquetFile(path) as file:
        yield from file.iter_batches(batch_size=_BATCH, columns=columns.present)


def _csv_batches(path: Path, columns: Columns) -> Iterator[pa.RecordBatch]:
    with _open_csv(path, columns.present) as reader:
        yield from reader


def _open_csv(path: Path, text_columns: list[str]) -> pa.csv.CSVStreamingReader:
    tabs = path.suffix == ".tsv"
    return pa.csv.open_csv(
        path,
        # a TSV has no quoting: a quotation mark is part of the caption
        parse_options=pa.csv.ParseOptions(
            delimiter="\t" if tabs else ",",
            quote_char=False if tabs else '"',
            newlines_in_values=not tabs,
        ),
        convert_options=pa.csv.ConvertOptions(
            column_types=dict.fromkeys(text_columns, pa.string()),
            strings_can_be_null=False,
        ),
    )


def _line_batches(lines: Iterable[str]) -> Iterator[pa.RecordBatch]:
    batch: list[str] = []
    for line in lines:
        batch.append(line.rstrip("\r\n"))
        if len(batch) == _BATCH:
            yield pa.record_batch({"caption": batch})
            batch = []
    if batch:
        yield pa.record_batch({"caption": pa.array(batch, pa.string())})


def is_frame(source: Any) -> bool:
    """Whether ``source`` is a data frame of some library."""
    return hasattr(source, "columns") and hasattr(source, "__getitem__")


def is_pair(source: Any) -> bool:
    """Whether ``source`` is ``(captions, images)``."""
    return (
        isinstance(source, tuple)
        and len(source) == 2
        and not any(isinstance(part, str | bytes | os.PathLike) for part in source)
    )
