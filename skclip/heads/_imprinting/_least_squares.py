"""Class-balanced least squares in closed form, with leave-one-out choice of the ridge.

The most accurate method of the IMPRINT comparison ("ls"), by one linear solve.
"""

from typing import Any

import numpy as np
import scipy.linalg
from numpy.typing import NDArray

from skclip.heads._class_sums import second_moment

__all__ = ["least_squares_weights", "leave_one_out_regularization"]

# Ridges to choose from, as multiples of the mean eigenvalue of the second moment.
RELATIVE_RIDGES = 10.0 ** np.arange(-6, 3.5, 0.5)


def least_squares_weights(
    moment: NDArray[Any], means: NDArray[Any], total_weight: float, regularization: float
) -> NDArray[np.float64]:
    r"""Solve the class-balanced ridge regression of the one-hot labels.

    .. math:: W = \frac{1}{C} M \Big(\frac{1}{N} \sum_i w_i x_i x_i^\top + \lambda I\Big)^{-1}

    with the class means as rows of :math:`M`. This is a ridge regression without intercept, with
    targets scaled to :math:`N / (C n_c)`, so that all classes have the same total weight.

    Parameters
    ----------
    moment : ndarray of shape (n_features, n_features)
        From :func:`~skclip.heads._class_sums.second_moment`.

    means : ndarray of shape (n_classes, n_features)
        :math:`M`.

    total_weight : float
        :math:`N`, the sum of the weights.

    regularization : float
        :math:`\lambda > 0`.

    Returns
    -------
    weights : ndarray of shape (n_classes, n_features)
        One row per class.
    """
    ridged = moment / total_weight
    ridged[np.diag_indices(len(ridged))] += regularization
    solved: NDArray[np.float64] = scipy.linalg.solve(
        ridged, means.T, assume_a="pos", overwrite_a=True
    )
    return solved.T / len(means)


def leave_one_out_regularization(
    X: NDArray[Any],
    targets: NDArray[np.intp],
    owners: NDArray[np.intp],
    weight: NDArray[Any],
) -> tuple[float, NDArray[np.float64], NDArray[np.float64]]:
    r"""Choose the ridge with the best leave-one-out balanced accuracy.

    Of equally accurate ridges, the one with the smallest leave-one-out squared error is chosen.

    With :math:`h_i = \frac{1}{N} x_i^\top (G + \lambda I)^{-1} x_i` and targets :math:`t_i`, the
    prediction for row :math:`i` by the solution without it is
    :math:`(W x_i - h_i t_i) / (1 - h_i)`, without another solve. Of a row of weight 2, one of two
    equal rows is left out.

    Parameters
    ----------
    X : ndarray of shape (n_samples, n_features)
        Rows.

    targets : ndarray of shape (n_samples,)
        Regression target (class, or cluster within a class) of each row, ``0 ... n_targets - 1``,
        all present.

    owners : ndarray of shape (n_targets,)
        Class of each target, ascending.

    weight : ndarray of shape (n_samples,)
        Positive weights.

    Returns
    -------
    regularization : float
        The chosen :math:`\lambda`.

    accuracies : ndarray of shape (n_ridges,)
        Leave-one-out balanced accuracy of each of ``RELATIVE_RIDGES``.

    errors : ndarray of shape (n_ridges,)
        Their leave-one-out mean squared error.
    """
    total = weight.sum()
    mass = np.bincount(targets, weight)
    height = total / (len(mass) * mass)  # targets have equal total weight
    eigenvalues, projected = _principal_rows(X, weight)
    ridges = RELATIVE_RIDGES * (eigenvalues.sum() / X.shape[1])
    sums = np.zeros((len(mass), projected.shape[1]))
    np.add.at(sums, targets, projected * (weight / mass[targets])[:, None])
    sums /= len(mass)
    _, starts, position = np.unique(owners, return_index=True, return_inverse=True)
    truth = position[targets]
    class_mass = np.bincount(truth, weight)
    accuracies, errors = np.empty(len(ridges)), np.empty(len(ridges))
    own = (np.arange(len(X)), targets)
    for r, ridge in enumerate(ridges):
        shrink = 1 / (eigenvalues + ridge)
        left_out = projected @ (sums * shrink).T
        leverage = projected**2 @ shrink / total
        left_out[own] -= leverage * height[targets]
        left_out /= (1 - leverage)[:, None]
        found = np.argmax(np.maximum.reduceat(left_out, starts, axis=1), axis=1)
        hits = np.bincount(truth, weight * (found == truth), minlength=len(starts))
        accuracies[r] = np.mean(hits / class_mass)
        left_out[own] -= height[targets]
        errors[r] = weight @ np.einsum("nt,nt->n", left_out, left_out) / total
    best = np.lexsort((errors, -accuracies.round(12)))[0]
    return float(ridges[best]), accuracies, errors


def _principal_rows(
    X: NDArray[Any], weight: NDArray[Any]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the eigenvalues of the weighted second moment, and the rows in its eigenvectors."""
    total = weight.sum()
    if X.shape[1] <= len(X):
        eigenvalues, axes = scipy.linalg.eigh(second_moment(X, weight, unit=False) / total)
        return np.maximum(eigenvalues, 0), X @ axes
    root = np.sqrt(weight)[:, None]
    scaled = X.astype(np.float64) * root
    eigenvalues, left = scipy.linalg.eigh(scaled @ scaled.T / total)
    eigenvalues = np.maximum(eigenvalues, 0)
    return eigenvalues, left * np.sqrt(eigenvalues * total) / root
