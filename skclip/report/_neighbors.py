"""Images that a prediction rests on: the nearest of those a head was fitted on."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from skclip._linalg import gen_row_blocks, unit_rows

__all__ = ["nearest_rows"]


def nearest_rows(
    X: NDArray[Any], fitted: NDArray[Any], k: int
) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    r"""Return the k rows of the highest cosine with each row, the nearest first.

    Parameters
    ----------
    X : ndarray of shape (n_samples, n_features)
        Embeddings.

    fitted : ndarray of shape (n_fitted, n_features)
        Embeddings to choose from.

    k : int
        Number of rows; all of them if there are fewer.

    Returns
    -------
    rows : ndarray of shape (n_samples, min(k, n_fitted))
        Rows of ``fitted``; of equal cosines, the first.

    cosines : ndarray of the same shape
        Their cosines.

    Examples
    --------
    >>> import numpy as np
    >>> from skclip.report._neighbors import nearest_rows
    >>> rows, _ = nearest_rows(np.array([[1.0, 0.1]]), np.array([[0.0, 1.0], [2.0, 0.0]]), 1)
    >>> rows
    array([[1]])
    """
    k = min(k, len(fitted))
    unit = unit_rows(fitted)
    rows = np.zeros((len(X), k), dtype=np.intp)
    cosines = np.zeros((len(X), k))
    for block in gen_row_blocks(len(X), max(1, len(fitted))):
        scores = unit_rows(X[block]) @ unit.T
        order = np.argsort(-scores, axis=1, kind="stable")[:, :k]
        rows[block] = order
        cosines[block] = np.take_along_axis(scores, order, axis=1)
    return rows, cosines
