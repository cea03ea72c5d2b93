"""Recall of retrieval between images and texts, from their embeddings."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils import check_array, column_or_1d

from skclip._linalg import gen_row_blocks, unit_rows
from skclip._validation import sample_of

__all__ = ["retrieval_recall"]


def relevant_ranks(
    queries: NDArray[Any], items: NDArray[Any], query_codes: NDArray[Any], item_codes: NDArray[Any]
) -> NDArray[np.intp]:
    """Return the rank, from 1, of every query's most similar relevant item.

    Irrelevant items of equal similarity are ranked before the relevant one, so that constant
    embeddings retrieve nothing.

    Parameters
    ----------
    queries : ndarray of shape (n_queries, n_features)
        Unit rows.

    items : ndarray of shape (n_items, n_features)
        Unit rows.

    query_codes : ndarray of shape (n_queries,)
        Id of each query.

    item_codes : ndarray of shape (n_items,)
        Id of each item; items with the id of a query are relevant to it.

    Returns
    -------
    ranks : ndarray of shape (n_queries,)
        ``n_items + 1`` where no item is relevant.
    """
    ranks = np.empty(len(queries), dtype=np.intp)
    for rows in gen_row_blocks(len(queries), len(items)):
        similarity = queries[rows] @ items.T
        relevant = query_codes[rows, None] == item_codes
        best = np.where(relevant, similarity, -np.inf).max(axis=1)
        ahead = ~relevant & (similarity >= best[:, None])
        ranks[rows] = np.where(relevant.any(axis=1), ahead.sum(axis=1) + 1, len(items) + 1)
    return ranks


def retrieval_recall(
    queries: ArrayLike,
    items: ArrayLike,
    query_ids: ArrayLike | None = None,
    item_ids: ArrayLike | None = None,
    *,
    k: int | Sequence[int] = (1, 5, 10),
) -> dict[int, float]:
    r"""Measure how often one of the ``k`` most similar items is a relevant one.

    .. math:: R@k = \frac{1}{n} \sum_{q} \big[\min_{i \in \mathrm{rel}(q)} \mathrm{rank}_q(i)
              \le k\big]

    with items ranked by cosine. With captions as queries and images as items, it is the recall of
    text-to-image retrieval. With images as queries and captions as items, it is that of
    image-to-text retrieval, where any caption of the image counts.

    Parameters
    ----------
    queries : array-like of shape (n_queries, n_features)
        Embeddings to search with. A zero row finds nothing.

    items : array-like of shape (n_items, n_features)
        Embeddings to search in.

    query_ids : array-like of shape (n_queries,), default=None
        Id of each query, for instance the image of each caption. None uses row numbers: item ``i``
        is relevant to query ``i``.

    item_ids : array-like of shape (n_items,), default=None
        Id of each item; an item is relevant to queries with the same id. None uses row numbers.

    k : int or sequence of int, default=(1, 5, 10)
        Number of most similar items.

    Returns
    -------
    recall : dict of {int: float}
        Fraction of the queries, in [0, 1], for every ``k``.

    Raises
    ------
    ValueError
        If widths or lengths differ, ``k`` is below 1, or no item is relevant to some query.

    See Also
    --------
    sklearn.metrics.top_k_accuracy_score : Recall of classes instead of items.

    Notes
    -----
    Irrelevant items of equal similarity are ranked first, so that constant embeddings have recall
    0 instead of 1. Similarities are computed block by block.

    References
    ----------
    .. [1] Karpathy and Fei-Fei, "Deep Visual-Semantic Alignments for Generating Image
       Descriptions", `arXiv 1412.2306 <https://arxiv.org/abs/1412.2306>`_.

    Examples
    --------
    Three captions of two images; the last caption is nearer to the wrong image:

    >>> from skclip.metrics import retrieval_recall
    >>> images = [[1.0, 0.0], [0.0, 1.0]]
    >>> captions = [[0.9, 0.1], [0.2, 0.8], [0.7, 0.6]]
    >>> image_of_caption = [0, 1, 1]
    >>> retrieval_recall(captions, images, image_of_caption, k=(1, 2))
    {1: 0.666..., 2: 1.0}
    >>> retrieval_recall(images, captions, item_ids=image_of_caption, k=1)
    {1: 1.0}
    """
    Q, X = (unit_rows(check_array(a, dtype=[np.float64, np.float32])) for a in (queries, items))
    if Q.shape[1] != X.shape[1]:
        raise ValueError(
            f"queries has {Q.shape[1]} features and items has {X.shape[1]}: embed both with the "
            "same model."
        )
    depths = [k] if isinstance(k, int | np.integer) else list(k)
    if not depths or any(depth < 1 for depth in depths):
        raise ValueError(f"k must be a positive number or several, got {k!r}.")
    about_query, about_item = _ids(query_ids, Q, "query_ids"), _ids(item_ids, X, "item_ids")
    lost = ~np.isin(about_query, about_item)
    if lost.any():
        raise ValueError(
            f"query_ids holds {sample_of(np.unique(about_query[lost]))}, which item_ids lacks: "
            "every query needs a relevant item. Leave these queries out, or correct the ids."
        )
    ranks = relevant_ranks(Q, X, about_query, about_item)
    return {int(depth): float(np.mean(ranks <= depth)) for depth in depths}


def _ids(ids: ArrayLike | None, rows: NDArray[Any], parameter: str) -> NDArray[Any]:
    """Return the given ids, or row numbers."""
    if ids is None:
        return np.arange(len(rows))
    checked: NDArray[Any] = column_or_1d(ids)
    if len(checked) != len(rows):
        raise ValueError(f"{parameter} has {len(checked)} entries for {len(rows)} rows.")
    return checked
