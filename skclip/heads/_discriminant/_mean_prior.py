"""Text rows as prior means of the classes, for heads of class means and a covariance.

Called by GaussianDiscriminantClassifier and by the functions of ``_discriminant``.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["MeanPrior", "posterior_means", "text_prior"]

Array = NDArray[np.float64]


class MeanPrior(NamedTuple):
    """Means expected before any row is seen, and how many rows they count as."""

    means: Array
    n_rows: float


def text_prior(text: Array, means: Array, counts: Array, n_rows: float) -> MeanPrior:
    r"""Return text rows as means of images, moved to where images lie.

    .. math:: t'_c = \bar m + \beta (t_c - \bar t)

    with :math:`\beta \ge 0` the slope of class means on text rows. Images and texts of one model
    lie apart: text rows as they are would pull all means to where no image is.

    Parameters
    ----------
    text : ndarray of shape (n_classes, n_features)
        Unit text rows.

    means : ndarray of shape (n_classes, n_features)
        Class means.

    counts : ndarray of shape (n_classes,)
        Sum of the weights of each class; slope and centres are those of classes that have any.

    n_rows : float
        How many rows a text row counts as.

    Returns
    -------
    prior : MeanPrior
        For :func:`posterior_means`.
    """
    known = counts > 0
    centre, deviation = means[known].mean(axis=0), text - text[known].mean(axis=0)
    spread = np.sum(deviation[known] ** 2)
    # one class with rows has no slope: text and images are taken to differ alike
    slope = np.sum(deviation[known] * (means[known] - centre)) / spread if spread else 1.0
    return MeanPrior(centre + max(slope, 0) * deviation, n_rows)


def posterior_means(means: Array, counts: Array, prior: MeanPrior | None) -> tuple[Array, Array]:
    """Return class means under a prior, and the rows a plain mean as noisy would be of.

    Parameters
    ----------
    means : ndarray of shape (n_classes, n_features)
        Class means of rows.

    counts : ndarray of shape (n_classes,)
        Sum of the weights of each class.

    prior : MeanPrior or None
        None returns what was given.

    Returns
    -------
    means : ndarray of shape (n_classes, n_features)
        For :func:`fit_discriminant`.

    counts : ndarray of shape (n_classes,)
        The same; infinite for a class without rows, whose mean has no noise.
    """
    if prior is None:
        return means, counts
    total = prior.n_rows + counts
    mixed = (prior.n_rows * prior.means + counts[:, None] * means) / total[:, None]
    return mixed, np.where(counts > 0, total**2 / np.where(counts > 0, counts, 1), np.inf)
