r"""How much text there is in a published mixture: :math:`W = \alpha T + (1 - \alpha) M`.

A number, a schedule of the number of images per class, or a callable. Neural Priming,
arXiv 2306.10191. Called by PrimedNCMClassifier and MixedHeadClassifier.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from skclip._array_api import like
from skclip._compat import get_namespace_and_device
from skclip._validation import sample_of

__all__ = ["SCHEDULES", "Alpha", "mix", "text_share"]

Alpha = float | str | Callable[[NDArray[Any]], ArrayLike]


def exponential(counts: NDArray[Any], sigma: float) -> NDArray[Any]:
    r"""Return :math:`\exp(-n^2 / \sigma)`, the paper's form."""
    share: NDArray[Any] = np.exp(-(counts**2) / sigma)
    return share


def shrinkage(counts: NDArray[Any], sigma: float) -> NDArray[Any]:
    r"""Return :math:`\sigma / (\sigma + n)`: the text row counts as :math:`\sigma` images."""
    share: NDArray[Any] = sigma / (sigma + counts)
    return share


class Schedule(NamedTuple):
    """A form of the share and its constant where the user sets none."""

    share: Callable[[NDArray[Any], float], NDArray[Any]]
    sigma: float


SCHEDULES = {"exponential": Schedule(exponential, 100.0), "shrinkage": Schedule(shrinkage, 5.0)}


def text_share(
    alpha: Alpha, counts: NDArray[Any], *, sigma: float | None = None
) -> NDArray[np.float64]:
    r"""Return the text's share :math:`\alpha_c` of every class.

    Parameters
    ----------
    alpha : float, {"exponential", "shrinkage"} or callable
        A fixed share, a schedule, or a function of ``counts`` that returns shares.

    counts : ndarray of shape (n_classes,)
        Images of each class.

    sigma : float, default=None
        Constant of the schedule; None is the schedule's own.

    Returns
    -------
    share : ndarray of shape (n_classes,)
        In [0, 1].

    Examples
    --------
    >>> import numpy as np
    >>> from skclip.heads._parts._schedules import text_share
    >>> text_share("shrinkage", np.array([0.0, 5.0]), sigma=5.0)
    array([1. , 0.5])
    >>> text_share(lambda n: 1 / (1 + n), np.array([1.0, 3.0]))
    array([0.5 , 0.25])
    """
    if isinstance(alpha, str):
        schedule = SCHEDULES[alpha]
        return schedule.share(counts, schedule.sigma if sigma is None else sigma)
    share = np.asarray(alpha(counts.copy()) if callable(alpha) else alpha, dtype=np.float64)
    if share.ndim and share.shape != counts.shape:
        raise ValueError(
            f"alpha returned shape {share.shape} for {len(counts)} classes: return one share per "
            "class, or one number."
        )
    share = np.broadcast_to(share, counts.shape)
    outside = share[~((share >= 0) & (share <= 1))]
    if outside.size:
        raise ValueError(
            f"alpha must give shares of the text head in [0, 1], got {sample_of(outside)}."
        )
    return share.copy()


def mix(text: NDArray[Any], image: NDArray[Any], share: NDArray[Any]) -> NDArray[Any]:
    r"""Return :math:`\alpha_c T_c + (1 - \alpha_c) M_c` for every class.

    Classes lie on axis 0, in arrays of any library; the shares are in numpy. A class with
    :math:`\alpha_c = 1` is its text row to the last bit, whatever its image row holds.
    """
    xp, _, _ = get_namespace_and_device(image)
    share = like(share.reshape(-1, *(1,) * (text.ndim - 1)), image, xp.result_type(text, image))
    # no share of it, be it infinite or not a number
    image = xp.where(share == 1, xp.zeros_like(image), image)
    mixed: NDArray[Any] = share * text + (1 - share) * image
    return mixed
