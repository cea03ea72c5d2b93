"""k-means of many classes at once: batches of classes of similar size, and their inner products.

In a loop of scikit-learn's ``KMeans`` over classes, overhead between small matrix products takes
most of the time. Here each step is computed for all classes of a batch at once.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import ThreadpoolController

from skclip.heads._imprinting._lloyd import lloyd, n_trials

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
    on_done: Callable[[int], object] | None = None,
) -> list[NDArray[np.intp]]:
    r"""Cluster the rows of each group into ``n_clusters``, all groups together.

    Greedy k-means++ start and Lloyd's iterations, as in scikit-learn's ``KMeans``. Then two
    clusters are merged and a third is split as long as that lowers the inertia, which finds modes
    that a single start has missed. Every group uses the same random numbers, so that its clusters
    depend only on its own rows and ``seed``.

    Parameters
    ----------
    groups : sequence of ndarray of shape (n_g, n_features)
        Rows of each group, more than ``n_clusters``.

    weights : sequence of ndarray of shape (n_g,)
        Positive weights of the rows.

    n_clusters : int
        Clusters per group, at least 1.

    seed : int
        Seed of the start.

    max_iter : int, default=300
        Limit of Lloyd's iterations after the start and after each exchange.

    tol : float, default=1e-4
        A group has converged when no label changes or an iteration lowers its inertia by less
        than this fraction.

    on_done : callable, default=None
        Called in this thread after every batch, with its number of groups.

    Returns
    -------
    labels : list of ndarray of shape (n_g,)
        Cluster of each row, ``0 ... n_clusters - 1``; no cluster is empty.

    Notes
    -----
    With fewer rows than about twice the features, distances come from the Gram matrix of the
    group, :math:`G = (X - \mu)(X - \mu)^\top`: for a cluster with normalised weights :math:`a`
    its centre :math:`m = X^\top a` has :math:`\lVert x_i - m \rVert^2 = G_{ii} - 2 (G a)_i +
    a^\top G a`. The :math:`d` features are then read once instead of in every iteration.
    """
    blas = _thread_controller().select(user_api="blas")
    n_threads = max((library.num_threads for library in blas.lib_controllers), default=1)
    batches = list(_gen_batches([len(group) for group in groups], n_threads))

    def labels_of(batch: NDArray[np.intp]) -> NDArray[np.intp]:
        return _cluster_batch(
            [groups[g] for g in batch], [weights[g] for g in batch], n_clusters, seed, max_iter, tol
        )

    labels: list[NDArray[np.intp]] = [np.empty(0, dtype=np.intp)] * len(groups)

    def collect(found: Iterable[NDArray[np.intp]]) -> None:
        for batch, stack in zip(batches, found, strict=True):
            for g, label in zip(batch, stack, strict=True):
                labels[g] = label[: len(groups[g])]
            if on_done is not None:
                on_done(len(batch))

    if n_threads == 1 or len(batches) < n_threads:
        collect(map(labels_of, batches))
    else:
        # the products of a group are too small for the threads of BLAS
        with blas.limit(limits=1), ThreadPoolExecutor(n_threads) as pool:
            collect(pool.map(labels_of, batches))
    return labels


@cache
def _thread_controller() -> ThreadpoolController:
    # cached, since finding the loaded libraries takes as long as clustering
    return ThreadpoolController()


def _gen_batches(sizes: Sequence[int], n_threads: int) -> Iterator[NDArray[np.intp]]:
    """Yield batches of groups of similar size, with limited padding, memory and work per thread."""
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


def _cluster_batch(
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
        padded[: len(w)] = w / w.max()  # only ratios matter, and weights may overflow float32
    by_gram = _gram_pays(weight.shape[1], groups[0].shape[1], n_clusters)
    products = (_GramProducts if by_gram else _DirectProducts)(
        groups, [w[: len(group)] for w, group in zip(weight, groups, strict=True)]
    )
    return lloyd(products, weight, n_clusters, seed=seed, max_iter=max_iter, tol=tol)


def _gram_pays(n_rows: int, n_features: int, n_clusters: int) -> bool:
    """Return whether the Gram matrix takes fewer multiply-adds, for 15 iterations and the start."""
    by_gram = n_rows * (n_features + 15 * n_clusters)
    directly = n_features * n_clusters * (30 + n_trials(n_clusters))
    return by_gram < directly


def _centered(group: NDArray[Any], weight: NDArray[Any]) -> NDArray[Any]:
    # squared distances from products are inaccurate if the mean is far from the origin
    centered: NDArray[Any] = group - weight @ group / weight.sum()
    return centered


class _GramProducts:
    """Inner products of the rows of each group by its Gram matrix; zeros pad small groups."""

    def __init__(self, groups: Sequence[NDArray[Any]], weights: Sequence[NDArray[Any]]) -> None:
        n_rows = max(len(group) for group in groups)
        self.gram = np.zeros((len(groups), n_rows, n_rows), dtype=groups[0].dtype)
        for gram, group, weight in zip(self.gram, groups, weights, strict=True):
            centered = _centered(group, weight)
            np.matmul(centered, centered.T, out=gram[: len(group), : len(group)])
        self.square = np.einsum("bnn->bn", self.gram).copy()

    def with_rows(self, picks: NDArray[np.intp], active: NDArray[np.intp]) -> NDArray[Any]:
        products: NDArray[Any] = self.gram[active[:, None], picks]
        return products

    def with_centers(
        self, averaging: NDArray[Any], active: NDArray[np.intp]
    ) -> tuple[NDArray[Any], NDArray[Any]]:
        products = np.empty_like(averaging)
        for product, average, b in zip(products, averaging, active, strict=True):
            np.matmul(average, self.gram[b], out=product)
        return products, np.einsum("akn,akn->ak", averaging, products)


class _DirectProducts:
    """Inner products from the rows themselves, for groups of many rows."""

    def __init__(self, groups: Sequence[NDArray[Any]], weights: Sequence[NDArray[Any]]) -> None:
        self.rows = [_centered(*pair) for pair in zip(groups, weights, strict=True)]
        self.square = np.zeros(
            (len(groups), max(len(group) for group in groups)), dtype=groups[0].dtype
        )
        for square, rows in zip(self.square, self.rows, strict=True):
            square[: len(rows)] = np.einsum("nd,nd->n", rows, rows)

    def with_rows(self, picks: NDArray[np.intp], active: NDArray[np.intp]) -> NDArray[Any]:
        products = np.zeros((*picks.shape, self.square.shape[1]), dtype=self.square.dtype)
        for product, pick, b in zip(products, picks, active, strict=True):
            rows = self.rows[b]
            np.matmul(rows[pick], rows.T, out=product[:, : len(rows)])
        return products

    def with_centers(
        self, averaging: NDArray[Any], active: NDArray[np.intp]
    ) -> tuple[NDArray[Any], NDArray[Any]]:
        products = np.zeros_like(averaging)
        norms = np.empty(averaging.shape[:2], dtype=averaging.dtype)
        for a, b in enumerate(active):
            rows = self.rows[b]
            centers = averaging[a, :, : len(rows)] @ rows
            np.matmul(centers, rows.T, out=products[a, :, : len(rows)])
            norms[a] = np.einsum("kd,kd->k", centers, centers)
        return products, norms
