"""The folders that img2dataset and clip-retrieval write."""

import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from skclip._validation import sample_of
from skclip.corpus._readers._columns import Columns, archive_rows, find_columns, rows_table
from skclip.corpus._readers._webdataset import iter_samples
from skclip.exceptions import CorpusError, UnusablePairWarning

__all__ = ["is_clip_retrieval", "is_img2dataset", "read_clip_retrieval", "read_img2dataset"]

_BATCH = 4096
_KINDS = ("jpg", "png", "webp")


def is_img2dataset(root: Path) -> bool:
    """Whether a folder is img2dataset's output: a table of downloads a shard."""
    tables = sorted(root.glob("*.parquet"))
    return bool(tables) and {"key", "status", "url"} <= set(pq.read_schema(tables[0]).names)


def read_img2dataset(root: Path, wanted: Columns) -> Iterator[pa.Table]:
    """Yield the downloads of img2dataset, failed ones with the reason.

    Parameters
    ----------
    root : Path
        Output folder, with ``--output_format`` webdataset, files or parquet.

    wanted : Columns
        Columns the user named.

    Yields
    ------
    table : pyarrow.Table
        Rows of a corpus.

    Warns
    -----
    UnusablePairWarning
        If there are archives without the table that img2dataset writes when a shard is complete.
    """
    tables = sorted(root.glob("*.parquet"))
    unfinished = {path.stem for path in root.glob("*.tar")} - {path.stem for path in tables}
    if unfinished:
        archives = [f"{name}.tar" for name in sorted(unfinished)]
        warnings.warn(
            f"{len(archives)} archives in {str(root)!r} have no table beside them "
            f"({sample_of(archives)}) and are left out: img2dataset writes the table when a shard "
            "is complete. Run it again to complete them, or name the archives to read what is in "
            "them.",
            UnusablePairWarning,
            stacklevel=2,
        )
    for path in tables:
        names = pq.read_schema(path).names
        caption = find_columns(names, wanted, where=f"{str(path)!r}").caption
        archive, folder = path.with_suffix(".tar"), path.with_suffix("")
        members = {s.key: s.image for s in iter_samples(archive)} if archive.exists() else {}
        kinds = [kind for kind in _KINDS if kind in names]
        columns = ["key", "status", "error_message", caption, *kinds]
        with pq.ParquetFile(path) as file:
            for batch in file.iter_batches(_BATCH, columns=[c for c in columns if c in names]):
                rows = batch.to_pydict()
                messages = rows.get("error_message", [None] * batch.num_rows)
                problems = [
                    None if status == "success" else f"{status}: {message or 'no reason given'}"
                    for status, message in zip(rows["status"], messages, strict=True)
                ]
                keys, captions = rows["key"], [text or "" for text in rows[caption]]
                if archive.exists():
                    places = [
                        None if (at := members.get(key)) is None else (str(archive), *at)
                        for key in keys
                    ]
                    yield archive_rows(captions, keys, places, _missing(places, problems))
                else:
                    images: list[Any] = (
                        list(rows[kinds[0]]) if kinds else [_image_file(folder, k) for k in keys]
                    )
                    table = rows_table(captions, images, keys, first_row=0)
                    reasons = pa.array(_missing(images, problems), pa.string())
                    at = table.column_names.index("problem")
                    yield table.set_column(at, "problem", [reasons])


def _image_file(folder: Path, key: str) -> str | None:
    paths = (folder / f"{key}.{kind}" for kind in _KINDS)
    return next((str(path) for path in paths if path.exists()), None)


def _missing(images: list[Any], problems: list[str | None]) -> list[str | None]:
    """Add the reason where a download counts as successful but there is no image."""
    return [
        "the image is missing" if image is None and problem is None else problem
        for image, problem in zip(images, problems, strict=True)
    ]


def is_clip_retrieval(root: Path) -> bool:
    """Whether a folder is the output of clip-retrieval's inference."""
    return (root / "img_emb").is_dir() and (root / "metadata").is_dir()


def read_clip_retrieval(root: Path, wanted: Columns) -> Iterator[tuple[Path, Iterator[pa.Table]]]:
    """Yield the embeddings files of clip-retrieval with the rows they belong to.

    Parameters
    ----------
    root : Path
        Output folder, with ``img_emb`` and ``metadata``.

    wanted : Columns
        Columns the user named.

    Yields
    ------
    embeddings : Path
        ``.npy`` file, to be used where it lies.

    tables : iterator of pyarrow.Table
        Rows of a corpus, one a row of the embeddings.
    """
    files = sorted((root / "img_emb").glob("img_emb_*.npy"))
    if not files:
        raise CorpusError(f"{str(root / 'img_emb')!r} holds no img_emb_*.npy.")
    for embeddings in files:
        number = embeddings.stem.removeprefix("img_emb_")
        metadata = root / "metadata" / f"metadata_{number}.parquet"
        if not metadata.exists():
            raise CorpusError(
                f"{str(embeddings)!r} has no {metadata.name} that tells its captions."
            )
        n_rows = pq.read_metadata(metadata).num_rows
        shape = np.load(embeddings, mmap_mode="r").shape
        if len(shape) != 2 or shape[0] != n_rows:
            raise CorpusError(
                f"{str(embeddings)!r} has shape {shape} but {metadata.name} has {n_rows} rows: "
                "expected one embedding a row."
            )
        yield embeddings, _read_metadata(metadata, wanted)


def _read_metadata(path: Path, wanted: Columns) -> Iterator[pa.Table]:
    columns = find_columns(pq.read_schema(path).names, wanted, where=f"{str(path)!r}")
    assert columns.caption is not None
    first_row = 0
    with pq.ParquetFile(path) as file:
        for batch in file.iter_batches(_BATCH, columns=columns.present):
            rows = batch.to_pydict()
            images = rows[columns.image] if columns.image else [None] * batch.num_rows
            ids = rows[columns.id] if columns.id else images if columns.image else None
            # of archives clip-retrieval keeps the key alone: that is an id, but no path
            found = [i if i and ("://" in i or Path(i).is_file()) else None for i in images]
            yield rows_table(rows[columns.caption], found, ids, first_row=first_row)
            first_row += batch.num_rows
