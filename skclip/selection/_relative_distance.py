r"""How far an image is from every class, beside how far it is from images at all (2106.09022).

.. math:: \min_c\, (x - \mu_c)^\top \Sigma^{-1} (x - \mu_c)
          - (x - \mu_0)^\top \Sigma_0^{-1} (x - \mu_0)

with one covariance within classes and one of all images, about their mean. Pure functions on
arrays; called by :class:`~skclip.selection.OpenSetClassifier`.
"""

from typing import Any

import numpy as np
import scipy.linalg
from numpy.typing import NDArray

from skclip._linalg import unit_rows

__all__ = ["relative_distance"]

Array = NDArray[np.float64]


def relative_distance(X: NDArray[Any], codes: NDArray[np.integer], X_new: NDArray[Any]) -> Array:
    r"""Return the relative distance of new rows: large for images of no class.

    Parameters
    ----------
    X : ndarray of shape (n_samples, n_features)
        Labelled rows.

    codes : ndarray of shape (n_samples,)
        Their classes, every number from 0 taken.

    X_new : ndarray of shape (n_new, n_features)
        Rows.

    Returns
    -------
    distance : ndarray of shape (n_new,)
        Squared distances differ in it. Both covariances get :math:`d / n` of their mean variance
        on the diagonal, so that they can be inverted.
    """
    X, X_new = unit_rows(X).astype(np.float64), unit_rows(X_new).astype(np.float64)
    counts = np.bincount(codes)
    means = np.zeros((len(counts), X.shape[1]))
    np.add.at(means, codes, X)
    means /= counts[:, None]
    centre = X.mean(axis=0)
    far = _distances(X_new, centre[None], X - centre, 1)
    residuals = X - means[codes]
    if len(counts) < len(X):
        return _distances(X_new, means, residuals, len(counts)) - far
    return _distances(X_new, means, X - centre, 1) - far


def _distances(X: Array, means: Array, residuals: Array, n_means: int) -> Array:
    """Return the squared distance to the nearest mean in the metric of the residuals."""
    n, d = residuals.shape
    scatter = residuals.T @ residuals
    scatter[np.diag_indices(d)] += max(np.trace(scatter) / n, 1e-12)
    root = scipy.linalg.cholesky(scatter / max(n - n_means, 1), lower=True)
    rows = scipy.linalg.solve_triangular(root, X.T, lower=True).T
    centres = scipy.linalg.solve_triangular(root, means.T, lower=True).T
    squared = np.vecdot(rows, rows)[:, None] - 2 * rows @ centres.T + np.vecdot(centres, centres)
    nearest: Array = squared.min(axis=1)
    return nearest
