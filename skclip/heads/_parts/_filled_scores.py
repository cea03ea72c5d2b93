"""Scores of classes that an image head does not know, predicted from the text."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["fill_by_text", "slope_on_text"]

Array = NDArray[np.float64]


def fill_by_text(
    scores: Array,
    known: NDArray[np.bool_],
    text: Array,
    slope: float,
    own_weight: Array | float = 1.0,
) -> Array:
    r"""Return scores over all classes, centred over the known classes of each row.

    .. math:: z_c = \lambda_c (f_c - \bar f) + (1 - \lambda_c)\, \beta (t_c - \bar t)

    with the means over known classes and :math:`\lambda_c = 0` for the others.

    Parameters
    ----------
    scores : ndarray of shape (n_samples, n_classes)
        Scores :math:`f` of an image head; those of unknown classes are ignored.

    known : ndarray of shape (n_samples, n_classes) of bool
        Classes that the head knows, for each row.

    text : ndarray of shape (n_samples, n_classes)
        Scores :math:`t` of the text head.

    slope : float
        :math:`\beta`, from :func:`slope_on_text`.

    own_weight : ndarray or float, default=1.0
        :math:`\lambda` of known classes.

    Returns
    -------
    filled : ndarray of shape (n_samples, n_classes)
        Finite. A row without known classes has the scores of the text alone.

    Examples
    --------
    >>> import numpy as np
    >>> from skclip.heads._parts._filled_scores import fill_by_text
    >>> known = np.array([[True, True, False]])
    >>> fill_by_text(np.array([[3.0, 1.0, np.nan]]), known, np.array([[0.0, 0.0, 2.0]]), 0.5)
    array([[ 1., -1.,  1.]])
    """
    count = np.maximum(known.sum(axis=1, keepdims=True), 1)
    own = np.where(known, scores, 0)
    own -= np.where(known, own.sum(axis=1, keepdims=True) / count, 0)
    predicted = text - np.where(known, text, 0).sum(axis=1, keepdims=True) / count
    weight = np.where(known, own_weight, 0)
    filled: Array = weight * own + (1 - weight) * slope * predicted
    return filled


def slope_on_text(
    scores: Array, known: NDArray[np.bool_], text: Array, weight: NDArray[Any]
) -> float:
    """Return the slope of an image head's scores on those of the text; not negative.

    Both are centred over the known classes of each row.

    Parameters
    ----------
    scores, known, text
        As in :func:`fill_by_text`.

    weight : ndarray of shape (n_samples,)
        Weights of the rows.

    Returns
    -------
    slope : float
        Zero if the text scores are all equal.
    """
    a = fill_by_text(scores, known, text, 0.0)
    b = fill_by_text(text, known, text, 0.0)
    square = float(weight @ np.einsum("nc,nc->n", b, b))
    return max(0.0, float(weight @ np.einsum("nc,nc->n", a, b)) / max(square, 1e-12))
