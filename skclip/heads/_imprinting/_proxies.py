"""Proxies of all classes as a state that rows can be added to.

A state is a list with one WeightedRows per class: its proxies before the last normalisation, and
the weight of the rows assigned to each.
"""

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skclip._validation import encode_known
from skclip.heads._class_sums import ClassSums
from skclip.heads._imprinting._generation import (
    WeightedRows,
    distinct_rows,
    generate_proxies,
)
from skclip.heads._imprinting._similarity import nearest_proxy

__all__ = ["add_rows", "means_of", "nearest_of_class", "spread", "sums_of"]

State = list[WeightedRows]


def spread(
    state: State, known: NDArray[Any], classes: NDArray[Any], n_features: int, dtype: Any
) -> State:
    """Return the state over ``classes``, a sorted superset of the sorted ``known``."""
    wide = [WeightedRows(np.zeros((0, n_features), dtype), np.zeros(0))] * len(classes)
    for position, one in zip(encode_known(known, classes), state, strict=True):
        wide[position] = one
    return wide


def sums_of(state: State, classes: NDArray[Any]) -> ClassSums:
    """Return class sums from a state with at most one proxy per class, its mean."""
    n_features = state[0].rows.shape[1]
    sums = [one.weight @ one.rows if len(one.rows) else np.zeros(n_features) for one in state]
    counts = [one.weight.sum() for one in state]
    return ClassSums(classes, np.array(sums, dtype=np.float64), np.array(counts, dtype=np.float64))


def means_of(sums: ClassSums) -> State:
    """Return the state with class means as proxies; the inverse of :func:`sums_of`."""
    return [
        WeightedRows(mean[None][:is_known], np.array([count])[:is_known])
        for mean, count, is_known in zip(
            sums.means, sums.counts, sums.known.astype(int), strict=True
        )
    ]


def add_rows(
    state: State,
    X: NDArray[Any],
    codes: NDArray[Any],
    weight: NDArray[Any],
    *,
    normalize: Callable[[NDArray[Any]], NDArray[Any]],
    generation: Any,
    k: Sequence[int],
    seed: int,
    on_done: Callable[[int], object] | None = None,
) -> State:
    """Compute the proxies of each class with new rows, from its old proxies and the new rows.

    Parameters
    ----------
    state : list of WeightedRows
        Proxies so far.

    X : ndarray of shape (n_samples, n_features)
        New rows, not normalised.

    codes : ndarray of shape (n_samples,)
        Class of each row.

    weight : ndarray of shape (n_samples,)
        Positive weights.

    normalize : callable
        Normalisation of the rows.

    generation : str or clusterer
        See :func:`skclip.heads._imprinting._generation.generate_proxies`.

    k : sequence of int
        Proxies of each class.

    seed : int
        Seed of every class.

    on_done : callable, default=None
        Called when classes are finished, with their number.

    Returns
    -------
    state : list of WeightedRows
        The new proxies.
    """
    order = np.lexsort((X[:, 0], codes))
    X, weight = X[order], weight[order]
    bounds = np.searchsorted(codes[order], np.arange(len(state) + 1))
    normalized = normalize(X)  # of all classes at once, which takes half the time
    changed, merged = [], []
    for c, (start, stop) in enumerate(pairwise(bounds)):
        if start == stop:
            continue
        # equal rows are merged before normalisation, which rounds
        own, old = X[start:stop], state[c]
        distinct, mass = distinct_rows(own, weight[start:stop])
        rows = normalized[start:stop] if distinct is own else normalize(distinct)
        if len(old.rows):
            rows, mass = distinct_rows(
                np.concatenate([old.rows, rows]), np.concatenate([old.weight, mass])
            )
        changed.append(c)
        merged.append(WeightedRows(rows, mass))
    added = list(state)
    proxies = generate_proxies(merged, generation, [k[c] for c in changed], seed, on_done)
    for c, one in zip(changed, proxies, strict=True):
        added[c] = one
    return added


def nearest_of_class(
    X: NDArray[Any], codes: NDArray[Any], state: State
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return the nearest proxy of the own class of each row, and the class of each proxy.

    Proxies that are not nearest to any row are left out.

    Parameters
    ----------
    X : ndarray of shape (n_samples, n_features)
        Normalised rows.

    codes : ndarray of shape (n_samples,)
        Class of each row.

    state : list of WeightedRows
        Proxies.

    Returns
    -------
    nearest : ndarray of shape (n_samples,)
        Index over the proxies, class after class.

    owners : ndarray of shape (n_proxies,)
        Class of each proxy, ascending.
    """
    counts = [len(one.rows) for one in state]
    starts = np.cumsum([0, *counts])
    nearest = starts[codes]
    for c in np.flatnonzero(np.asarray(counts) > 1):
        own = codes == c
        nearest[own] += nearest_proxy(X[own], state[c].rows.astype(X.dtype))
    used, nearest = np.unique(nearest, return_inverse=True)
    return nearest, np.repeat(np.arange(len(state)), counts)[used]
