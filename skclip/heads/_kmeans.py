"""k-means of many classes at once: Lloyd's algorithm on stacks of classes of similar size.

scikit-learn's ``KMeans`` in a loop over classes spends its time between the small products; here
the products of all classes of a batch are one stacked GEMM. Called by the imprinter, once a fit.
"""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import ThreadpoolController

__all__ = ["kmeans_of_groups"]

# Elements of the Gram matrices of one batch of classes (float32: 16 MiB).
BATCH_ELEMENTS = 1 << 22


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
    blas = _thread_controller().select(user_api="blas")
    n_threads = max((library.num_threads for library in blas.lib_controllers), default=1)
    batches = list(_gen_batches([len(group) for group in groups], n_threads))

    def labels_of(batch: NDArray[np.intp]) -> NDArray[np.intp]:
        return _lloyd_batch(
            [groups[g] for g in batch], [weights[g] for g in batch], n_clusters, seed, max_iter, tol
        )

    if n_threads == 1 or len(batches) < n_threads:
        found = [labels_of(batch) for batch in batches]
    else:
        # the products of a group are too small for the threads of BLAS to share
        with blas.limit(limits=1), ThreadPoolExecutor(n_threads) as pool:
            found = list(pool.map(labels_of, batches))
    labels: list[NDArray[np.intp]] = [np.empty(0, dtype=np.intp)] * len(groups)
    for batch, stack in zip(batches, found, strict=True):
        for g, label in zip(batch, stack, strict=True):
            labels[g] = label[: len(groups[g])]
    return labels


@cache
def _thread_controller() -> ThreadpoolController:
    # finding the libraries that are loaded takes as long as clustering them
    return ThreadpoolController()


def _gen_batches(sizes: Sequence[int], n_threads: int) -> Iterator[NDArray[np.intp]]:
    """Yield groups of similar size: padding below a quarter, memory and share limited."""
    order = np.argsort(sizes, kind="stable")
    limit = min(BATCH_ELEMENTS, int(np.sum(np.square(sizes)) / n_threads) + 1)
    start = 0
    for stop in range(1, len(order) + 1):
        smallest = sizes[order[start]]
        if stop < len(order):
            size = sizes[order[stop]]
            elements = (stop - start + 1) * size * size
            if size <= smallest + smallest // 4 and elements <= limit:
                continue
        yield order[start:stop]
        start = stop


def _lloyd_batch(
    groups: Sequence[NDArray[Any]],
    weights: Sequence[NDArray[Any]],
    n_clusters: int,
    seed: int,
    max_iter: int,
    tol: float,
) -> NDArray[np.intp]:
    """Stack groups of similar size and cluster them; labels ``(B, n)`` with padding."""
    weight = np.zeros((len(groups), max(map(len, groups))), dtype=groups[0].dtype)
    for padded, w in zip(weight, weights, strict=True):
        padded[: len(w)] = w
    by_gram = _gram_pays(weight.shape[1], groups[0].shape[1], n_clusters)
    products = (_GramProducts if by_gram else _DirectProducts)(
        groups, [w.astype(weight.dtype) for w in weights]
    )
    return _lloyd(products, weight, n_clusters, seed, max_iter, tol)


def _centered(group: NDArray[Any], weight: NDArray[Any]) -> NDArray[Any]:
    # squared distances from products lose digits when the mean is far from the origin
    centered: NDArray[Any] = group - weight @ group / weight.sum()
    return centered


class _GramProducts:
    """Squared distances of the rows of each group by its Gram matrix; zeros pad small groups."""

    def __init__(self, groups: Sequence[NDArray[Any]], weights: Sequence[NDArray[Any]]) -> None:
        n_rows = max(len(group) for group in groups)
        self.gram = np.zeros((len(groups), n_rows, n_rows), dtype=groups[0].dtype)
        for gram, group, weight in zip(self.gram, groups, weights, strict=True):
            centered = _centered(group, weight)
            np.matmul(centered, centered.T, out=gram[: len(group), : len(group)])
        self.square = np.einsum("bnn->bn", self.gram).copy()

    def with_rows(self, picks: NDArray[np.intp]) -> NDArray[Any]:
        """Inner products ``(B, T, n)`` of all rows with the picked rows ``(B, T)``."""
        products: NDArray[Any] = self.gram[np.arange(len(picks))[:, None], picks]
        return products

    def with_centers(
        self, shares: NDArray[Any], active: NDArray[np.intp]
    ) -> tuple[NDArray[Any], NDArray[Any]]:
        """Inner products ``(A, n, k)`` of rows with centres and squared norms ``(A, k)``.

        ``shares`` ``(A, n, k)`` holds the weight of each row in each centre, columns sum to one.
        """
        products = np.empty_like(shares)
        for a, b in enumerate(active):
            np.matmul(self.gram[b], shares[a], out=products[a])
        return products, np.einsum("ank,ank->ak", shares, products)


