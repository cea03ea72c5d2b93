"""Nearest embeddings by cosine, approximately: hnswlib and faiss behind one interface."""

from collections.abc import Callable, Iterator
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from skclip._linalg import nonzero_rows, unit_rows
from skclip._optional import import_optional
from skclip._warn import warn_caller
from skclip.exceptions import SearchFallbackWarning

__all__ = ["NeighborIndex", "build_index", "search_or_fall_back"]

Neighbors = tuple[NDArray[np.float32], NDArray[np.int64]]


class NeighborIndex(Protocol):
    """Find the neighbours of unit rows."""

    def search(self, Q: NDArray[np.float32], k: int) -> Neighbors:
        """Return similarities and row numbers, as :func:`nearest_rows` does."""


class Rows(Protocol):
    """Embeddings that can be read in blocks and by number."""

    n_rows: int
    n_features: int

    def blocks(self) -> Iterator[NDArray[Any]]:
        """Yield all embeddings in order."""

    def embeddings(self, rows: NDArray[np.int64]) -> NDArray[Any]:
        """Return the embeddings of some rows."""


def build_index(method: str, source: Rows) -> NeighborIndex:
    """Index all rows; zero rows are left out.

    Parameters
    ----------
    method : {"hnsw", "faiss"}
        Library to use.

    source : Rows
        Embeddings to index.

    Returns
    -------
    index : NeighborIndex
        Ready to search.
    """
    index = _Hnsw(source) if method == "hnsw" else _Faiss(source)
    offset = 0
    for block in source.blocks():
        X = unit_rows(block).astype(np.float32, copy=False)
        used = np.flatnonzero(nonzero_rows(X))
        if len(used):
            index.add(X[used], offset + used)
        offset += len(X)
    return index


def search_or_fall_back(
    index: NeighborIndex, Q: NDArray[Any], k: int, exact: Callable[[], Neighbors]
) -> Neighbors:
    """Search; if the library fails, warn and use exact search."""
    try:
        similarities, rows = index.search(unit_rows(Q).astype(np.float32, copy=False), k)
    except RuntimeError as error:
        warn_caller(
            f"The approximate search for {k} neighbours failed ({error}); exact search was used "
            "instead. Use method='exact' or a smaller k.",
            SearchFallbackWarning,
        )
        return exact()
    # same form as exact search: k columns, and equal cosines in order of row
    missing = ((0, 0), (0, k - rows.shape[1]))
    similarities = np.pad(similarities, missing, constant_values=-np.inf)
    rows = np.pad(rows, missing, constant_values=-1)
    order = np.lexsort((rows, -similarities), axis=1)
    return np.take_along_axis(similarities, order, 1), np.take_along_axis(rows, order, 1)


class _Hnsw:
    """A navigable small-world graph of hnswlib."""

    _M, _EF_CONSTRUCTION, _EF = 16, 200, 128

    def __init__(self, source: Rows) -> None:
        hnswlib: Any = import_optional("hnswlib", extra="hnsw", purpose="method='hnsw'")
        self._graph = hnswlib.Index(space="ip", dim=source.n_features)
        self._graph.init_index(
            max_elements=source.n_rows, M=self._M, ef_construction=self._EF_CONSTRUCTION
        )

    def add(self, X: NDArray[np.float32], rows: NDArray[np.int64]) -> None:
        """Insert rows."""
        self._graph.add_items(X, rows)

    def search(self, Q: NDArray[np.float32], k: int) -> Neighbors:
        """Search; repeat with the widest beam if the graph does not reach k rows."""
        n_rows = self._graph.get_current_count()
        k = min(k, n_rows)
        self._graph.set_ef(max(self._EF, 2 * k))
        try:
            rows, distances = self._graph.knn_query(Q, k=k)
        except RuntimeError:
            self._graph.set_ef(n_rows)
            rows, distances = self._graph.knn_query(Q, k=k)
        return 1 - distances, rows.astype(np.int64)


class _Faiss:
    """Inverted lists of faiss over float16 rows; a flat list for few rows."""

    _FEW, _ROWS_A_LIST, _TRAINED_ROWS_A_LIST = 10_000, 256, 64

    def __init__(self, source: Rows) -> None:
        faiss: Any = import_optional("faiss", extra="faiss", purpose="method='faiss'")
        spread = np.empty((0, source.n_features), np.float32)
        if source.n_rows > self._FEW:
            n_trained = source.n_rows * self._TRAINED_ROWS_A_LIST // self._ROWS_A_LIST
            rows = np.linspace(0, source.n_rows - 1, n_trained).astype(np.int64)
            spread = unit_rows(source.embeddings(rows)).astype(np.float32, copy=False)
            spread = spread[nonzero_rows(spread)]
        n_lists = len(spread) // self._TRAINED_ROWS_A_LIST
        description = f"IVF{n_lists},SQfp16" if n_lists else "IDMap,Flat"
        metric = faiss.METRIC_INNER_PRODUCT
        self._index = faiss.index_factory(source.n_features, description, metric)
        if n_lists:
            self._index.nprobe = max(16, n_lists // 16)
            self._index.train(spread)

    def add(self, X: NDArray[np.float32], rows: NDArray[np.int64]) -> None:
        """Insert rows."""
        self._index.add_with_ids(X, rows)

    def search(self, Q: NDArray[np.float32], k: int) -> Neighbors:
        """Search the lists closest to each query."""
        similarities, rows = self._index.search(np.ascontiguousarray(Q), k)
        similarities[rows < 0] = -np.inf
        return similarities, rows.astype(np.int64)
