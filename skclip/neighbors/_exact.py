"""Nearest embeddings by cosine, exactly: blocks of queries against blocks of rows."""

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skclip._linalg import unit_rows

__all__ = ["nearest_rows", "top_k"]

_QUERY_BLOCK, _ROW_BLOCK = 1024, 2048


def nearest_rows(
    Q: NDArray[Any], blocks: Iterable[NDArray[Any]], k: int
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    r"""Return the k rows of largest cosine :math:`q \cdot x` for every query.

    Rows are read once, in blocks, whatever the number of queries.

    Parameters
    ----------
    Q : ndarray of shape (n_queries, n_features)
        Queries.

    blocks : iterable of ndarray of shape (n_block, n_features)
        All rows in order. Zero rows are never returned.

    k : int
        Number of neighbours.

    Returns
    -------
    similarities : ndarray of shape (n_queries, k)
        Descending cosines; ``-inf`` if there are fewer than k rows.

    rows : ndarray of shape (n_queries, k)
        Row numbers; equal cosines are in order of row number. -1 if there are fewer than k rows.

    Examples
    --------
    >>> import numpy as np
    >>> from skclip.neighbors._exact import nearest_rows
    >>> X = np.array([[1.0, 0.0], [0.0, 1.0], [0.8, 0.6]])
    >>> nearest_rows(np.array([[2.0, 0.0]]), [X[:2], X[2:]], k=2)
    (array([[1. , 0.8]], dtype=float32), array([[0, 2]]))
    """
    Q = unit_rows(Q).astype(np.float32, copy=False)
    similarities = np.full((len(Q), k), -np.inf, dtype=np.float32)
    rows = np.full((len(Q), k), -1, dtype=np.int64)
    offset = 0
    for block in blocks:
        X = unit_rows(block).astype(np.float32, copy=False)
        for first in range(0, len(X), _ROW_BLOCK):
            some = X[first : first + _ROW_BLOCK]
            empty = ~some.any(axis=1)
            for start in range(0, len(Q), _QUERY_BLOCK):
                part = slice(start, start + _QUERY_BLOCK)
                scores = Q[part] @ some.T
                scores[:, empty] = -np.inf
                _take_better(similarities[part], rows[part], scores, offset + first)
        offset += len(X)
    return similarities, rows


def _take_better(
    best: NDArray[np.float32], rows: NDArray[np.int64], scores: NDArray[np.float32], offset: int
) -> None:
    """Merge the scores that exceed a query's k-th best so far into its best.

    Scores of later rows rarely do: most rows cost a single comparison.
    """
    query, column = np.nonzero(scores > best[:, -1:])
    counts = np.bincount(query, minlength=len(best))
    beaten = np.flatnonzero(counts)
    if not len(beaten):
        return
    # candidates follow the best so far, which have lower row numbers
    k, n_most = best.shape[1], int(counts.max())
    line = np.repeat(np.arange(len(beaten)), counts[beaten])
    place = k + np.arange(len(query)) - np.repeat(np.cumsum(counts) - counts, counts)
    candidates = np.full((len(beaten), k + n_most), -np.inf, dtype=np.float32)
    numbers = np.full(candidates.shape, -1)
    candidates[:, :k], candidates[line, place] = best[beaten], scores[query, column]
    numbers[:, :k], numbers[line, place] = rows[beaten], offset + column
    at = top_k(candidates, k)
    best[beaten] = np.take_along_axis(candidates, at, axis=1)
    rows[beaten] = np.take_along_axis(numbers, at, axis=1)


def top_k(scores: NDArray[Any], k: int) -> NDArray[np.int64]:
    """Return the positions of the k largest scores of every row, largest first.

    Equal scores are in order of position, even if only some of them are among the k.
    """
    if scores.shape[1] <= k:
        return np.argsort(-scores, axis=1, kind="stable")
    at = np.argpartition(-scores, k - 1, axis=1)[:, :k]
    at.sort(axis=1)
    chosen = np.take_along_axis(scores, at, axis=1)
    at = np.take_along_axis(at, np.argsort(-chosen, axis=1, kind="stable"), axis=1)
    least = chosen.min(axis=1, keepdims=True)
    tied = np.flatnonzero((scores >= least).sum(axis=1) > k)
    at[tied] = np.argsort(-scores[tied], axis=1, kind="stable")[:, :k]
    return at
