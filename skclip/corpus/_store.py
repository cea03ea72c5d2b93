"""The interface of captioned collections on disk and in memory."""

from __future__ import annotations

import sys
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from typing import Any, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from skclip._bounded_cache import BoundedCache
from skclip._finite import unreadable_rows, warn_unreadable
from skclip._validation import sample_of
from skclip.captions import matching_rows, open_index, phrase_query, tokenize
from skclip.corpus._images import load_images
from skclip.exceptions import CorpusError, CorpusFormatError

__all__ = ["CaptionStore", "Shard"]

# Number of embeddings converted at once, to limit memory.
_EMBEDDINGS_AT_ONCE = 1 << 12


class Shard(Protocol):
    """A run of rows: captions, ids, images, index and embeddings."""

    n_rows: int

    @property
    def index(self) -> bytes | str | None:
        """Bytes or path of the caption index; None if there is none."""

    def column(self, name: str, rows: NDArray[np.int64]) -> NDArray[Any]:
        """Return ``"caption"``, ``"id"`` or ``"image"`` (a reference) of the given rows."""

    def embeddings(self, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        """Return the embeddings of the given rows."""

    def iter_captions(self) -> Iterator[list[str]]:
        """Yield all captions in batches."""


class CaptionStore(ABC):
    """Captions, ids, images and embeddings by row number; caption search by phrase.

    Subclasses provide the shards, in row order.
    """

    @property
    @abstractmethod
    def shards(self) -> Sequence[Shard]:
        """Shards in row order."""

    @property
    @abstractmethod
    def has_embeddings(self) -> bool:
        """Whether every row has a stored embedding."""

    @property
    @abstractmethod
    def model_id(self) -> str | None:
        """Identity of the model of the embeddings; None if unknown or without embeddings."""

    @property
    def corpus_id(self) -> str | None:
        """Identity of the collection; None if it is not on disk."""
        return None

    @cached_property
    def recalled(self) -> BoundedCache:
        """Cache of recalls from this collection in this process."""
        return BoundedCache(max_size=8)

    @cached_property
    def embedded(self) -> BoundedCache:
        """Cache of embeddings computed on recall, keyed by model and row."""
        return BoundedCache(max_size=1 << 16)

    @cached_property
    def neighbor_indexes(self) -> BoundedCache:
        """Neighbour indexes of the embeddings, keyed by method."""
        return BoundedCache(max_size=2)

    @cached_property
    def _named_unreadable(self) -> set[int]:
        return set()

    @property
    def offsets(self) -> NDArray[np.int64]:
        """First row of every shard, followed by the number of rows."""
        return np.cumsum([0, *(shard.n_rows for shard in self.shards)], dtype=np.int64)

    def __len__(self) -> int:
        return int(self.offsets[-1])

    def captions(self, rows: ArrayLike | None = None) -> NDArray[Any]:
        """Return captions.

        Parameters
        ----------
        rows : array-like of int, default=None
            Row numbers in any order; None means all.

        Returns
        -------
        captions : ndarray of object
            One string per row.
        """
        return self._gather(rows, lambda shard, local: shard.column("caption", local))

    def ids(self, rows: ArrayLike | None = None) -> NDArray[Any]:
        """Return the identifier of each row in the source.

        Parameters
        ----------
        rows : array-like of int, default=None
            Row numbers in any order; None means all.

        Returns
        -------
        ids : ndarray of object
            One identifier per row.
        """
        return self._gather(rows, lambda shard, local: shard.column("id", local))

    def images(self, rows: ArrayLike | None = None) -> NDArray[Any]:
        """Return images in a form that an embedder accepts.

        Parameters
        ----------
        rows : array-like of int, default=None
            Row numbers in any order; None means all.

        Returns
        -------
        images : ndarray of object
            Path, URL or bytes; None if a caption has no image.
        """
        return load_images(self.image_references(rows))

    def image_references(self, rows: ArrayLike | None = None) -> NDArray[Any]:
        """Return images in a form that an embedder accepts, without reading them.

        Parameters
        ----------
        rows : array-like of int, default=None
            Row numbers in any order; None means all.

        Returns
        -------
        references : ndarray of object
            Path, URL, bytes in memory, or an object whose ``read()`` returns bytes; equal for
            captions of the same image.
        """
        return self._gather(rows, lambda shard, local: shard.column("image", local))

    def embeddings(self, rows: ArrayLike | None = None) -> NDArray[np.float32]:
        """Return stored embeddings.

        Parameters
        ----------
        rows : array-like of int, default=None
            Row numbers in any order; None means all.

        Returns
        -------
        embeddings : ndarray of shape (n_rows, n_features)
            float32. Rows of unreadable images are zero. Rows with NaN or infinity are also set to
            zero, with a warning when they are first read.
        """
        if not self.has_embeddings:
            raise CorpusError(
                f"{self!r} has no stored embeddings: build it with embedder=, or give the "
                "retriever an embedder."
            )
        X = self._gather(
            rows, lambda shard, local: shard.embeddings(local), at_once=_EMBEDDINGS_AT_ONCE
        )
        unreadable = unreadable_rows(X)
        if len(unreadable):
            X[unreadable] = 0
            self._name_unreadable(self._check_rows(rows)[unreadable])
        return X

    def _name_unreadable(self, rows: NDArray[np.int64]) -> None:
        """Warn of rows with NaN or infinity, once for each."""
        new = sorted(set(rows.tolist()) - self._named_unreadable)
        if new:
            self._named_unreadable.update(new)
            ids = self.ids(new[:3]).tolist() + new[3:]
            warn_unreadable(f"{self!r} stores", len(new), len(self), ids, stacklevel=4)

    def search(self, phrase: str) -> NDArray[np.int64]:
        """Return the rows whose caption contains a phrase.

        Parameters
        ----------
        phrase : str
            Any text. Its tokens must be consecutive in the caption; case and accents are ignored.

        Returns
        -------
        rows : ndarray of int64
            Ascending; empty if the phrase has neither letters nor digits.
        """
        tokens = tokenize(phrase)
        if not tokens:
            return np.empty(0, dtype=np.int64)
        found = []
        for offset, shard in zip(self.offsets[:-1], self.shards, strict=True):
            with open_index(self.index_of(shard)) as connection:
                rows = matching_rows(connection, phrase_query(tokens))
            if rows.size and (rows[0] < 0 or rows[-1] >= shard.n_rows):
                raise CorpusFormatError(
                    f"A caption index of {self!r} has rows beyond the number of captions: build "
                    "the corpus again with overwrite=True."
                )
            found.append(offset + rows)
        return np.concatenate(found)

    def index_of(self, shard: Shard) -> bytes | str:
        """Return the caption index of a shard; raise if the collection has none.

        Parameters
        ----------
        shard : Shard
            One of :attr:`shards`.

        Returns
        -------
        index : bytes or str
            The bytes or the path of the index.
        """
        if shard.index is None:
            raise CorpusError(
                f"{self!r} has no caption index: build it with index=True, add an index with "
                "Corpus(path).index_captions(), or match with method='scan'."
            )
        return shard.index

    def _gather(
        self,
        rows: ArrayLike | None,
        read: Callable[[Shard, NDArray[np.int64]], NDArray[Any]],
        at_once: int = sys.maxsize,
    ) -> NDArray[Any]:
        """Read ``rows`` shard by shard and return them in the given order."""
        offsets, wanted = self.offsets, self._check_rows(rows)
        shard_of = np.searchsorted(offsets, wanted, side="right") - 1
        out: NDArray[Any] | None = None
        for i in np.unique(shard_of):
            all_here = np.flatnonzero(shard_of == i)
            for start in range(0, len(all_here), at_once):
                here = all_here[start : start + at_once]
                values = read(self.shards[i], wanted[here] - offsets[i])
                if out is None:
                    out = np.empty((len(wanted), *values.shape[1:]), dtype=values.dtype)
                out[here] = values
        if out is None:  # no rows: the first shard gives width and dtype
            return read(self.shards[0], wanted)
        return out

    def _check_rows(self, rows: ArrayLike | None) -> NDArray[np.int64]:
        if rows is None:
            return np.arange(len(self), dtype=np.int64)
        wanted = np.atleast_1d(np.asarray(rows))
        if wanted.size == 0:
            return np.empty(0, dtype=np.int64)
        if wanted.ndim != 1 or wanted.dtype.kind not in "iu":
            raise TypeError(
                f"rows must be row numbers, got an array of {wanted.dtype} with shape "
                f"{wanted.shape}."
            )
        outside = wanted[(wanted < 0) | (wanted >= len(self))]
        if outside.size:
            raise IndexError(f"rows must lie in [0, {len(self)}), got {sample_of(outside)}.")
        return wanted.astype(np.int64, copy=False)
