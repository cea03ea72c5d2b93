"""Proxies of a class from its rows: the GEN step of IMPRINT."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.utils.validation import has_fit_parameter

from skclip.heads._imprinting._kmeans import kmeans_of_groups
from skclip.heads._imprinting._kmedoids import kmedoids
from skclip.heads._imprinting._similarity import nearest_proxy

__all__ = ["WeightedRows", "distinct_rows", "generate_proxies"]


class WeightedRows(NamedTuple):
    """Rows or proxies ``(n, d)`` of one class, and their weights ``(n,)``."""

    rows: NDArray[Any]
    weight: NDArray[Any]


def distinct_rows(rows: NDArray[Any], weight: NDArray[Any]) -> WeightedRows:
    """Sort rows by their entries, and merge equal rows, adding their weights.

    The result does not depend on the order of the rows, and a row of weight 2 equals two rows.

    Parameters
    ----------
    rows : ndarray of shape (n_rows, n_features)
        Rows.

    weight : ndarray of shape (n_rows,)
        Their weights.

    Returns
    -------
    distinct : WeightedRows
        Distinct rows in ascending order.
    """
    if np.all(rows[1:, 0] > rows[:-1, 0]):
        return WeightedRows(rows, weight)
    order = np.lexsort(rows.T[::-1])
    rows, weight = rows[order], weight[order]
    is_first = np.ones(len(rows), dtype=bool)
    is_first[1:] = np.any(rows[1:] != rows[:-1], axis=1)
    return WeightedRows(rows[is_first], np.add.reduceat(weight, np.flatnonzero(is_first)))


def generate_proxies(
    classes: Sequence[WeightedRows],
    generation: Any,
    k: Sequence[int],
    seed: int,
    on_done: Callable[[int], object] | None = None,
) -> list[WeightedRows]:
    """Compute the proxies of every class; a class with at most ``k`` rows keeps its rows.

    Parameters
    ----------
    classes : sequence of WeightedRows
        Distinct rows of each class.

    generation : str or clusterer
        ``"all"``, ``"kmeans"``, ``"kmedoids"``, ``"farthest"``, ``"covariance"``, ``"random"``,
        or an estimator with ``labels_`` or ``predict`` after ``fit``.

    k : sequence of int
        Proxies of each class.

    seed : int
        Seed of every class; the proxies of a class do not depend on the other classes.

    on_done : callable, default=None
        Called when classes are finished, with their number; k-means finishes many at once.

    Returns
    -------
    proxies : list of WeightedRows
        One per class.
    """
    on_done = on_done or _ignore
    if generation == "kmeans":
        return _kmeans(classes, k, seed, on_done)
    proxies = []
    for one, n in zip(classes, k, strict=True):
        proxies.append(_proxies_of(one, generation, n, seed))
        on_done(1)
    return proxies


def _ignore(n_done: int) -> None:
    """Do nothing: the default of ``on_done``."""


def _proxies_of(one: WeightedRows, generation: Any, n: int, seed: int) -> WeightedRows:
    """Compute the proxies of one class by any generation except k-means."""
    if not isinstance(generation, str):
        return _cluster(one, generation, seed)
    if generation == "all" or len(one.rows) <= n:
        return one
    return _chosen(one, _CHOOSERS[generation](one, n, seed))


def _kmeans(
    classes: Sequence[WeightedRows],
    k: Sequence[int],
    seed: int,
    on_done: Callable[[int], object],
) -> list[WeightedRows]:
    proxies = list(classes)
    if n_small := sum(len(one.rows) <= n for one, n in zip(classes, k, strict=True)):
        on_done(n_small)
    for n_clusters in sorted(set(k)):
        large = [
            c for c, one in enumerate(classes) if k[c] == n_clusters and len(one.rows) > n_clusters
        ]
        labels = kmeans_of_groups(
            [classes[c].rows for c in large],
            [classes[c].weight for c in large],
            n_clusters,
            seed=seed,
            on_done=on_done,
        )
        for c, label in zip(large, labels, strict=True):
            proxies[c] = _means(classes[c], label)
    return proxies


def _means(one: WeightedRows, labels: NDArray[np.intp]) -> WeightedRows:
    """Return the weighted mean of the rows of each label ``0, 1, ...``, without negative labels."""
    kept = np.flatnonzero(labels >= 0)
    weight = np.bincount(labels[kept], one.weight[kept])
    averaging = np.zeros((len(weight), len(one.rows)), dtype=one.rows.dtype)
    averaging[labels[kept], kept] = one.weight[kept] / weight[labels[kept]]
    return WeightedRows(averaging @ one.rows, weight)


def _chosen(one: WeightedRows, indices: NDArray[np.intp]) -> WeightedRows:
    """Return chosen rows as proxies, each with the weight of the rows nearest to it."""
    proxies = one.rows[indices]
    nearest = nearest_proxy(one.rows, proxies)
    return WeightedRows(proxies, np.bincount(nearest, one.weight, minlength=len(proxies)))


def _random(one: WeightedRows, n: int, seed: int) -> NDArray[np.intp]:
    """Choose without replacement, with probabilities proportional to the weights."""
    arrival = np.random.RandomState(seed).standard_exponential(len(one.rows)) / one.weight
    return np.sort(np.argsort(arrival, kind="stable")[:n])


def _farthest(one: WeightedRows, n: int, seed: int) -> NDArray[np.intp]:
    """Start from a random row, then add the row farthest from the chosen ones each time."""
    rows, weight = one
    target = (1 - np.random.RandomState(seed).random_sample()) * weight.sum()
    indices = np.empty(n, dtype=np.intp)
    indices[0] = np.searchsorted(np.cumsum(weight), target).clip(max=len(rows) - 1)
    distance = np.full(len(rows), np.inf)
    for i in range(1, n):
        latest = rows - rows[indices[i - 1]]
        np.minimum(distance, np.einsum("nd,nd->n", latest, latest), out=distance)
        indices[i] = np.argmax(distance)
    return indices


def _covariance(one: WeightedRows, n: int, seed: int) -> NDArray[np.intp]:
    """Choose the rows with the largest sums of sample-by-sample covariance."""
    centered = one.rows - one.rows.mean(axis=1, keepdims=True)
    sums = centered @ (one.weight @ centered)
    return np.argsort(-sums, kind="stable")[:n]


def _kmedoids(one: WeightedRows, n: int, seed: int) -> NDArray[np.intp]:
    return kmedoids(one.rows, one.weight, n)


_CHOOSERS: dict[str, Callable[[WeightedRows, int, int], NDArray[np.intp]]] = {
    "random": _random,
    "farthest": _farthest,
    "covariance": _covariance,
    "kmedoids": _kmedoids,
}


def _cluster(one: WeightedRows, clusterer: Any, seed: int) -> WeightedRows:
    """Return the means of the clusters that a clone of ``clusterer`` finds, without noise.

    If there are at most ``n_clusters`` rows (``n_components`` of a mixture), or all rows are noise,
    the rows are the proxies.
    """
    clusterer = clone(clusterer)
    parameters = clusterer.get_params()
    n_clusters = parameters.get("n_clusters", parameters.get("n_components"))
    if len(one.rows) <= (n_clusters if isinstance(n_clusters, int) else 1):
        return one
    if "random_state" in parameters and parameters["random_state"] is None:
        clusterer.set_params(random_state=seed)
    if has_fit_parameter(clusterer, "sample_weight"):
        clusterer.fit(one.rows, sample_weight=one.weight)
    else:
        clusterer.fit(one.rows)
    labels = _labels(clusterer, one.rows)
    if not np.any(labels >= 0):
        return one
    _, compact = np.unique(np.maximum(labels, -1), return_inverse=True)
    return _means(one, compact - int(labels.min() < 0))


def _labels(clusterer: Any, rows: NDArray[Any]) -> NDArray[Any]:
    """Return the labels of a fitted clusterer; a mixture predicts them."""
    if hasattr(clusterer, "labels_"):
        return np.asarray(clusterer.labels_)
    if hasattr(clusterer, "predict"):
        return np.asarray(clusterer.predict(rows))
    raise ValueError(
        f"generation must be a clusterer, got {clusterer!r}, which has neither labels_ nor "
        "predict after fit. Give a clusterer such as KMeans, or the name of a generation."
    )