class _DirectProducts:
    """The same from the rows themselves, for groups of many rows."""

    def __init__(self, groups: Sequence[NDArray[Any]], weights: Sequence[NDArray[Any]]) -> None:
        self.rows = [_centered(*pair) for pair in zip(groups, weights, strict=True)]
        self.square = np.zeros(
            (len(groups), max(len(group) for group in groups)), dtype=groups[0].dtype
        )
        for square, rows in zip(self.square, self.rows, strict=True):
            square[: len(rows)] = np.einsum("nd,nd->n", rows, rows)

    def with_rows(self, picks: NDArray[np.intp]) -> NDArray[Any]:
        products = np.zeros((*picks.shape, self.square.shape[1]), dtype=self.square.dtype)
        for product, rows, pick in zip(products, self.rows, picks, strict=True):
            np.matmul(rows[pick], rows.T, out=product[:, : len(rows)])
        return products

    def with_centers(
        self, shares: NDArray[Any], active: NDArray[np.intp]
    ) -> tuple[NDArray[Any], NDArray[Any]]:
        products = np.zeros_like(shares)
        norms = np.empty((len(active), shares.shape[2]), dtype=shares.dtype)
        for a, b in enumerate(active):
            rows = self.rows[b]
            centers = shares[a, : len(rows)].T @ rows
            np.matmul(rows, centers.T, out=products[a, : len(rows)])
            norms[a] = np.einsum("kd,kd->k", centers, centers)
        return products, norms


_Products = _GramProducts | _DirectProducts


def _gram_pays(n_rows: int, n_features: int, n_clusters: int) -> bool:
    """Compare the multiply-adds of both ways for 15 iterations and the start."""
    by_gram = n_rows * (n_features + 15 * n_clusters)
    directly = n_features * n_clusters * (30 + _n_trials(n_clusters))
    return by_gram < directly


def _n_trials(n_clusters: int) -> int:
    """Candidates a step of greedy k-means++ looks at, as in scikit-learn."""
    return 2 + int(np.log(n_clusters))


def _plus_plus(
    products: _Products, weight: NDArray[Any], n_clusters: int, seed: int
) -> tuple[NDArray[np.intp], NDArray[Any]]:
    """Greedy k-means++: the nearest start of every row and its squared distance, ``(B, n)``.

    Of a few candidates drawn with probability weight times squared distance, each step takes the
    one that lowers the inertia most.
    """
    uniform = 1 - np.random.RandomState(seed).random_sample((n_clusters, _n_trials(n_clusters)))
    batch = np.arange(len(weight))
    labels = np.zeros(weight.shape, dtype=np.intp)
    closest = np.full_like(weight, np.inf)
    for step in range(n_clusters):
        # the first start is drawn by weight alone
        n_trials, potential = (uniform.shape[1], weight * closest) if step else (1, weight)
        mass = np.cumsum(potential, axis=1, dtype=np.float64)
        targets = uniform[step, :n_trials] * mass[:, -1:]
        # targets are positive, so that a row of weight zero is never the first to reach one
        picks = (mass[:, None, :] < targets[:, :, None]).sum(axis=2)
        distances = products.square[batch[:, None], picks][:, :, None] - 2 * products.with_rows(
            picks
        )
        distances += products.square[:, None, :]
        np.maximum(distances, 0, out=distances)
        np.minimum(distances, closest[:, None, :], out=distances)
        best = np.argmin(np.einsum("btn,bn->bt", distances, weight), axis=1)
        labels[distances[batch, best] < closest] = step
        closest = distances[batch, best]
    return labels, closest


def _lloyd(
    products: _Products,
    weight: NDArray[Any],
    n_clusters: int,
    seed: int,
    max_iter: int,
    tol: float,
) -> NDArray[np.intp]:
    """Iterate until every group has converged; labels ``(B, n)``."""
    labels, distance = _plus_plus(products, weight, n_clusters, seed)
    mass = _filled_mass(labels, distance, weight, n_clusters)
    active = np.arange(len(weight))
    inertia = np.full(len(weight), np.inf)
    for _ in range(max_iter):
        shares = np.zeros((*labels[active].shape, n_clusters), dtype=weight.dtype)
        share = weight[active] / np.take_along_axis(mass, labels[active], axis=1)
        np.put_along_axis(shares, labels[active][:, :, None], share[:, :, None], axis=2)
        distances, norms = products.with_centers(shares, active)
        distances *= -2
        distances += norms[:, None, :]
        found = np.argmin(distances, axis=2)
        distance = np.take_along_axis(distances, found[:, :, None], axis=2)[:, :, 0]
        distance += products.square[active]
        mass = _filled_mass(found, distance, weight[active], n_clusters)
        total = np.einsum("an,an->a", distance, weight[active])
        moving = (found != labels[active]).any(axis=1) & (total < (1 - tol) * inertia[active])
        labels[active], inertia[active] = found, total
        active, mass = active[moving], mass[moving]
        if not len(active):
            break
    return labels


def _filled_mass(
    labels: NDArray[np.intp], distance: NDArray[Any], weight: NDArray[Any], n_clusters: int
) -> NDArray[Any]:
    """Fill empty clusters in place, then sum the weights of every cluster: ``(A, k)``."""
    mass = np.zeros((len(labels), n_clusters), dtype=weight.dtype)
    for a, (label, w) in enumerate(zip(labels, weight, strict=True)):
        mass[a] = np.bincount(label, w, minlength=n_clusters)
        if not mass[a].all():
            _fill_empty(label, distance[a], w, n_clusters)
            mass[a] = np.bincount(label, w, minlength=n_clusters)
    return mass


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
