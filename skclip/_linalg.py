"""Row operations on embeddings and scores: norms, unit rows, blocks, probabilities."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from skclip._array_api import is_elsewhere
from skclip._compat import get_namespace_and_device

__all__ = [
    "class_proba",
    "gen_row_blocks",
    "nonzero_rows",
    "row_norms",
    "sigmoid",
    "softmax",
    "unit_rows",
    "widened",
]

# The scores of one block of rows fit in the L2 cache.
BLOCK_ELEMENTS = 1 << 20


def row_norms(X: NDArray[Any]) -> NDArray[Any]:
    """Return the Euclidean norm of every row: ``(n, d) -> (n,)``."""
    with np.errstate(over="ignore", invalid="ignore"):  # callers check the norms
        norms: NDArray[Any] = np.sqrt(np.vecdot(X, X))
    return norms


def nonzero_rows(X: NDArray[Any]) -> NDArray[np.bool_]:
    """Return which rows of a numpy array hold anything but zeros: ``(n, d) -> (n,)``."""
    if not X.shape[1]:  # an empty pool has no columns
        return np.zeros(len(X), dtype=bool)
    found: NDArray[np.bool_] = X[:, 0] != 0
    found[~found] = X[~found].any(axis=1)  # few rows begin with a zero
    return found


def is_half(X: Any) -> bool:
    """Return whether rows are a numpy array in half precision."""
    return isinstance(X, np.ndarray) and X.dtype == np.float16


def widened(X: NDArray[Any]) -> NDArray[Any]:
    """Return rows in float32 if they are in numpy's half precision, else as they are."""
    return X.astype(np.float32) if is_half(X) else X


def working_dtype(X: NDArray[Any]) -> Any:
    """Return the dtype that rows are computed in: that of :func:`widened` rows."""
    return np.float32 if is_half(X) else X.dtype


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
    if is_elsewhere(X):
        unit: NDArray[Any] = _unit_rows_elsewhere(X)
        return unit
    X = np.asarray(X)
    if X.dtype not in (np.float32, np.float64):
        X = X.astype(np.float32)
    norms = row_norms(X)
    # the squares of these rows overflow or underflow: scale by the largest entry first
    extreme = ~((norms > 1e-15) & (norms < 1e15))
    if extreme.any():
        X = X.copy()
        peaks = np.abs(X[extreme]).max(axis=1, initial=0)
        with np.errstate(invalid="ignore"):  # infinite rows become NaN, which the caller reports
            X[extreme] /= np.where(peaks > 0, peaks, 1)[:, None]
        norms[extreme] = row_norms(X[extreme])
    unit = X / np.where(norms == 0, 1, norms)[:, None]
    return unit


def _unit_rows_elsewhere(X: Any) -> Any:
    """Scale every row by its largest entry first: a branch would synchronise with the device."""
    xp, _, _ = get_namespace_and_device(X)
    peaks = xp.max(xp.abs(X), axis=1, keepdims=True)
    with np.errstate(invalid="ignore"):  # infinite rows become NaN, as in numpy
        X = X / xp.where(peaks > 0, peaks, xp.ones_like(peaks))
    norms = xp.linalg.vector_norm(X, axis=1, keepdims=True)
    return X / xp.where(norms > 0, norms, xp.ones_like(norms))


def gen_row_blocks(n_rows: int, n_columns: int) -> Iterator[slice]:
    """Yield slices over ``n_rows``; a block of rows of ``n_columns`` stays in the L2 cache."""
    step = max(256, BLOCK_ELEMENTS // max(1, n_columns))
    for start in range(0, n_rows, step):
        yield slice(start, min(start + step, n_rows))


def softmax(scores: NDArray[Any]) -> NDArray[Any]:
    """Return the softmax of every row, shifted by its maximum against overflow."""
    xp, _, _ = get_namespace_and_device(scores)
    exp = xp.exp(scores - xp.max(scores, axis=1, keepdims=True))
    proba: NDArray[Any] = exp / xp.sum(exp, axis=1, keepdims=True)
    return proba


def sigmoid(logits: NDArray[Any]) -> NDArray[Any]:
    """Return 1 / (1 + exp(-z)) of every entry, without overflow."""
    xp, _, _ = get_namespace_and_device(logits)
    proba: NDArray[Any] = xp.exp(-xp.logaddexp(xp.zeros_like(logits), -logits))
    return proba


def class_proba(scores: NDArray[Any], scale: float, bias: float | None = None) -> NDArray[Any]:
    r"""Turn one score per class into probabilities: a softmax, or normalised sigmoids.

    .. math:: p_c = \frac{e^{s z_c}}{\sum_j e^{s z_j}} \quad\text{or, with a bias,}\quad
              p_c = \frac{\sigma(s z_c + b)}{\sum_j \sigma(s z_j + b)}

    Parameters
    ----------
    scores : ndarray of shape (n_samples, n_classes)
        Scores :math:`z`, for instance cosines.

    scale : float
        Logit scale :math:`s`.

    bias : float, default=None
        Logit bias :math:`b` of a model trained with a sigmoid per pair; None is a softmax.

    Returns
    -------
    proba : ndarray of shape (n_samples, n_classes)
        Rows sum to one.

    Examples
    --------
    >>> import numpy as np
    >>> from skclip._linalg import class_proba
    >>> class_proba(np.array([[0.8, 0.2]]), 10.0).round(3)
    array([[0.998, 0.002]])
    >>> class_proba(np.array([[0.8, 0.2]]), 10.0, -5.0).round(3)
    array([[0.953, 0.047]])
    """
    logits = scores * scale
    if bias is not None:
        # softmax of the log-sigmoid: rows sum to one even where all sigmoids underflow
        xp, _, _ = get_namespace_and_device(logits)
        logits = -xp.logaddexp(xp.zeros_like(logits), -(logits + bias))
    return softmax(logits)
