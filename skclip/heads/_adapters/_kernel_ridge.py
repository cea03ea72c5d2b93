r"""Kernel ridge regression with exact left-out predictions.

With the kernel matrix :math:`K` of the labelled images, their weights :math:`D` and targets
:math:`R`,

.. math:: \hat r(x) = k(x)^\top A, \qquad A = G R, \qquad G = (K + \lambda D^{-1})^{-1}, \qquad
          \hat r_{-B}(x_B) = R_B - (G_{BB})^{-1} A_B

where :math:`B` are the images that are left out together. The images that are left out by any
fold stand last in :math:`D^{1/2} K D^{1/2} + \lambda I = L L^\top`. The corner of :math:`G` that
they need then follows from the corner of :math:`L`, so that a ridge costs one Cholesky
decomposition and one substitution. Pure functions on arrays; called by KernelTextClassifier.
"""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cholesky, solve_triangular
from scipy.linalg.lapack import dtrtri

__all__ = ["KernelRows", "dual_of", "kernel_of", "kernel_rows", "left_out_predictions"]

Array = NDArray[np.float64]

# A smaller ridge than this times the trace cannot be told from rounding errors.
LEAST_RIDGE = 10 * float(np.finfo(np.float64).eps)


class KernelRows(NamedTuple):
    r"""Kernel matrices of weighted images, in double precision.

    Attributes
    ----------
    gram : ndarray of shape (n_samples, n_samples) or (n_keys, n_keys)
        :math:`D^{1/2} K D^{1/2}`; with keys :math:`\Phi^\top \Phi`.

    root : ndarray of shape (n_samples,)
        :math:`D^{1/2}`.

    features : ndarray of shape (n_samples, n_keys) or None
        With keys, the rows of :math:`\Phi = D^{1/2} K_{xk} L_k^{-\top}`.

    factor : ndarray of shape (n_keys, n_keys) or None
        With keys, the lower triangle :math:`L_k` of :math:`K_{kk} = L_k L_k^\top`.
    """

    gram: Array
    root: Array
    features: Array | None = None
    factor: Array | None = None


def kernel_of(X: NDArray[Any], keys: NDArray[Any], bandwidth: float) -> NDArray[Any]:
    r"""Return :math:`\exp(-\beta (1 - x \cdot f))` for unit rows: ``(n, m)``."""
    kernel: NDArray[Any] = X @ keys.T
    kernel -= 1
    kernel *= bandwidth
    np.exp(kernel, out=kernel)
    return kernel


def kernel_rows(
    X: NDArray[Any], weight: NDArray[Any], bandwidth: float, keys: NDArray[Any] | None = None
) -> KernelRows:
    r"""Return the kernel of weighted images.

    Parameters
    ----------
    X : ndarray of shape (n_samples, n_features)
        Unit rows, all distinct.

    weight : ndarray of shape (n_samples,)
        Positive weights.

    bandwidth : float
        :math:`\beta`.

    keys : ndarray of shape (n_keys, n_features), default=None
        Some of the rows, to stand for the kernel of all (Nyström):
        :math:`\tilde K = K_{xk} K_{kk}^{-1} K_{kx}`. None is all of them, and exact.

    Returns
    -------
    rows : KernelRows
        For :func:`left_out_predictions` and :func:`dual_of`.
    """
    # the kernel of rows in single precision has negative eigenvalues, as large as a small ridge
    X, root = X.astype(np.float64), np.sqrt(weight).astype(np.float64)
    if keys is None:
        gram = kernel_of(X, X, bandwidth)
        gram *= root[:, None]
        gram *= root
        return KernelRows(gram, root)
    keys = keys.astype(np.float64)
    factor = _cholesky(kernel_of(keys, keys, bandwidth), 0.0)
    across = kernel_of(keys, X, bandwidth)
    across *= root
    features = _substitute(factor, across).T
    return KernelRows(features.T @ features, root, features, factor)


def left_out_predictions(
    rows: KernelRows, R: NDArray[Any], ridges: Sequence[float], folds: Sequence[NDArray[np.intp]]
) -> Iterator[Array]:
    """Yield for each ridge the predictions of the targets of every fold by the fit without it.

    Parameters
    ----------
    rows : KernelRows
        Of the images.

    R : ndarray of shape (n_samples, n_targets)
        Targets.

    ridges : sequence of float
        Positive.

    folds : sequence of ndarray of int
        Positions of the images that are left out together; no image in two folds.

    Yields
    ------
    predictions : ndarray of shape (n_left_out, n_targets)
        Fold after fold, equal to those of refits.
    """
    out, ends = np.concatenate(folds), np.cumsum([len(fold) for fold in folds])
    scaled, root = rows.root[:, None] * R, rows.root[out, None]
    if rows.features is None:
        order = np.concatenate([np.delete(np.arange(len(R)), out), out])
        gram, targets = rows.gram[np.ix_(order, order)], scaled[order]
    else:
        images, projected = rows.features[out].T, rows.features.T @ scaled
    for ridge in ridges:
        # residuals of the fit to all, and the half of the matrix that divides them
        if rows.features is None:
            factor = _cholesky(gram, ridge)
            corner = factor[-len(out) :, -len(out) :]
            half, _ = dtrtri(corner, lower=1)
            residual = _substitute(corner, _substitute(factor, targets)[-len(out) :], trans=1)
        else:
            factor = _cholesky(rows.gram, ridge)
            half = _substitute(factor, images)
            residual = scaled[out] - half.T @ _substitute(factor, projected)
        left_out = scaled[out]
        for end, fold in zip(ends, folds, strict=True):
            own = slice(end - len(fold), end)
            if rows.features is None:  # the half is lower triangular
                free = half[own.start :, own].T @ half[own.start :, own]
            else:
                free = np.eye(len(fold)) - half[:, own].T @ half[:, own]
            left_out[own] -= np.linalg.solve(free, residual[own])
        yield left_out / root


def dual_of(rows: KernelRows, R: NDArray[Any], ridge: float) -> Array:
    r"""Return the coefficients of the keys: a prediction is :math:`k(x)^\top A`.

    Parameters
    ----------
    rows, R, ridge
        As in :func:`left_out_predictions`.

    Returns
    -------
    dual : ndarray of shape (n_keys, n_targets)
        :math:`A`.
    """
    factor = _cholesky(rows.gram, ridge)
    scaled = rows.root[:, None] * R
    if rows.features is None or rows.factor is None:
        return rows.root[:, None] * _substitute(factor, _substitute(factor, scaled), trans=1)
    projected = _substitute(factor, rows.features.T @ scaled)
    return _substitute(rows.factor, _substitute(factor, projected, trans=1), trans=1)


def _cholesky(gram: Array, ridge: float) -> Array:
    """Return the lower triangle of the decomposition of a matrix plus a ridge."""
    ridged = gram.copy()
    ridged.flat[:: len(gram) + 1] += max(ridge, LEAST_RIDGE * float(np.trace(gram)))
    # symmetric: transposed, it has the order that LAPACK overwrites
    factor: Array = cholesky(ridged.T, lower=True, overwrite_a=True, check_finite=False)
    return factor


def _substitute(factor: Array, right: Array, *, trans: int = 0) -> Array:
    """Return the solution for a lower triangle, or for its transpose."""
    solved: Array = solve_triangular(factor, right, lower=True, trans=trans, check_finite=False)
    return solved
