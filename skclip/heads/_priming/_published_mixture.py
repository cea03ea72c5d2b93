r"""The mixture of Neural Priming: :math:`W_c = \alpha_c t_c + (1 - \alpha_c) \mu_c`."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from skclip._linalg import unit_rows
from skclip.heads._class_sums import ClassSums
from skclip.heads._parts import Alpha, mix, text_weight

__all__ = ["Mixture", "published_mixture"]


class Mixture(NamedTuple):
    """Mixing weights of the text, and the rows and intercepts of the head."""

    alpha: NDArray[Any]
    coef: NDArray[Any]
    intercept: NDArray[Any]


def published_mixture(
    text: NDArray[Any] | None, images: ClassSums, alpha: Alpha, sigma: float | None = None
) -> Mixture:
    r"""Mix text rows with class means.

    Parameters
    ----------
    text : ndarray of shape (n_classes, n_features) or None
        Unit rows :math:`t_c`. Without them the head consists of the class means.

    images : ClassSums
        Sums of labelled and recalled images; :math:`\mu_c` are their unit means.

    alpha : float, {"exponential", "shrinkage"} or callable
        Mixing weight of the text, see :func:`skclip.heads._parts.text_weight`.

    sigma : float, default=None
        Constant of the schedule; None is its default.

    Returns
    -------
    mixture : Mixture
        A class without images is its text row; without text its intercept is
        :math:`-\infty`.

    Examples
    --------
    >>> import numpy as np
    >>> from skclip.heads._class_sums import ClassSums
    >>> from skclip.heads._priming._published_mixture import published_mixture
    >>> sums, counts = np.array([[2.0, 0.0], [0.0, 0.0]]), np.array([2.0, 0.0])
    >>> images = ClassSums(np.array(["cat", "dog"]), sums, counts)
    >>> published_mixture(np.array([[0.6, 0.8], [0.0, 1.0]]), images, 0.5).coef
    array([[0.8, 0.4],
           [0. , 1. ]])
    """
    means = unit_rows(images.sums)
    if text is None:
        alpha_ = np.where(images.known, 0.0, 1.0)
        return Mixture(alpha_, means, np.where(images.known, 0.0, -np.inf))
    alpha_ = np.where(images.known, text_weight(alpha, images.counts, sigma=sigma), 1.0)
    return Mixture(alpha_, mix(text, means, alpha_), np.zeros(len(means)))
