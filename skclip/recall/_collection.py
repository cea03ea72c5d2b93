"""Collections to find neighbours in: a corpus, a pool, or arrays."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skclip.corpus import CaptionStore
from skclip.exceptions import CorpusError
from skclip.recall._matches import find_matches
from skclip.recall._names import CaptionMatch
from skclip.recall._pool import PrimingPool

__all__ = ["CorpusCollection", "PoolCollection"]

_BLOCK = 1 << 14


class PoolCollection:
    """A pool as a collection, with labels.

    Parameters
    ----------
    pool : PrimingPool
        Must have embeddings.

    labelled : bool
        Whether the labels are meaningful.
    """

    def __init__(self, pool: PrimingPool, *, labelled: bool = True) -> None:
        if pool.embeddings is None:
            raise ValueError(
                "The pool has no embeddings to find neighbours in: recall from a corpus that has "
                "embeddings, or with an embedder."
            )
        self.labels = pool.labels if labelled else None
        self.n_rows, self.n_features = pool.embeddings.shape
        self.indexes = pool.neighbor_indexes
        self._embeddings = pool.embeddings
        self._pool = pool

    def blocks(self) -> Iterator[NDArray[Any]]:
        """Yield all embeddings in order."""
        for start in range(0, self.n_rows, _BLOCK):
            yield self._embeddings[start : start + _BLOCK]

    def embeddings(self, rows: NDArray[np.int64]) -> NDArray[Any]:
        """Return the embeddings of some rows."""
        return self._embeddings[rows]

    def rows_of(self, name: Any) -> NDArray[np.int64]:
        """Return the rows of a class."""
        if self.labels is None:
            raise ValueError(
                "restrict_to_class=True needs the class of every row: give y to fit, or a pool or "
                "a corpus with captions."
            )
        return np.flatnonzero(self.labels == name)

    def pool(self, rows: NDArray[np.int64], labels: NDArray[Any]) -> PrimingPool:
        """Return some rows with the given labels."""
        taken = self._pool[rows]
        return PrimingPool(
            labels,
            taken.embeddings,
            taken.ids,
            taken.captions,
            taken.images,
            model_id=taken.model_id,
            corpus_id=taken.corpus_id,
        )


class CorpusCollection:
    """A corpus with embeddings as a collection; its captions give the classes.

    Parameters
    ----------
    store : CaptionStore
        The corpus.
    """

    labels = None

    def __init__(self, store: CaptionStore) -> None:
        if not store.has_embeddings:
            raise CorpusError(
                f"{store!r} has no embeddings to find neighbours in: build it with embedder=, "
                "or add them with Corpus(path).embed(embedder)."
            )
        self._store = store
        self.indexes = store.neighbor_indexes
        self.n_rows = len(store)
        self.n_features = store.embeddings([]).shape[1]

    def blocks(self) -> Iterator[NDArray[Any]]:
        """Yield all embeddings in order."""
        yield from self._store.embedding_blocks()

    def embeddings(self, rows: NDArray[np.int64]) -> NDArray[Any]:
        """Return the embeddings of some rows."""
        return self._store.embeddings(rows)

    def rows_of(self, name: Any) -> NDArray[np.int64]:
        """Return the rows whose caption names a class."""
        rules = CaptionMatch().disambiguator([name], synonyms=None, plural=False)
        return find_matches(self._store, rules, method="index", n_jobs=None).rows[0]

    def pool(self, rows: NDArray[np.int64], labels: NDArray[Any]) -> PrimingPool:
        """Return some rows with the given labels."""
        return PrimingPool(
            labels,
            self._store.embeddings(rows),
            self._store.ids(rows),
            self._store.captions(rows),
            self._store.image_references(rows),
            model_id=self._store.model_id,
            corpus_id=self._store.corpus_id,
        )
