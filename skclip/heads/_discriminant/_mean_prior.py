"""Text rows as prior means of the classes, for the Gaussian discriminant."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["MeanPrior", "posterior_means", "text_prior"]

Array = NDArray[np.float64]


class MeanPrior(NamedTuple):
    """Prior means of the classes, and the number of rows they count as."""

    means: Array
    n_rows: float


def text_prior(text: Array, means: Array, counts: Array, n_rows: float) -> MeanPrior:
    r"""Return text rows mapped to the space of images.

    .. math:: t'_c = \bar m + \beta (t_c - \bar t)

    with the slope :math:`\beta \ge 0` of class means on text rows. Embeddings of images and texts
    are far apart: shrinking to the text rows themselves would move all means away from the images.

    Parameters
    ----------
    text : ndarray of shape (n_classes, n_features)
        Unit text rows.

    means : ndarray of shape (n_classes, n_features)
        Class means.

    counts : ndarray of shape (n_classes,)
        Sum of the weights of each class; slope and centres are those of classes with rows.

    n_rows : float
        Number of rows that a text row counts as.

    Returns
    -------
    prior : MeanPrior
        For :func:`posterior_means`.
    """
    known = counts > 0
    centre, deviation = means[known].mean(axis=0), text - text[known].mean(axis=0)
    spread = np.sum(deviation[known] ** 2)
    # one class with rows has no slope: use 1
    slope = np.sum(deviation[known] * (means[known] - centre)) / spread if spread else 1.0
    return MeanPrior(centre + max(slope, 0) * deviation, n_rows)


def posterior_means(means: Array, counts: Array, prior: MeanPrior | None) -> tuple[Array, Array]:
    """Return posterior class means, and the counts of plain means with the same noise.

    Parameters
    ----------
    means : ndarray of shape (n_classes, n_features)
        Class means of rows.

    counts : ndarray of shape (n_classes,)
        Sum of the weights of each class.

    prior : MeanPrior or None
        None returns ``means`` and ``counts``.

    Returns
    -------
    means : ndarray of shape (n_classes, n_features)
        Posterior means, for :func:`fit_discriminant`.

    counts : ndarray of shape (n_classes,)
        Counts, for :func:`fit_discriminant`; infinite for a class without rows, whose mean has no
        noise.
    """
    if prior is None:
        return means, counts
    total = prior.n_rows + counts
    mixed = (prior.n_rows * prior.means + counts[:, None] * means) / total[:, None]
    return mixed, np.where(counts > 0, total**2 / np.where(counts > 0, counts, 1), np.inf)
