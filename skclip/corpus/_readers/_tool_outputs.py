"""Read the output folders of img2dataset and clip-retrieval."""

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from skclip._files import find_file, is_remote
from skclip._validation import sample_of
from skclip._warn import warn_caller
from skclip.corpus._readers._columns import archive_rows, find_columns, rows_table
from skclip.corpus._readers._decoding import Doubts
from skclip.corpus._readers._request import Request
from skclip.corpus._readers._tables import column_names, filtered_batches, reading
from skclip.corpus._readers._webdataset import iter_samples
from skclip.corpus._stored_paths import arrow_source
from skclip.exceptions import CorpusError, UnusablePairWarning

__all__ = ["is_clip_retrieval", "is_img2dataset", "read_clip_retrieval", "read_img2dataset"]

_BATCH = 4096
_KINDS = ("jpg", "png", "webp")
_IMG2DATASET = {"key", "status", "url"}


def is_img2dataset(root: Path) -> bool:
    """Return whether a folder is img2dataset's output: one table of downloads per shard."""
    for path in sorted(root.glob("*.parquet")):
        with suppress(CorpusError):  # a damaged table raises an error when it is read
            if set(column_names(path)) >= _IMG2DATASET:
                return True
    return False


def read_img2dataset(root: Path, request: Request) -> Iterator[pa.Table]:
    """Yield the downloads of img2dataset, with the reasons of failed ones.

    Parameters
    ----------
    root : Path
        Output folder, with ``--output_format`` webdataset, files or parquet.

    request : Request
        Options for the source.

    Yields
    ------
    table : pyarrow.Table
        Rows of a corpus.

    Warns
    -----
    UnusablePairWarning
        If archives lack the table that img2dataset writes when a shard is complete.
    """
    tables = sorted(root.glob("*.parquet"))
    unfinished = {path.stem for path in root.glob("*.tar")} - {path.stem for path in tables}
    if unfinished:
        archives = [f"{name}.tar" for name in sorted(unfinished)]
        warn_caller(
            f"{len(archives)} archives in {str(root)!r} have no table beside them "
            f"({sample_of(archives)}) and are left out: img2dataset writes the table when a shard "
            "is complete. Run it again to complete them, or give the archives to read what is in "
            "them.",
            UnusablePairWarning,
        )
    for path in tables:
        names = column_names(path)
        if lacking := _IMG2DATASET - set(names):
            raise CorpusError(
                f"{str(path)!r} is not a table of img2dataset like those beside it: it has no "
                f"{sample_of(sorted(lacking))}. Move it out of the folder."
            )
        yield from _read_downloads(path, request)


def _read_downloads(path: Path, request: Request) -> Iterator[pa.Table]:
    """Yield the downloads of one shard."""
    names, doubts = column_names(path), request.doubts
    caption = find_columns(names, request.columns, where=f"{str(path)!r}").caption
    archive, folder = path.with_suffix(".tar"), path.with_suffix("")
    members = {}
    if archive.exists():
        # captions come from the table; those in the archive are ignored
        members = {sample.key: sample.image for sample in iter_samples(archive, Doubts())}
    kinds = [kind for kind in _KINDS if kind in names]
    wanted = dict.fromkeys(["key", "status", "error_message", caption, *kinds])
    columns = [name for name in wanted if name in names]
    with reading(path):
        for batch in filtered_batches(path, names, columns, request.filters):
            rows = batch.to_pydict()
            messages = rows.get("error_message", [None] * batch.num_rows)
            problems = [
                None if status == "success" else f"{status}: {message or 'no reason given'}"
                for status, message in zip(rows["status"], messages, strict=True)
            ]
            keys, captions = rows["key"], rows[caption]
            if archive.exists():
                at = map(members.get, keys)
                places = [place and (str(archive), *place) for place in at]
                problems = _missing(places, problems)
                yield archive_rows(captions, keys, places, problems, doubts)
            else:
                images: list[Any] = (
                    list(rows[kinds[0]]) if kinds else [_image_file(folder, k) for k in keys]
                )
                problems = _missing(images, problems)
                yield rows_table(captions, images, keys, doubts, problems=problems)


def _image_file(folder: Path, key: Any) -> str | None:
    if Path(str(key)).name != str(key):  # a table may only name files of its folder
        return None
    paths = (folder / f"{key}.{kind}" for kind in _KINDS)
    return next((str(path) for path in paths if path.exists()), None)


def _missing(images: list[Any], problems: list[str | None]) -> list[str | None]:
    """Add the reason if a successful download has no image."""
    return [
        "the image is missing" if image is None and problem is None else problem
        for image, problem in zip(images, problems, strict=True)
    ]


def is_clip_retrieval(root: Path) -> bool:
    """Return whether a folder is the output of clip-retrieval's inference."""
    return (root / "img_emb").is_dir() and (root / "metadata").is_dir()


def read_clip_retrieval(root: Path, request: Request) -> Iterator[tuple[Path, Iterator[pa.Table]]]:
    """Yield the embeddings files of clip-retrieval with their rows.

    Parameters
    ----------
    root : Path
        Output folder, with ``img_emb`` and ``metadata``.

    request : Request
        Options for the source.

    Yields
    ------
    embeddings : Path
        ``.npy`` file, which is not copied.

    tables : iterator of pyarrow.Table
        Rows of a corpus, one per row of the embeddings.
    """
    files = sorted((root / "img_emb").glob("img_emb_*.npy"))
    if not files:
        raise CorpusError(f"{str(root / 'img_emb')!r} has no img_emb_*.npy.")
    for embeddings in files:
        number = embeddings.stem.removeprefix("img_emb_")
        metadata = root / "metadata" / f"metadata_{number}.parquet"
        if not metadata.exists():
            raise CorpusError(f"{str(embeddings)!r} has no {metadata.name} with its captions.")
        with reading(metadata), arrow_source(metadata) as source:
            n_rows = pq.read_metadata(source).num_rows
        with reading(embeddings):
            shape = np.load(embeddings, mmap_mode="r", allow_pickle=False).shape
        if len(shape) != 2 or shape[0] != n_rows:
            raise CorpusError(
                f"{str(embeddings)!r} has shape {shape} but {metadata.name} has {n_rows} rows: "
                "expected one embedding per row."
            )
        yield embeddings, _read_metadata(metadata, request)


def _read_metadata(path: Path, request: Request) -> Iterator[pa.Table]:
    columns = find_columns(column_names(path), request.columns, where=f"{str(path)!r}")
    assert columns.caption is not None
    with reading(path), arrow_source(path) as source, pq.ParquetFile(source) as file:
        for batch in file.iter_batches(_BATCH, columns=columns.present):
            rows = batch.to_pydict()
            captions = rows[columns.caption]
            if any(isinstance(caption, list) for caption in captions):
                raise CorpusError(
                    f"{str(path)!r} has lists of captions, but one embedding per row: give one "
                    "caption per row."
                )
            images = rows[columns.image] if columns.image else [None] * batch.num_rows
            ids = rows[columns.id] if columns.id else images if columns.image else None
            yield rows_table(captions, list(map(_existing, images)), ids, request.doubts)


def _existing(image: Any) -> str | None:
    """Return an existing image; for archives, clip-retrieval stores only the key."""
    if not isinstance(image, str) or is_remote(image):
        return image if isinstance(image, str) else None
    local = find_file(image)
    return str(local) if os.path.isfile(local) else None
