"""From similarities to proxies to one score a class: the AGG step of IMPRINT."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from skclip._linalg import gen_row_blocks

__all__ = ["max_scores"]


def max_scores(X: NDArray[Any], proxies: NDArray[Any], bounds: NDArray[np.intp]) -> NDArray[Any]:
    r"""Score each class by its best proxy, :math:`\max_{p \in c} w_p \cdot x`.

    Parameters
    ----------
    X : ndarray of shape (n_samples, n_features)
        Queries.

    proxies : ndarray of shape (n_proxies, n_features)
        Proxies, class after class.

    bounds : ndarray of shape (n_classes + 1,)
        The proxies of class ``c`` are ``proxies[bounds[c]:bounds[c + 1]]``.

    Returns
    -------
    scores : ndarray of shape (n_samples, n_classes)
        Minus infinity for a class without proxies.
    """
    filled = np.flatnonzero(np.diff(bounds))
    scores = np.full((len(bounds) - 1, len(X)), -np.inf, dtype=np.result_type(X, proxies))
    for block in gen_row_blocks(len(X), len(proxies)):
        # proxies along the first axis: the maximum then runs over whole rows of memory
        similarity = proxies @ X[block].T
        scores[filled, block] = np.maximum.reduceat(similarity, bounds[filled], axis=0)
    return np.ascontiguousarray(scores.T)
