"""A source of captions that is read again in every pass, without building a corpus."""

import os
from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from skclip.corpus._corpus import Corpus, open_corpus
from skclip.corpus._images import ImageSlice
from skclip.corpus._manifest import MANIFEST, UNFINISHED
from skclip.corpus._readers import Part, Request, open_source
from skclip.corpus._store import CaptionStore
from skclip.corpus._stored_paths import resolved_path, user_path

__all__ = ["StreamedStore", "open_collection"]


class StreamedStore(CaptionStore):
    """Captions read from their source: a table, a text file, a folder, archives.

    Only the number of rows is kept; every method reads the whole source. Use it for collections
    that are read once.

    Parameters
    ----------
    source : path-like
        Any source for :meth:`skclip.corpus.Corpus.build`.
    """

    def __init__(self, source: str | os.PathLike[str]) -> None:
        self.source = Path(source)

    @cached_property
    def shards(self) -> Sequence["StreamedShard"]:  # type: ignore[override]
        """The whole source as one shard."""
        return (StreamedShard(self.source),)

    @property
    def has_embeddings(self) -> bool:
        """Whether every row has a stored embedding: always False."""
        return False

    @property
    def model_id(self) -> None:
        """Identity of the model of the embeddings: always None."""
        return None

    def __repr__(self) -> str:
        return f"{type(self).__name__}({str(self.source)!r})"


class StreamedShard:
    """All rows of a source.

    Parameters
    ----------
    source : Path
        The source.
    """

    index = None

    def __init__(self, source: Path) -> None:
        self._source = source
        self._n_rows: int | None = None
        self._latest: tuple[bytes, dict[str, NDArray[Any]]] = (b"", {})

    @property
    def n_rows(self) -> int:
        """Number of captions, counted in the first pass over the source."""
        if self._n_rows is None:
            self._n_rows = sum(table.num_rows for _, table in self._tables())
        return self._n_rows

    def iter_captions(self) -> Iterator[list[str]]:
        """Yield all captions in batches."""
        for _, table in self._tables():
            yield table.column("caption").to_pylist()

    def column(self, name: str, rows: NDArray[np.int64]) -> NDArray[Any]:
        """Return ``"caption"``, ``"id"`` or ``"image"`` (a reference) of the given rows."""
        key = rows.tobytes()
        if self._latest[0] != key or not len(rows):
            # one pass reads the captions, ids and images of the same rows
            self._latest = (key, self._read(rows))
        return self._latest[1][name]

    def embeddings(self, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        """Raise an error: a source has no embeddings."""
        raise NotImplementedError

    caption_embeddings = embeddings

    def _read(self, rows: NDArray[np.int64]) -> dict[str, NDArray[Any]]:
        columns = {name: np.full(len(rows), None) for name in ("caption", "id", "image")}
        order = np.argsort(rows, kind="stable")
        wanted, first = rows[order], 0
        for part, table in self._tables(images=True):
            begin, end = np.searchsorted(wanted, [first, first + table.num_rows])
            if begin < end:
                taken = table.take(pa.array(wanted[begin:end] - first))
                columns["caption"][order[begin:end]] = taken.column("caption").to_pylist()
                columns["id"][order[begin:end]] = taken.column("id").to_pylist()
                for at, image in zip(order[begin:end], _images(part, taken), strict=True):
                    columns["image"][at] = image
            first += table.num_rows
            if end == len(wanted):
                break
        return columns

    def _tables(self, *, images: bool = False) -> Iterator[tuple[Part, pa.Table]]:
        request = Request(images_found=images, stop_early=False)
        for part in open_source(self._source, request):
            for table in part.tables:
                yield part, table


def _images(part: Part, table: pa.Table) -> Iterator[Any]:
    rows = table.select([n for n in table.column_names if n not in ("id", "caption", "problem")])
    for row in rows.to_pylist():
        path = resolved_path(row["image"], part.image_root)
        if row.get("data") is not None:
            yield row["data"]
        elif path is not None and row.get("offset") is not None:
            yield ImageSlice(path, row["offset"], row["size"])
        else:
            yield path


def open_collection(corpus: Corpus | str | os.PathLike[str], *, scan: bool) -> CaptionStore:
    """Open a corpus, or, for scanning, any source of captions.

    Parameters
    ----------
    corpus : Corpus or path-like
        Parameter of a retriever.

    scan : bool
        Whether captions are scanned instead of searched by index.

    Returns
    -------
    store : CaptionStore
        The open collection.
    """
    if isinstance(corpus, Corpus) or not scan:
        return open_corpus(corpus)
    path = user_path(corpus)
    if path.is_file() or not any((path / name).exists() for name in (MANIFEST, UNFINISHED)):
        return StreamedStore(path)
    return open_corpus(path)
