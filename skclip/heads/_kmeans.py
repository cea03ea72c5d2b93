"""k-means of many classes at once: Lloyd's algorithm on stacks of classes of similar size.

scikit-learn's ``KMeans`` in a loop over classes spends its time between the small products; here
the products of all classes of a batch are one stacked GEMM. Called by the imprinter, once a fit.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["kmeans_of_groups"]

# Elements of the largest array of one batch of classes (float32: 64 MiB).
BATCH_ELEMENTS = 1 << 24


def kmeans_of_groups(
    groups: Sequence[NDArray[Any]],
    weights: Sequence[NDArray[Any]],
    n_clusters: int,
    *,
    seed: int,
    max_iter: int = 300,
    tol: float = 1e-4,
) -> list[NDArray[np.intp]]:
    r"""Cluster the rows of each group into ``n_clusters``, all groups together.

    Greedy k-means++ start and Lloyd's iterations, as scikit-learn's ``KMeans`` does them. Every
    group consumes the same random numbers, so that its clusters depend on its own rows and
    ``seed`` only, not on which other groups there are.

    Parameters
    ----------
    groups : sequence of ndarray of shape (n_g, n_features)
        The rows of each group, more than ``n_clusters`` of them.

    weights : sequence of ndarray of shape (n_g,)
        Positive weights of the rows.

    n_clusters : int
        Clusters a group, at least 1.

    seed : int
        Seed of the start.

    max_iter : int, default=300
        Limit of Lloyd's iterations.

    tol : float, default=1e-4
        A group has converged when no label changes or an iteration lowers its inertia by less
        than this share.

    Returns
    -------
    labels : list of ndarray of shape (n_g,)
        Cluster of each row, ``0 ... n_clusters - 1``, none of them empty.

    Notes
    -----
    With fewer rows than about twice the features, distances come from the Gram matrix of the
    group, :math:`G = (X - \mu)(X - \mu)^\top`: for a cluster with normalised weights :math:`a`
    its centre :math:`m = X^\top a` has :math:`\lVert x_i - m \rVert^2 = G_{ii} - 2 (G a)_i +
    a^\top G a`. The :math:`d` features are then read once, not once an iteration, and the
    candidates of k-means++ cost nothing.
    """
    labels: list[NDArray[np.intp]] = [np.empty(0, dtype=np.intp)] * len(groups)
    for batch in _gen_batches([len(g) for g in groups], groups[0].shape[1] if groups else 1):
        stack, weight = _stack([groups[g] for g in batch], [weights[g] for g in batch])
        found = _lloyd(_Products(stack, n_clusters), weight, n_clusters, seed, max_iter, tol)
        for g, row in zip(batch, found, strict=True):
            labels[g] = row[: len(groups[g])]
    return labels


def _gen_batches(sizes: Sequence[int], n_features: int) -> Iterator[NDArray[np.intp]]:
    """Yield groups of similar size: padding below a quarter, memory below the limit."""
    order = np.argsort(sizes, kind="stable")
    start = 0
    for stop in range(1, len(order) + 1):
        smallest = sizes[order[start]]
        if stop < len(order):
            size = sizes[order[stop]]
            elements = (stop - start + 1) * size * max(n_features, size)
            if size <= smallest + smallest // 4 and elements <= BATCH_ELEMENTS:
                continue
        yield order[start:stop]
        start = stop


def _stack(
    groups: Sequence[NDArray[Any]], weights: Sequence[NDArray[Any]]
) -> tuple[NDArray[Any], NDArray[Any]]:
    """Centre the groups and stack them, padded by zero rows of weight zero."""
    n_rows = max(len(group) for group in groups)
    stack = np.zeros((len(groups), n_rows, groups[0].shape[1]), dtype=groups[0].dtype)
    weight = np.zeros((len(groups), n_rows), dtype=stack.dtype)
    for b, (group, w) in enumerate(zip(groups, weights, strict=True)):
        # squared distances from products lose digits when the mean is far from the origin
        np.subtract(group, w @ group / w.sum(), out=stack[b, : len(group)])
        weight[b, : len(group)] = w
    return stack, weight


class _Products:
    """Inner products of the rows of a stack with rows and centres: by Gram matrix or directly."""

    def __init__(self, stack: NDArray[Any], n_clusters: int) -> None:
        self.rows = stack
        n_rows, n_features = stack.shape[1:]
        # multiply-adds of 15 iterations and of the start, per feature and row
        direct = 30 * n_clusters + n_clusters * _n_trials(n_clusters)
        self.gram: NDArray[Any] | None = None
        if n_rows * (1 + 15 * n_clusters / n_features) < direct:
            self.gram = stack @ stack.transpose(0, 2, 1)
        self.square = np.einsum("bnd,bnd->bn", stack, stack)

    def with_rows(self, picks: NDArray[np.intp]) -> NDArray[Any]:
        """Squared distances ``(B, T, n)`` of all rows to the picked rows ``(B, T)``."""
        batch = np.arange(len(picks))[:, None]
        if self.gram is not None:
            products = self.gram[batch, picks]
        else:
            products = self.rows[batch, picks] @ self.rows.transpose(0, 2, 1)
        distances: NDArray[Any] = (
            self.square[batch, picks][:, :, None] + self.square[:, None, :] - 2 * products
        )
        np.maximum(distances, 0, out=distances)
        return distances

    def with_centers(self, shares: NDArray[Any], active: NDArray[np.intp]) -> NDArray[Any]:
        r"""Squared distances ``(A, n, k)`` to the centres, less :math:`\lVert x \rVert^2`.

        ``shares`` ``(A, n, k)`` holds the weight of each row in each centre, columns sum to one.
        """
        products = np.empty_like(shares)
        if self.gram is not None:
            for a, b in enumerate(active):
                np.matmul(self.gram[b], shares[a], out=products[a])
            norms = np.einsum("ank,ank->ak", shares, products)
        else:
            norms = np.empty((len(active), shares.shape[2]), dtype=shares.dtype)
            for a, b in enumerate(active):
                centers = shares[a].T @ self.rows[b]
                np.matmul(self.rows[b], centers.T, out=products[a])
                norms[a] = np.einsum("kd,kd->k", centers, centers)
        products *= -2
        products += norms[:, None, :]
        return products


def _n_trials(n_clusters: int) -> int:
    """Candidates a step of greedy k-means++ looks at, as in scikit-learn."""
    return 2 + int(np.log(n_clusters))


def _plus_plus(
    products: _Products, weight: NDArray[Any], n_clusters: int, seed: int
) -> NDArray[np.intp]:
    """Greedy k-means++: rows ``(B, k)`` to start from.

    Of a few candidates drawn with probability weight times squared distance, each step takes the
    one that lowers the inertia most.
    """
    uniform = 1 - np.random.RandomState(seed).random_sample((n_clusters, _n_trials(n_clusters)))
    batch = np.arange(len(weight))
    seeds = np.empty((len(weight), n_clusters), dtype=np.intp)
    closest = np.ones_like(weight)
    for step in range(n_clusters):
        mass = np.cumsum(weight * closest, axis=1, dtype=np.float64)
        n_trials = 1 if step == 0 else uniform.shape[1]
        targets = uniform[step, :n_trials] * mass[:, -1:]
        # targets are positive, so that a row of weight zero is never the first to reach one
        picks = np.stack([np.searchsorted(m, t) for m, t in zip(mass, targets, strict=True)])
        distances = products.with_rows(picks)
        if step > 0:
            np.minimum(distances, closest[:, None, :], out=distances)
        best = np.argmin(np.einsum("btn,bn->bt", distances, weight), axis=1)
        closest = distances[batch, best]
        seeds[:, step] = picks[batch, best]
    return seeds


def _lloyd(
    products: _Products,
    weight: NDArray[Any],
    n_clusters: int,
    seed: int,
    max_iter: int,
    tol: float,
) -> NDArray[np.intp]:
    """Iterate until every group has converged; labels ``(B, n)``."""
    n_groups, n_rows = weight.shape
    active = np.arange(n_groups)
    shares = np.zeros((n_groups, n_rows, n_clusters), dtype=weight.dtype)
    seeds = _plus_plus(products, weight, n_clusters, seed)
    shares[active[:, None], seeds, np.arange(n_clusters)] = 1
    labels = np.full((n_groups, n_rows), -1, dtype=np.intp)
    inertia = np.full(n_groups, np.inf)
    for _ in range(max_iter):
        distances = products.with_centers(shares, active)
        found = np.argmin(distances, axis=2)
        distance = np.take_along_axis(distances, found[:, :, None], axis=2)[:, :, 0]
        distance += products.square[active]
        mass = _cluster_mass(found, weight[active], n_clusters)
        for a in np.flatnonzero((mass == 0).any(axis=1)):
            _fill_empty(found[a], distance[a], weight[active[a]], n_clusters)
            mass[a] = _cluster_mass(found[a : a + 1], weight[active[a : a + 1]], n_clusters)
        total = np.einsum("an,an->a", distance, weight[active])
        moving = (found != labels[active]).any(axis=1) & (total < (1 - tol) * inertia[active])
        labels[active], inertia[active] = found, total
        active, found, mass = active[moving], found[moving], mass[moving]
        if not len(active):
            break
        shares = np.zeros((len(active), n_rows, n_clusters), dtype=weight.dtype)
        share = weight[active] / np.take_along_axis(mass, found, axis=1)
        np.put_along_axis(shares, found[:, :, None], share[:, :, None], axis=2)
    return labels


def _cluster_mass(labels: NDArray[np.intp], weight: NDArray[Any], n_clusters: int) -> NDArray[Any]:
    """Sum the weights of every cluster: ``(A, k)``."""
    offsets = np.arange(len(labels))[:, None] * n_clusters
    mass = np.bincount(
        (labels + offsets).ravel(), weight.ravel(), minlength=len(labels) * n_clusters
    )
    return mass.reshape(len(labels), n_clusters).astype(weight.dtype)


def _fill_empty(
    labels: NDArray[np.intp], distance: NDArray[Any], weight: NDArray[Any], n_clusters: int
) -> None:
    """Give each empty cluster the row farthest from its centre, in place.

    Rows that are alone in their cluster stay where they are.
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
