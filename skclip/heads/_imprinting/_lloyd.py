"""Lloyd's algorithm on a stack of groups: greedy k-means++ start, iterations, exchange of clusters.

The first axis of all arrays is the group; padding rows have weight zero.
"""

from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

__all__ = ["Products", "lloyd", "n_trials"]

# Least fraction of the inertia that an exchange of clusters must save.
EXCHANGE_GAIN = 2e-3


class Products(Protocol):
    """Inner products of the rows of every group."""

    square: NDArray[Any]  # squared norm of every row, (B, n)

    def with_rows(self, picks: NDArray[np.intp], active: NDArray[np.intp]) -> NDArray[Any]:
        """Products ``(A, T, n)`` of all rows with the picked rows ``(A, T)``."""

    def with_centers(
        self, averaging: NDArray[Any], active: NDArray[np.intp]
    ) -> tuple[NDArray[Any], NDArray[Any]]:
        """Products ``(A, k, n)`` of rows with centres, and squared norms ``(A, k)`` of centres.

        ``averaging`` ``(A, k, n)`` holds the weight of each row in each centre; rows sum to one.
        """


def lloyd(
    products: Products,
    weight: NDArray[Any],
    n_clusters: int,
    *,
    seed: int,
    max_iter: int,
    tol: float,
) -> NDArray[np.intp]:
    """Run k-means with exchanges of clusters; return labels ``(B, n)``.

    Parameters
    ----------
    products : Products
        Of the rows of every group.

    weight : ndarray of shape (B, n)
        Weights, zero for padding.

    n_clusters : int
        Clusters per group.

    seed : int
        Seed of the start, the same for every group.

    max_iter : int
        Limit of the iterations after the start and after each exchange.

    tol : float
        A group has converged when no label changes or an iteration lowers its inertia by less
        than this fraction.

    Returns
    -------
    labels : ndarray of shape (B, n)
        Cluster of each row.
    """
    labels, distance = _plus_plus(products, weight, n_clusters, seed)
    _fill_empty_clusters(labels, distance, weight, n_clusters)
    active = np.arange(len(weight))
    _iterate(products, weight, labels, active, n_clusters, max_iter, tol)
    # an exchange needs two clusters to merge and one to split
    for _ in range(n_clusters if n_clusters > 2 else 0):
        active = _exchange(products, weight, labels, active, n_clusters)
        if not len(active):
            break
        _iterate(products, weight, labels, active, n_clusters, max_iter, tol)
    return labels


def n_trials(n_clusters: int) -> int:
    """Return the number of candidates per step of greedy k-means++, as in scikit-learn."""
    return 2 + int(np.log(n_clusters))


def _plus_plus(
    products: Products, weight: NDArray[Any], n_clusters: int, seed: int
) -> tuple[NDArray[np.intp], NDArray[Any]]:
    """Greedy k-means++: return the nearest start of every row and its squared distance, ``(B, n)``.

    Each step samples a few candidates with probability weight times squared distance, and takes
    the one that lowers the inertia most.
    """
    uniform = 1 - np.random.RandomState(seed).random_sample((n_clusters, n_trials(n_clusters)))
    batch = np.arange(len(weight))
    labels = np.zeros(weight.shape, dtype=np.intp)
    closest = np.full_like(weight, np.inf)
    for step in range(n_clusters):
        # the first start is sampled by weight alone
        n_drawn, potential = (uniform.shape[1], weight * closest) if step else (1, weight)
        mass = np.cumsum(potential, axis=1, dtype=np.float64)
        targets = uniform[step, :n_drawn] * mass[:, -1:]
        # targets are positive, so that a row of weight zero is never picked
        picks = (mass[:, None, :] < targets[:, :, None]).sum(axis=2)
        distances = -2 * products.with_rows(picks, batch)
        distances += products.square[batch[:, None], picks][:, :, None]
        distances += products.square[:, None, :]
        np.maximum(distances, 0, out=distances)
        np.minimum(distances, closest[:, None, :], out=distances)
        best = np.argmin(np.einsum("btn,bn->bt", distances, weight), axis=1)
        labels[distances[batch, best] < closest] = step
        closest = distances[batch, best]
    return labels, closest


def _iterate(
    products: Products,
    weight: NDArray[Any],
    labels: NDArray[np.intp],
    active: NDArray[np.intp],
    n_clusters: int,
    max_iter: int,
    tol: float,
) -> None:
    """Iterate the active groups until each has converged; labels change in place."""
    inertia = np.full(len(weight), np.inf)
    for _ in range(max_iter):
        found, w = labels[active], weight[active]
        distances, norms = products.with_centers(_averaging(found, w, n_clusters), active)
        distances *= -2
        distances += norms[:, :, None]
        distance = distances.min(axis=1)
        # few rows move: only their labels are computed
        group, row = np.nonzero(_own(distances, found) > distance)
        found[group, row] = distances[group, :, row].argmin(axis=1)
        distance += products.square[active]
        _fill_empty_clusters(found, distance, w, n_clusters)
        total = np.einsum("an,an->a", distance, w)
        moving = (found != labels[active]).any(axis=1) & (total < (1 - tol) * inertia[active])
        labels[active], inertia[active] = found, total
        active = active[moving]
        if not len(active):
            return


