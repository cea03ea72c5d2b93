"""A captioned collection in memory."""

from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skclip.captions import build_index_image
from skclip.corpus._store import CaptionStore

__all__ = ["MemoryShard", "MemoryStore"]

_BATCH = 10_000


class MemoryShard:
    """Captions with their index, and optional images and embeddings.

    Parameters
    ----------
    captions : ndarray of str objects
        One caption per row.

    ids : ndarray of object
        One identifier per row.

    images : ndarray of object or None
        One image per row.

    embeddings : ndarray of shape (n_rows, n_features) or None
        One embedding per row.

    caption_embeddings : ndarray of shape (n_rows, n_features) or None
        One embedding per caption.
    """

    def __init__(
        self,
        captions: NDArray[Any],
        ids: NDArray[Any],
        images: NDArray[Any] | None,
        embeddings: NDArray[np.float32] | None,
        caption_embeddings: NDArray[np.float32] | None = None,
    ) -> None:
        self.n_rows = len(captions)
        self._columns = {"caption": captions, "id": ids, "image": images}
        self._embeddings = embeddings
        self._caption_embeddings = caption_embeddings

    @property
    def has_embeddings(self) -> bool:
        """Whether there are embeddings."""
        return self._embeddings is not None

    @property
    def has_caption_embeddings(self) -> bool:
        """Whether there are embeddings of captions."""
        return self._caption_embeddings is not None

    @cached_property
    def index(self) -> bytes:
        """Bytes of the caption index, built on first use."""
        return build_index_image(self.iter_captions())

    def column(self, name: str, rows: NDArray[np.int64]) -> NDArray[Any]:
        """Return a column of the given rows as objects."""
        values = self._columns[name]
        return np.full(len(rows), None) if values is None else values[rows]

    def embeddings(self, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        """Return the embeddings of the given rows."""
        assert self._embeddings is not None
        return self._embeddings[rows]

    def caption_embeddings(self, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        """Return the embeddings of the captions of the given rows."""
        assert self._caption_embeddings is not None
        return self._caption_embeddings[rows]

    def iter_captions(self) -> Iterator[list[str]]:
        """Yield all captions in batches."""
        captions = self._columns["caption"]
        assert captions is not None
        for start in range(0, self.n_rows, _BATCH):
            yield captions[start : start + _BATCH].tolist()


class MemoryStore(CaptionStore):
    """A captioned collection in memory, built by a retriever in ``fit``.

    Parameters
    ----------
    shards : sequence of MemoryShard
        Rows in order.

    model_id : str, default=None
        Identity of the model of the embeddings.
    """

    def __init__(self, shards: Sequence[MemoryShard], model_id: str | None = None) -> None:
        self._shards = tuple(shards)
        self._model_id = model_id

    @property
    def shards(self) -> Sequence[MemoryShard]:
        """Shards in row order."""
        return self._shards

    @property
    def has_embeddings(self) -> bool:
        """Whether every row has an embedding."""
        return all(shard.has_embeddings for shard in self._shards)

    @property
    def has_caption_embeddings(self) -> bool:
        """Whether every caption has an embedding."""
        return all(shard.has_caption_embeddings for shard in self._shards)

    @property
    def model_id(self) -> str | None:
        """Identity of the model of the embeddings."""
        return self._model_id

    def __repr__(self) -> str:
        return f"{type(self).__name__}(n_captions={len(self)})"
