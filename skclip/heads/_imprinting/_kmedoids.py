"""k-medoids of one class: PAM on the distance matrix."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics.pairwise import euclidean_distances

__all__ = ["kmedoids"]


def kmedoids(rows: NDArray[Any], weight: NDArray[Any], n_medoids: int) -> NDArray[np.intp]:
    r"""Choose the rows that locally minimise the sum of distances to the nearest of them.

    .. math:: \min_{M,\, |M| = k} \sum_i w_i \min_{m \in M} \lVert x_i - x_m \rVert

    BUILD adds medoids greedily. Then the swap of a medoid for another row that lowers the sum most
    is made, until no swap lowers it (PAM [1]_). All swaps are evaluated at once: with
    :math:`d^1_i, d^2_i` the distances of row :math:`i` to its nearest and second nearest medoid,
    replacing medoid :math:`m` by row :math:`c` changes the sum by

    .. math:: \sum_i w_i (\min(d_{ic}, d^1_i) - d^1_i)
              + \sum_{i \text{ nearest to } m} w_i (\min(d_{ic}, d^2_i) - \min(d_{ic}, d^1_i)).

    Parameters
    ----------
    rows : ndarray of shape (n_rows, n_features)
        Rows, more than ``n_medoids``.

    weight : ndarray of shape (n_rows,)
        Positive weights.

    n_medoids : int
        Medoids, at least 1.

    Returns
    -------
    medoids : ndarray of shape (n_medoids,)
        Indices of rows, ascending.

    References
    ----------
    .. [1] Schubert and Rousseeuw, "Fast and Eager k-Medoids Clustering", Information Systems
       101, 2021.
    """
    distances = euclidean_distances(rows).astype(np.float64)
    medoids = _build(distances, weight, n_medoids)
    while True:
        to_medoids = distances[:, medoids]
        nearest = np.argmin(to_medoids, axis=1)
        first = to_medoids.min(axis=1)[:, None]
        second = np.partition(to_medoids, 1, axis=1)[:, [1]] if n_medoids > 1 else np.inf
        joined = np.minimum(distances, first)
        gain = weight @ (joined - first)
        members = np.zeros((n_medoids, len(rows)))
        members[nearest, np.arange(len(rows))] = weight
        loss = members @ (np.minimum(distances, second) - joined)
        change = gain + loss
        medoid, candidate = np.unravel_index(np.argmin(change), change.shape)
        # gains below rounding could repeat a swap and its reverse forever
        if change[medoid, candidate] >= -1e-9 * (weight @ first)[0]:
            return np.sort(medoids)
        medoids[medoid] = candidate


def _build(
    distances: NDArray[np.float64], weight: NDArray[Any], n_medoids: int
) -> NDArray[np.intp]:
    """Add the row that lowers the sum most, ``n_medoids`` times."""
    medoids = np.empty(n_medoids, dtype=np.intp)
    medoids[0] = np.argmin(weight @ distances)
    closest = distances[medoids[0]]
    for m in range(1, n_medoids):
        total = weight @ np.minimum(distances, closest[:, None])
        total[medoids[:m]] = np.inf
        medoids[m] = np.argmin(total)
        closest = np.minimum(closest, distances[medoids[m]])
    return medoids
