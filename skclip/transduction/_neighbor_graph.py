"""Which images are alike: a sparse graph of nearest neighbours."""

from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from skclip._linalg import nonzero_rows
from skclip.neighbors import nearest_rows

__all__ = ["neighbor_graph"]


def neighbor_graph(X: NDArray[Any], k: int) -> sp.csr_array:
    r"""Return the cosines of every row with its k nearest other rows.

    Parameters
    ----------
    X : ndarray of shape (n_samples, n_features)
        Rows. A zero row has no neighbours and is nobody's neighbour.

    k : int
        Neighbours per row; fewer where there are not as many other rows.

    Returns
    -------
    graph : csr_array of shape (n_samples, n_samples)
        Float32. Negative cosines count as zero; row i holds the neighbours of i.

    Examples
    --------
    >>> import numpy as np
    >>> from skclip.transduction._neighbor_graph import neighbor_graph
    >>> X = np.array([[1.0, 0.0], [0.8, 0.6], [0.0, 1.0]])
    >>> neighbor_graph(X, 1).toarray().round(2)
    array([[0. , 0.8, 0. ],
           [0.8, 0. , 0. ],
           [0. , 0.6, 0. ]], dtype=float32)
    """
    n = len(X)
    k = min(k, n - 1)
    if k < 1:
        return sp.csr_array((n, n), dtype=np.float32)
    similarities, rows = nearest_rows(X, [X], k + 1)
    similarities[~nonzero_rows(X)] = 0
    own = rows == np.arange(n)[:, None]
    # among more than k copies a row need not be one of its own nearest
    own[~own.any(axis=1), -1] = True
    weights, columns = similarities[~own].reshape(n, k), rows[~own].reshape(n, k)
    weights = np.where(columns < 0, 0, np.maximum(weights, 0))
    indptr = np.arange(0, n * k + 1, k)
    return sp.csr_array((weights.ravel(), np.maximum(columns, 0).ravel(), indptr), shape=(n, n))
