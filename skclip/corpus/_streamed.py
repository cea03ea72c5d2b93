"""A source of captions that is read again in every pass, without building a corpus."""

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from skclip.corpus._corpus import Corpus, open_corpus
from skclip.corpus._images import ImageSlice
from skclip.corpus._manifest import MANIFEST, UNFINISHED
from skclip.corpus._readers import Part, Request, located, open_source
from skclip.corpus._store import CaptionStore
from skclip.corpus._stored_paths import resolved_path, user_path

__all__ = ["StreamedShard", "StreamedStore", "open_collection"]

# Rows whose contents a scan keeps, to bound its memory.
MAX_KEPT = 1 << 18


class StreamedStore(CaptionStore):
    """Captions read from their source: a table, a text file, a folder, archives.

    A scan keeps the contents of the rows that it finds, so that a recall reads the source once;
    other methods read it anew. Use it for collections that are searched once.

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
        # tables read since the last call of `keep`, and the rows that were kept
        self._pending: list[_Rows] | None = None
        self._kept: list[_Rows] = []
        self._latest: tuple[bytes, dict[str, NDArray[Any]]] = (b"", {})

    @property
    def n_rows(self) -> int:
        """Number of captions, counted in the first pass over the source."""
        if self._n_rows is None:
            self._n_rows = sum(len(rows.numbers) for rows in self._all())
        return self._n_rows

    def iter_captions(self) -> Iterator[list[str]]:
        """Yield all captions in batches."""
        n_rows = 0
        for rows in self._all():
            if self._pending is not None:
                self._pending.append(rows)
            n_rows += len(rows.numbers)
            yield rows.table.column("caption").to_pylist()
        self._n_rows = n_rows

    @contextmanager
    def keeping(self) -> Iterator[Callable[[NDArray[np.int64]], None]]:
        """Keep the contents of some rows while captions are read, to read the source only once.

        At most ``MAX_KEPT`` rows are kept. If others are asked for, the source is read again.

        Yields
        ------
        keep : callable
            Takes ascending row numbers among the captions read since its last call.
        """
        self._pending, self._kept = [], []
        try:
            yield self._keep
        finally:
            self._pending = None

    def _keep(self, wanted: NDArray[np.int64]) -> None:
        assert self._pending is not None
        for rows in self._pending:
            taken = rows.among(wanted)
            if sum(len(kept.numbers) for kept in self._kept) + len(taken.numbers) > MAX_KEPT:
                break
            if len(taken.numbers):
                self._kept.append(taken)
        self._pending = []

    def column(self, name: str, rows: NDArray[np.int64]) -> NDArray[Any]:
        """Return ``"caption"``, ``"id"`` or ``"image"`` (a reference) of the given rows."""
        key = rows.tobytes()
        if self._latest[0] != key or not self._latest[1]:
            # captions, ids and images of the same rows are read together
            self._latest = (key, self._read(rows))
        return self._latest[1][name]

    def embeddings(self, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        """Raise an error: a source has no embeddings."""
        raise NotImplementedError

    caption_embeddings = embeddings

    def _read(self, rows: NDArray[np.int64]) -> dict[str, NDArray[Any]]:
        columns = {name: np.full(len(rows), None) for name in ("caption", "id", "image")}
        if not len(rows):
            return columns
        order = np.argsort(rows, kind="stable")
        wanted, at = rows[order], 0
        kept = [part.numbers for part in self._kept]
        all_kept = bool(kept) and bool(np.isin(wanted, np.concatenate(kept)).all())
        for part in self._kept if all_kept else self._all():
            taken = part.among(wanted)
            here = order[at : at + len(taken.numbers)]
            columns["caption"][here] = taken.table.column("caption").to_pylist()
            columns["id"][here] = taken.table.column("id").to_pylist()
            for i, image in zip(here, taken.images(), strict=True):
                columns["image"][i] = image
            at += len(taken.numbers)
            if at == len(wanted):
                break
        return columns

    def _all(self) -> Iterator["_Rows"]:
        """Read the source."""
        first = 0
        # only images that are asked for are located
        for part in open_source(self._source, Request(images_found=False, stop_early=False)):
            for table in part.tables:
                yield _Rows(np.arange(first, first + table.num_rows), part, table)
                first += table.num_rows


class _Rows(NamedTuple):
    """Some rows of a source, ascending."""

    numbers: NDArray[np.int64]
    part: Part
    table: pa.Table

    def among(self, wanted: NDArray[np.int64]) -> "_Rows":
        """Return those of the rows that are wanted, as often as they are wanted."""
        if not len(self.numbers):
            return self
        begin, end = np.searchsorted(wanted, [self.numbers[0], self.numbers[-1] + 1])
        local = np.searchsorted(self.numbers, wanted[begin:end])
        return _Rows(wanted[begin:end], self.part, self.table.take(pa.array(local)))

    def images(self) -> Iterator[Any]:
        """Yield references to the images."""
        table, part = self.table, self.part
        if part.finder is not None:
            table = located(table, part.finder)
        left_out = ("id", "caption", "problem")
        for row in table.select([n for n in table.column_names if n not in left_out]).to_pylist():
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
