"""Select recalled images near those to be classified (transductive priming, 2306.10191)."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from skclip._linalg import gen_row_blocks, unit_rows

__all__ = ["near_any"]


def near_any(pool: NDArray[Any], targets: NDArray[Any], n_neighbors: int) -> NDArray[np.bool_]:
    """Return a mask of the pool rows among the nearest of at least one target.

    Parameters
    ----------
    pool : ndarray of shape (n_pool, n_features)
        Recalled embeddings; zero rows are never selected.

    targets : ndarray of shape (n_targets, n_features)
        Embeddings of the images to be classified; zero rows select nothing.

    n_neighbors : int
        Number of nearest pool rows by cosine for each target.

    Returns
    -------
    near : ndarray of shape (n_pool,) of bool
        The union of all neighbourhoods.
    """
    unit_pool, near = unit_rows(pool), np.zeros(len(pool), dtype=bool)
    readable = unit_pool.any(axis=1)
    targets = targets[targets.any(axis=1)]
    n_neighbors = min(n_neighbors, int(readable.sum()))
    if not n_neighbors:
        return near
    for rows in gen_row_blocks(len(targets), len(pool)):
        cosines = np.where(readable, unit_rows(targets[rows]) @ unit_pool.T, -2)
        nearest = np.argpartition(-cosines, n_neighbors - 1, axis=1)[:, :n_neighbors]
        near[nearest.ravel()] = True
    return near