def _exchange(
    products: Products,
    weight: NDArray[Any],
    labels: NDArray[np.intp],
    active: NDArray[np.intp],
    n_clusters: int,
) -> NDArray[np.intp]:
    r"""Merge two clusters and split another where it lowers the inertia; return where.

    Lloyd's iterations cannot correct a start that has put two modes into one cluster and split a
    third. Labels change in place. Merging clusters of weights :math:`w_i, w_j` and centres
    :math:`m_i, m_j` adds :math:`\frac{w_i w_j}{w_i + w_j} \lVert m_i - m_j \rVert^2` to the
    inertia; a split subtracts the same for its halves. The cluster of largest inertia is split, and
    the cheapest other pair is merged.
    """
    own, w, group = labels[active], weight[active], np.arange(len(active))
    averaging = _averaging(own, w, n_clusters)
    inner, norms = products.with_centers(averaging, active)
    distance = products.square[active] - 2 * _own(inner, own) + np.take_along_axis(norms, own, 1)
    inertia = _cluster_sums(own, w * distance, n_clusters)
    widest = inertia.argmax(axis=1)

    gaps = norms[:, :, None] + norms[:, None, :] - 2 * averaging @ inner.transpose(0, 2, 1)
    per_weight = 1 / _cluster_sums(own, w, n_clusters)
    costs = gaps / (per_weight[:, :, None] + per_weight[:, None, :])
    costs[:, np.arange(n_clusters), np.arange(n_clusters)] = np.inf
    costs[group, widest] = costs[group, :, widest] = np.inf
    kept, freed = np.unravel_index(costs.reshape(len(active), -1).argmin(1), costs.shape[1:])

    # split along the direction to the row farthest from the centre
    members = (own == widest[:, None]) & (w > 0)
    farthest = np.where(members, distance, -1).argmax(axis=1)
    along = products.with_rows(farthest[:, None], active)[:, 0] - inner[group, widest]
    center = np.einsum("an,an->a", averaging[group, widest], along)
    half, gain = _halves(products, members, along > center[:, None], w, active)

    pays = gain - costs[group, kept, freed] > EXCHANGE_GAIN * inertia.sum(axis=1)
    own = np.where(own == freed[:, None], kept[:, None], own)
    labels[active[pays]] = np.where(half, freed[:, None], own)[pays]
    exchanged: NDArray[np.intp] = active[pays]
    return exchanged


def _halves(
    products: Products,
    members: NDArray[np.bool_],
    first: NDArray[np.bool_],
    weight: NDArray[Any],
    active: NDArray[np.intp],
) -> tuple[NDArray[np.bool_], NDArray[Any]]:
    """Split one cluster per group in two, starting with the members in ``first``.

    Returns a mask of one half ``(A, n)`` and the decrease of the inertia ``(A,)``.
    """
    for _ in range(3):  # steps of 2-means
        mass = np.stack([members & ~first, members & first], axis=1) * weight[:, None, :]
        totals = mass.sum(axis=2)
        # an empty half has no centre, and the gain is zero
        averaging = mass / np.maximum(totals, np.finfo(mass.dtype).tiny)[:, :, None]
        half, (inner, norms) = members & first, products.with_centers(averaging, active)
        between = np.einsum("an,an->a", averaging[:, 0], inner[:, 1])
        gain = totals.prod(axis=1) / totals.sum(axis=1) * (norms.sum(axis=1) - 2 * between)
        first = inner[:, 1] - inner[:, 0] > (norms[:, 1] - norms[:, 0])[:, None] / 2
    return half, gain


def _averaging(labels: NDArray[np.intp], weight: NDArray[Any], n_clusters: int) -> NDArray[Any]:
    """Return the weight of every row in its cluster's centre, ``(A, k, n)``; rows sum to one."""
    total = np.take_along_axis(_cluster_sums(labels, weight, n_clusters), labels, axis=1)
    averaging = np.zeros((len(labels), n_clusters, labels.shape[1]), dtype=weight.dtype)
    np.put_along_axis(averaging, labels[:, None, :], (weight / total)[:, None, :], axis=1)
    return averaging


def _own(values: NDArray[Any], labels: NDArray[np.intp]) -> NDArray[Any]:
    """Pick ``values`` ``(A, k, n)`` of the cluster of every row: ``(A, n)``."""
    return np.take_along_axis(values, labels[:, None, :], axis=1)[:, 0]


def _cluster_sums(labels: NDArray[np.intp], values: NDArray[Any], n_clusters: int) -> NDArray[Any]:
    """Sum values ``(A, n)`` over the rows of each cluster: ``(A, k)``."""
    shifted = labels + n_clusters * np.arange(len(labels))[:, None]
    sums = np.bincount(shifted.ravel(), values.ravel(), minlength=n_clusters * len(labels))
    return sums.reshape(len(labels), n_clusters).astype(values.dtype)


def _fill_empty_clusters(
    labels: NDArray[np.intp], distance: NDArray[Any], weight: NDArray[Any], n_clusters: int
) -> None:
    """Give each empty cluster of a group the row farthest from its centre, in place."""
    filled = _cluster_sums(labels, weight, n_clusters) > 0
    for a in np.flatnonzero(~filled.all(axis=1)):
        _fill_empty(labels[a], distance[a], weight[a], n_clusters)


def _fill_empty(
    labels: NDArray[np.intp], distance: NDArray[Any], weight: NDArray[Any], n_clusters: int
) -> None:
    """Give each empty cluster the row farthest from its centre, in place.

    Rows that are alone in their cluster do not move.
    """
    sizes = np.bincount(labels[weight > 0], minlength=n_clusters)
    for row in np.argsort(np.where(weight > 0, -distance, np.inf), kind="stable"):
        empty = np.flatnonzero(sizes == 0)
        if not len(empty):
            return
        if sizes[labels[row]] > 1:
            sizes[labels[row]] -= 1
            labels[row] = empty[0]
            sizes[empty[0]] = 1
            distance[row] = 0
