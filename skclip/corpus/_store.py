"""The interface of captioned collections on disk and in memory."""

from __future__ import annotations

import sys
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from numbers import Integral
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils import check_scalar

from skclip._bounded_cache import BoundedCache
from skclip._finite import unreadable_rows, warn_unreadable
from skclip._validation import sample_of
from skclip.captions import matching_rows, open_index, phrase_query, tokenize
from skclip.corpus._images import image_keys, load_images
from skclip.embedding import CLIPEmbedder, parse_model_id
from skclip.exceptions import CorpusError, CorpusFormatError, ModelMismatchError
from skclip.neighbors import nearest_rows
from skclip.prompts import encode_texts

if TYPE_CHECKING:
    from skclip.corpus._embedder import Embedder

__all__ = ["CaptionStore", "Shard"]

# Number of embeddings converted at once, to limit memory.
_EMBEDDINGS_AT_ONCE = 1 << 12
# Number of rows compared with a text at once.
_BLOCK = 1 << 14


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

    def caption_embeddings(self, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        """Return the embeddings of the captions of the given rows."""

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
    def has_caption_embeddings(self) -> bool:
        """Whether every caption has a stored embedding."""
        return False

    @property
    def caption_model_id(self) -> str | None:
        """Identity of the model of the captions' embeddings; None if unknown or without."""
        return None

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

    def caption_embeddings(self, rows: ArrayLike | None = None) -> NDArray[np.float32]:
        """Return stored embeddings of captions.

        Parameters
        ----------
        rows : array-like of int, default=None
            Row numbers in any order; None means all.

        Returns
        -------
        embeddings : ndarray of shape (n_rows, n_features)
            float32. Rows of blank captions, and rows with NaN or infinity, are zero.
        """
        if not self.has_caption_embeddings:
            raise CorpusError(
                f"{self!r} has no embeddings of its captions, or not of all: make them once with "
                "Corpus(path).embed_captions(embedder), or `skclip embed DIR --captions`; for "
                "captions in memory give fit(captions, caption_embeddings=...)."
            )
        X = self._gather(
            rows, lambda shard, local: shard.caption_embeddings(local), at_once=_EMBEDDINGS_AT_ONCE
        )
        X[unreadable_rows(X)] = 0
        return X

    def _name_unreadable(self, rows: NDArray[np.int64]) -> None:
        """Warn of rows with NaN or infinity, once for each."""
        new = sorted(set(rows.tolist()) - self._named_unreadable)
        if new:
            self._named_unreadable.update(new)
            ids = self.ids(new[:3]).tolist() + new[3:]
            warn_unreadable(f"{self!r} stores", len(new), len(self), ids)

    def search(
        self,
        text: str,
        k: int | None = None,
        *,
        by: str = "image",
        embedder: Embedder | None = None,
    ) -> NDArray[np.int64]:
        """Return the rows that a text describes, or whose caption contains it.

        Parameters
        ----------
        text : str
            Any text, such as ``"a red car on snow"``. Without ``k``, a phrase: its tokens must be
            consecutive in the caption; case and accents are ignored.

        k : int, default=None
            Number of rows most similar to the text by cosine, one per image. None returns the
            rows whose caption contains the text as a phrase.

        by : {"image", "caption"}, default="image"
            With ``k``, whether the images or the captions are compared with the text.

        embedder : transformer, default=None
            Embeds the text. None takes the model that embedded the images or captions.

        Returns
        -------
        rows : ndarray of int64
            With ``k``, most similar first, equal cosines in order of row number. Else ascending;
            empty if the phrase has neither letters nor digits.

        Raises
        ------
        CorpusError
            If the collection has no such embeddings, or no caption index.

        ModelMismatchError
            If ``embedder`` is another model than that of the embeddings.

        Notes
        -----
        The search is exact. Embeddings are read in blocks.
        """
        if by not in ("image", "caption"):
            raise ValueError(f"by must be 'image' or 'caption', got {by!r}.")
        if k is not None:
            return self._most_similar(text, k, by, embedder)
        if not isinstance(text, str):
            raise TypeError(f"text must be a string, got {sample_of([text])[:200]}.")
        tokens = tokenize(text)
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

    def embedding_blocks(self, of: str = "image") -> Iterator[NDArray[np.float32]]:
        """Yield all embeddings in order, a block of rows at a time.

        Parameters
        ----------
        of : {"image", "caption"}, default="image"
            What was embedded.

        Yields
        ------
        rows : ndarray of shape (n_block, n_features)
            float32.
        """
        read = self.embeddings if of == "image" else self.caption_embeddings
        for start in range(0, len(self), _BLOCK):
            yield read(np.arange(start, min(start + _BLOCK, len(self))))

    def _most_similar(
        self, text: str, k: int, by: str, embedder: Embedder | None
    ) -> NDArray[np.int64]:
        """Return the rows of the k images nearest to a text, each image once."""
        check_scalar(k, "k", Integral, min_val=1)
        query = self._embedded_text(text, by, embedder)
        # several rows may have the same image: look at more until there are k images
        n_rows = min(4 * k, len(self))
        while True:
            (found,) = nearest_rows(query, self.embedding_blocks(by), n_rows)[1]
            rows = found[found >= 0]
            keys = image_keys(self.image_references(rows).tolist(), self.ids(rows).tolist())
            first: dict[Any, int] = {}
            for key, row in zip(keys, rows.tolist(), strict=True):
                first.setdefault(key, row)
            if len(first) >= k or n_rows == len(self):
                return np.fromiter(first.values(), np.int64)[:k]
            n_rows = min(4 * n_rows, len(self))

    def _embedded_text(self, text: str, by: str, embedder: Embedder | None) -> NDArray[Any]:
        """Return a text as one row, in the space of the images or of the captions."""
        if not isinstance(text, str) or not text.strip():
            raise ValueError(f"text must be a string with words, got {text!r}.")
        if not (self.has_embeddings if by == "image" else self.has_caption_embeddings):
            how, option = ("embed", "") if by == "image" else ("embed_captions", " --captions")
            raise CorpusError(
                f"{self!r} is not embedded by {by}: to search by text, make the embeddings once "
                f"with Corpus(path).{how}(embedder), or `skclip embed DIR{option}`. Without k, "
                "search finds captions with a phrase."
            )
        model_id = self.model_id if by == "image" else self.caption_model_id
        if embedder is None:
            name, pretrained = parse_model_id(model_id or "")
            if not name:
                what = f"{model_id}, whose location is not known" if model_id else "not known"
                raise CorpusError(f"The model of {self!r} is {what}: give embedder=.")
            embedder = CLIPEmbedder(name, pretrained, modality="text")
        other = getattr(embedder, "model_id", None)
        if None not in (model_id, other) and model_id != other:
            raise ModelMismatchError(
                f"{self!r} was embedded by {model_id}, but embedder is {other}: their vectors "
                "cannot be compared."
            )
        query = encode_texts(embedder, [text])
        read = self.embeddings if by == "image" else self.caption_embeddings
        width = read(np.arange(1)).shape[1]
        if query.shape[1] != width:
            raise ModelMismatchError(
                f"embedder gives texts {query.shape[1]} features, but {self!r} has {width}: it "
                f"must be the model that embedded the {by}s."
            )
        return query

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
