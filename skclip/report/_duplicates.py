"""Groups of images that look the same."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from skclip._linalg import unit_rows

__all__ = ["duplicate_groups"]

_BLOCK = 512


def duplicate_groups(X: NDArray[Any], threshold: float) -> NDArray[np.intp]:
    r"""Return the group of each row: rows that a chain of near pairs joins.

    Two rows are near if :math:`x_i \cdot x_j \ge \theta` for unit rows.

    Parameters
    ----------
    X : ndarray of shape (n_samples, n_features)
        Embeddings; zero rows are near to nothing.

    threshold : float
        Least cosine :math:`\theta` of two near rows, in (0, 1].

    Returns
    -------
    groups : ndarray of shape (n_samples,)
        Groups of two and more are numbered from 1 in the order of their first rows; 0 is none.

    Examples
    --------
    >>> import numpy as np
    >>> from skclip.report._duplicates import duplicate_groups
    >>> duplicate_groups(np.array([[1.0, 0.0], [0.0, 1.0], [0.99, 0.01]]), 0.97)
    array([1, 0, 1])
    """
    unit = unit_rows(X)
    left, right = [np.empty(0, np.intp)], [np.empty(0, np.intp)]
    for start in range(0, len(unit), _BLOCK):
        i, j = np.nonzero(unit[start : start + _BLOCK] @ unit[start:].T >= threshold)
        left.append(i[i < j] + start)
        right.append(j[i < j] + start)
    rows, columns = np.concatenate(left), np.concatenate(right)
    near = coo_array((np.ones(len(rows), bool), (rows, columns)), shape=(len(unit), len(unit)))
    _, component = connected_components(near, directed=False)
    _, first, of_row, size = np.unique(
        component, return_index=True, return_inverse=True, return_counts=True
    )
    number = np.zeros(len(first), dtype=np.intp)
    several = np.flatnonzero(size > 1)
    number[several[np.argsort(first[several])]] = np.arange(1, len(several) + 1)
    groups: NDArray[np.intp] = number[of_row]
    return groups
