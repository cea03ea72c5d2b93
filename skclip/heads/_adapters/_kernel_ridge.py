r"""Kernel ridge regression with exact left-out predictions for every ridge at once.

With the kernel matrix :math:`K` of the labelled images, their weights :math:`D` and targets
:math:`R`,

.. math:: \hat r(x) = k(x)^\top A, \qquad A = (K + \lambda D^{-1})^{-1} R, \qquad
          \hat r_{-B}(x_B) = R_B - \big([(K + \lambda D^{-1})^{-1}]_{BB}\big)^{-1} A_B

where :math:`B` are the images that are left out together. One eigendecomposition of
:math:`D^{1/2} K D^{1/2}` serves every :math:`\lambda`. Pure functions on arrays; called by
KernelTextClassifier.
"""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["KernelAxes", "dual_of", "kernel_axes", "kernel_of", "left_out_predictions"]


class KernelAxes(NamedTuple):
    r"""Weighted images in the axes of their kernel.

    Attributes
    ----------
    values : ndarray of shape (n_axes,)
        Eigenvalues of :math:`D^{1/2} \tilde K D^{1/2}`, not negative.

    axes : ndarray of shape (n_samples, n_axes)
        Its eigenvectors.

    root : ndarray of shape (n_samples,)
        :math:`D^{1/2}`.

    dual : ndarray of shape (n_keys, n_axes)
        Takes coefficients of the axes to those of the keys.
    """

    values: NDArray[Any]
    axes: NDArray[Any]
    root: NDArray[Any]
    dual: NDArray[Any]


def kernel_of(X: NDArray[Any], keys: NDArray[Any], bandwidth: float) -> NDArray[Any]:
    r"""Return :math:`\exp(-\beta (1 - x \cdot f))` for unit rows: ``(n, m)``."""
    kernel: NDArray[Any] = np.exp(bandwidth * (X @ keys.T - 1))
    return kernel


def kernel_axes(
    X: NDArray[Any], weight: NDArray[Any], bandwidth: float, keys: NDArray[Any] | None = None
) -> KernelAxes:
    r"""Decompose the kernel of weighted images.

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
        :math:`\tilde K = K_{xk} K_{kk}^{+} K_{kx}`. None is all of them, and exact.

    Returns
    -------
    axes : KernelAxes
        For :func:`left_out_predictions` and :func:`dual_of`.
    """
    root = np.sqrt(weight).astype(X.dtype)
    if keys is None:
        kernel = root[:, None] * kernel_of(X, X, bandwidth) * root
        values, axes = np.linalg.eigh(kernel)
        return KernelAxes(np.maximum(values, 0), axes, root, root[:, None] * axes)
    squares, vectors = np.linalg.eigh(kernel_of(keys, keys, bandwidth))
    kept = squares > len(squares) * np.finfo(X.dtype).eps * squares[-1]
    whitening = vectors[:, kept] / np.sqrt(squares[kept])
    features = root[:, None] * (kernel_of(X, keys, bandwidth) @ whitening)
    values, rotation = np.linalg.eigh(features.T @ features)
    kept = values > len(values) * np.finfo(X.dtype).eps * values[-1]
    values, rotation = values[kept], rotation[:, kept]
    axes = features @ (rotation / np.sqrt(values))
    # k(x, keys) @ whitening @ rotation are the coordinates of a new row; sqrt(values) is the
    # length of an axis in them
    return KernelAxes(values, axes, root, whitening @ (rotation * np.sqrt(values)))


def left_out_predictions(
    axes: KernelAxes, R: NDArray[Any], ridges: Sequence[float], folds: Sequence[NDArray[np.intp]]
) -> Iterator[NDArray[Any]]:
    """Yield for each ridge the predictions of the targets of every fold by the fit without it.

    Parameters
    ----------
    axes : KernelAxes
        Of the images.

    R : ndarray of shape (n_samples, n_targets)
        Targets.

    ridges : sequence of float
        Positive.

    folds : sequence of ndarray of int
        Positions of the images that are left out together.

    Yields
    ------
    predictions : ndarray of shape (n_left_out, n_targets)
        Fold after fold, equal to those of refits.
    """
    scaled = axes.root[:, None] * R
    projected = axes.axes.T @ scaled
    for ridge in ridges:
        shrunk = axes.values / (axes.values + ridge)
        smooth = shrunk[:, None] * projected
        predictions = []
        for fold in folds:
            own = axes.axes[fold]
            free = np.eye(len(fold), dtype=own.dtype) - (own * shrunk) @ own.T
            residual = np.linalg.solve(free, scaled[fold] - own @ smooth)
            predictions.append((scaled[fold] - residual) / axes.root[fold, None])
        yield np.concatenate(predictions)


def dual_of(axes: KernelAxes, R: NDArray[Any], ridge: float) -> NDArray[Any]:
    r"""Return the coefficients of the keys: a prediction is :math:`k(x)^\top A`.

    Parameters
    ----------
    axes, R, ridge
        As in :func:`left_out_predictions`.

    Returns
    -------
    dual : ndarray of shape (n_keys, n_targets)
        :math:`A`.
    """
    projected = axes.axes.T @ (axes.root[:, None] * R)
    dual: NDArray[Any] = axes.dual @ (projected / (axes.values + ridge)[:, None])
    return dual
