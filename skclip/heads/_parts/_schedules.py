r"""Mixing weight of the text in the published mixture :math:`W = \alpha T + (1 - \alpha) M`.

:math:`\alpha` is a number, a schedule of the number of images per class, or a callable. Neural
Priming, arXiv 2306.10191.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from skclip._array_api import like
from skclip._compat import get_namespace_and_device
from skclip._validation import sample_of

__all__ = ["SCHEDULES", "Alpha", "mix", "text_weight"]

Alpha = float | str | Callable[[NDArray[Any]], ArrayLike]


def exponential(counts: NDArray[Any], sigma: float) -> NDArray[Any]:
    r"""Return :math:`\exp(-n^2 / \sigma)`, the paper's form."""
    weight: NDArray[Any] = np.exp(-(counts**2) / sigma)
    return weight


def shrinkage(counts: NDArray[Any], sigma: float) -> NDArray[Any]:
    r"""Return :math:`\sigma / (\sigma + n)`: the text row counts as :math:`\sigma` images."""
    weight: NDArray[Any] = sigma / (sigma + counts)
    return weight


class Schedule(NamedTuple):
    """A function of the counts, and the default of its constant."""

    weight: Callable[[NDArray[Any], float], NDArray[Any]]
    sigma: float


SCHEDULES = {"exponential": Schedule(exponential, 100.0), "shrinkage": Schedule(shrinkage, 5.0)}


def text_weight(
    alpha: Alpha, counts: NDArray[Any], *, sigma: float | None = None
) -> NDArray[np.float64]:
    r"""Return the mixing weight :math:`\alpha_c` of the text for every class.

    Parameters
    ----------
    alpha : float, {"exponential", "shrinkage"} or callable
        A number, a schedule, or a function of ``counts`` that returns weights.

    counts : ndarray of shape (n_classes,)
        Images of each class.

    sigma : float, default=None
        Constant of the schedule; None is its default.

    Returns
    -------
    weight : ndarray of shape (n_classes,)
        In [0, 1].

    Examples
    --------
    >>> import numpy as np
    >>> from skclip.heads._parts._schedules import text_weight
    >>> text_weight("shrinkage", np.array([0.0, 5.0]), sigma=5.0)
    array([1. , 0.5])
    >>> text_weight(lambda n: 1 / (1 + n), np.array([1.0, 3.0]))
    array([0.5 , 0.25])
    """
    if isinstance(alpha, str):
        schedule = SCHEDULES[alpha]
        return schedule.weight(counts, schedule.sigma if sigma is None else sigma)
    weight = np.asarray(alpha(counts.copy()) if callable(alpha) else alpha, dtype=np.float64)
    if weight.ndim and weight.shape != counts.shape:
        raise ValueError(
            f"alpha returned shape {weight.shape} for {len(counts)} classes: return one weight per "
            "class, or one number."
        )
    weight = np.broadcast_to(weight, counts.shape)
    outside = weight[~((weight >= 0) & (weight <= 1))]
    if outside.size:
        raise ValueError(
            f"alpha must give weights of the text head in [0, 1], got {sample_of(outside)}."
        )
    return weight.copy()


def mix(text: NDArray[Any], image: NDArray[Any], alpha: NDArray[Any]) -> NDArray[Any]:
    r"""Return :math:`\alpha_c T_c + (1 - \alpha_c) M_c` for every class.

    Classes are on axis 0, in arrays of any library; ``alpha`` is in numpy. A class with
    :math:`\alpha_c = 1` is exactly its text row, even if its image row is not finite.
    """
    xp, _, _ = get_namespace_and_device(image)
    alpha = like(alpha.reshape(-1, *(1,) * (text.ndim - 1)), image, xp.result_type(text, image))
    # zero times infinity would be NaN
    image = xp.where(alpha == 1, xp.zeros_like(image), image)
    mixed: NDArray[Any] = alpha * text + (1 - alpha) * image
    return mixed
