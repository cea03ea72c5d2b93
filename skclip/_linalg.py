"""Row operations on embeddings: norms, unit rows, blocked products. The one place of L2."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["gen_row_blocks", "row_norms", "softmax", "unit_rows"]

# A block of rows whose scores fit in the L2 cache is reduced without a trip to memory.
BLOCK_ELEMENTS = 1 << 20


def row_norms(X: NDArray[Any]) -> NDArray[Any]:
    """Return the Euclidean norm of every row: ``(n, d) -> (n,)``."""
    norms: NDArray[Any] = np.sqrt(np.einsum("ij,ij->i", X, X))
    return norms


def unit_rows(X: ArrayLike) -> NDArray[Any]:
    r"""Return :math:`x_i / \lVert x_i \rVert`; zero rows stay zero.

    Parameters
    ----------
    X : array-like of shape (n_samples, n_features)
        Rows to normalise; integers and float16 become float32.

    Returns
    -------
    U : ndarray of shape (n_samples, n_features)
        Unit rows, float32 or float64 as ``X``.

    Examples
    --------
    >>> from skclip._linalg import unit_rows
    >>> unit_rows([[3.0, 4.0], [0.0, 0.0]])
    array([[0.6, 0.8],
           [0. , 0. ]])
    """
    X = np.asarray(X)
    if X.dtype not in (np.float32, np.float64):
        X = X.astype(np.float32)
    norms = row_norms(X)
    # squares of such rows over- or underflow: they are scaled by their largest entry first
    extreme = ~((norms > 1e-15) & (norms < 1e15))
    if extreme.any():
        X = X.copy()
        peaks = np.abs(X[extreme]).max(axis=1, initial=0)
        with np.errstate(invalid="ignore"):  # infinite rows become NaN, for the caller to report
            X[extreme] /= np.where(peaks > 0, peaks, 1)[:, None]
        norms[extreme] = row_norms(X[extreme])
    unit: NDArray[Any] = X / np.where(norms == 0, 1, norms)[:, None]
    return unit


def gen_row_blocks(n_rows: int, n_columns: int) -> Iterator[slice]:
    """Yield slices over ``n_rows`` so that a block of ``n_columns`` wide rows stays in cache."""
    step = max(256, BLOCK_ELEMENTS // max(1, n_columns))
    for start in range(0, n_rows, step):
        yield slice(start, min(start + step, n_rows))


def softmax(scores: NDArray[Any]) -> NDArray[Any]:
    """Return the softmax of every row, shifted by its maximum against overflow."""
    exp = np.exp(scores - scores.max(axis=1, keepdims=True))
    proba: NDArray[Any] = exp / exp.sum(axis=1, keepdims=True)
    return proba
