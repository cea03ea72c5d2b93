"""Proxies of a class from its rows: the GEN step of IMPRINT. Called by the imprinter's fit."""

from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from skclip.heads._kmeans import kmeans_of_groups

__all__ = ["ClassRows", "Proxies", "generate_proxies", "split_by_class"]


class ClassRows(NamedTuple):
    """The distinct rows of one class in an order of their own, and their summed weights."""

    rows: NDArray[Any]
    weight: NDArray[Any]


class Proxies(NamedTuple):
    """Proxies of one class ``(k, d)`` and the weight of the rows each stands for ``(k,)``."""

    rows: NDArray[Any]
    weight: NDArray[Any]


def split_by_class(
    X: NDArray[Any], codes: NDArray[Any], weight: NDArray[Any], n_classes: int
) -> list[ClassRows]:
    """Gather the rows of each class; rows that are equal become one of their summed weight.

    Whatever is computed from the result depends neither on the order of the rows nor on whether
    a row of weight two was given once or twice.

    Parameters
    ----------
    X : ndarray of shape (n_samples, n_features)
        Rows.

    codes : ndarray of shape (n_samples,)
        Class of each row, ``0 ... n_classes - 1``.

    weight : ndarray of shape (n_samples,)
        Positive weights.

    n_classes : int
        Classes, also those without a row.

    Returns
    -------
    classes : list of ClassRows
        One a class.
    """
    # within a class rows are sorted by their first feature, and by all only where that ties
    order = np.lexsort((X[:, 0], codes))
    same_class = codes[order][1:] == codes[order][:-1]
    if np.any(same_class & (X[order[1:], 0] == X[order[:-1], 0])):
        order = np.lexsort((*X.T[::-1], codes))
    bounds = np.searchsorted(codes[order], np.arange(n_classes + 1))
    classes = []
    for start, stop in pairwise(bounds):
        rows, w = X[order[start:stop]], weight[order[start:stop]]
        first = np.ones(len(rows), dtype=bool)
        first[1:] = np.any(rows[1:] != rows[:-1], axis=1)
        if not first.all():
            rows, w = rows[first], np.add.reduceat(w, np.flatnonzero(first))
        classes.append(ClassRows(rows, w))
    return classes


def generate_proxies(
    classes: list[ClassRows], generation: str, k: list[int], seed: int
) -> list[Proxies]:
    """Make the proxies of every class; a class with at most ``k`` rows keeps its rows.

    Parameters
    ----------
    classes : list of ClassRows
        The rows of each class.

    generation : {"mean", "kmeans"}
        How proxies are made.

    k : list of int
        Proxies of each class.

    seed : int
        Seed of every class; the proxies of a class do not depend on the other classes.

    Returns
    -------
    proxies : list of Proxies
        One a class.
    """
    if generation == "mean":
        return [Proxies(*weighted_means(rows, w, np.zeros(len(w), int))) for rows, w in classes]
    return _by_kmeans(classes, k, seed)


def weighted_means(
    rows: NDArray[Any], weight: NDArray[Any], labels: NDArray[np.intp]
) -> tuple[NDArray[Any], NDArray[Any]]:
    """Weighted mean of the rows under each label ``0 ...``, and the summed weights."""
    mass = np.bincount(labels, weight)
    share = np.zeros((len(mass), len(rows)))
    share[labels, np.arange(len(rows))] = weight / mass[labels]
    return share @ rows, mass


def _by_kmeans(classes: list[ClassRows], k: list[int], seed: int) -> list[Proxies]:
    proxies = [Proxies(*c) for c in classes]
    for n_clusters in sorted(set(k)):
        large = [
            c
            for c, rows in enumerate(classes)
            if k[c] == n_clusters and len(rows.rows) > n_clusters
        ]
        labels = kmeans_of_groups(
            [classes[c].rows for c in large],
            [classes[c].weight for c in large],
            n_clusters,
            seed=seed,
        )
        for c, label in zip(large, labels, strict=True):
            proxies[c] = Proxies(*weighted_means(*classes[c], label))
    return proxies
