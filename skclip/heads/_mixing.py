r"""Mixing a text head with an image head: :math:`W = \alpha T + (1 - \alpha) M`.

How much text (:math:`\alpha`) from how many images (:math:`n`), and how to put the two heads on one
scale first. Everything is computed from class sums and counts, never from rows. Neural Priming,
arXiv 2306.10191. Called by PrimedNCMClassifier and MixedHeadClassifier.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from skclip._array_api import like, take_rows
from skclip._compat import get_namespace_and_device
from skclip._validation import sample_of

__all__ = [
    "CALIBRATIONS",
    "COUNTS",
    "SCHEDULES",
    "Alpha",
    "Moments",
    "Scatter",
    "calibrated",
    "evidence",
    "image_scale",
    "mix",
    "moments",
    "saturated",
    "scale_of",
    "scatter",
    "scatter_of",
    "text_share",
]

Alpha = float | str | Callable[[NDArray[Any]], ArrayLike]

COUNTS = {"per_class", "mean", "total", "shots"}
CALIBRATIONS = {"none", "center", "zscore", "regression"}

# Share of the variance of unit embeddings that lies between classes, where a single row a class
# leaves it unknown. On the training rows of the two real data sets of the mixing study it is 0.23
# and 0.34, on classes made of caption nouns 0.11.
BETWEEN_CLASS_SHARE = 0.2


class Scatter(NamedTuple):
    """How far images lie from their class mean, and class means from their text."""

    within: Any
    offset: Any


class Moments(NamedTuple):
    r"""Second moments of two heads' rows, each centred over the classes.

    :math:`\sum_c \lVert \tilde t_c \rVert^2`, :math:`\sum_c \tilde t_c \cdot \tilde m_c` and
    :math:`\sum_c \lVert \tilde m_c \rVert^2`: numbers, or arrays of them for many fits at once.
    """

    text: Any
    cross: Any
    image: Any


def moments(text: NDArray[Any], image: NDArray[Any]) -> Moments:
    """Return the moments of two heads that hold ``(n_classes, n)`` rows for the same classes."""
    t, m = text - text.mean(axis=0), image - image.mean(axis=0)
    return Moments(np.square(t).sum(), np.einsum("ij,ij->", t, m), np.square(m).sum())


def exponential(counts: NDArray[Any], sigma: float, scatter: Scatter) -> NDArray[Any]:
    r"""Return :math:`\exp(-n^2 / \sigma)`, the paper's form."""
    share: NDArray[Any] = np.exp(-(counts**2) / sigma)
    return share


def shrinkage(counts: NDArray[Any], sigma: float, scatter: Scatter) -> NDArray[Any]:
    r"""Return :math:`\sigma / (\sigma + n)`: the text row counts as :math:`\sigma` images."""
    share: NDArray[Any] = sigma / (sigma + counts)
    return share


def variance(counts: NDArray[Any], sigma: float, scatter: Scatter) -> NDArray[Any]:
    r"""Return :math:`\sigma v / (\sigma v + n \delta^2)`, the posterior share of the text.

    A class mean is drawn about its text row with variance :math:`\delta^2` and measured by the
    mean of :math:`n` images with variance :math:`v / n`: for :math:`\sigma = 1` this is the weight
    of the prior in the posterior mean (James-Stein, empirical Bayes).
    """
    share: NDArray[Any] = shrinkage(counts, sigma * scatter.within / scatter.offset, scatter)
    return share


class Schedule(NamedTuple):
    """A form of the share and its constant where the user sets none."""

    share: Callable[[NDArray[Any], float, Scatter], NDArray[Any]]
    sigma: float


SCHEDULES = {
    "exponential": Schedule(exponential, 100.0),
    "shrinkage": Schedule(shrinkage, 5.0),
    "variance": Schedule(variance, 1.0),
}


def scatter(text: NDArray[Any], sums: NDArray[Any], counts: NDArray[Any]) -> Scatter:
    r"""Estimate within-class variance :math:`v` and the text's offset :math:`\delta^2`.

    With class means :math:`m_c = S_c / n_c` and text rows centred over the :math:`K` classes that
    have images, :math:`N` rows in all, and the slope :math:`a` of means on text:

    .. math:: v = \frac{N - \sum_c \lVert S_c \rVert^2 / n_c}{N - K}, \qquad
              \beta = \frac{\sum_c \lVert \tilde m_c \rVert^2}{K - 1}
                      - v\, \overline{1 / n_c}, \qquad
              \delta^2 = \beta - a^2 \frac{\sum_c \lVert \tilde t_c \rVert^2}{K - 1}

    Where every class has one row, :math:`v` cannot be told from :math:`\beta` and
    ``BETWEEN_CLASS_SHARE`` divides their sum.

    Parameters
    ----------
    text : ndarray of shape (n_classes, n_features)
        Unit text rows.

    sums : ndarray of shape (n_classes, n_features)
        Sums of unit image rows.

    counts : ndarray of shape (n_classes,)
        Their weights.

    Returns
    -------
    scatter : Scatter
        Both positive.
    """
    known = counts > 0
    n, n_classes = counts[known], int(known.sum())
    if n_classes < 2:
        return Scatter(1.0, 1.0)
    means = sums[known] / n[:, None]
    resultant = np.square(means).sum(axis=1) @ n
    return scatter_of(moments(text[known], means), n_classes, n.sum(), np.sum(1 / n), resultant)


def scatter_of(
    moments: Moments, n_classes: int, n_rows: Any, inverse_counts: Any, resultant: Any
) -> Scatter:
    r"""Return the scatter from sums over classes; see :func:`scatter`.

    Parameters
    ----------
    moments : Moments
        Of text rows and class means.

    n_classes : int
        :math:`K`, at least 2.

    n_rows, inverse_counts, resultant : float or ndarray
        :math:`N`, :math:`\sum_c 1 / n_c` and :math:`\sum_c \lVert S_c \rVert^2 / n_c`.
    """
    total, spread = moments.image / (n_classes - 1), moments.text / (n_classes - 1)
    freedom = n_rows - n_classes
    measured = np.maximum(n_rows - resultant, 0) / np.maximum(freedom, 1e-9)
    within = np.where(freedom > 1e-9, measured, (1 - BETWEEN_CLASS_SHARE) * total)
    between = np.where(
        freedom > 1e-9, total - within * inverse_counts / n_classes, BETWEEN_CLASS_SHARE * total
    )
    slope = np.maximum(moments.cross, 0) / np.maximum(moments.text, 1e-12)
    smallest = 0.01 * total + 1e-12
    within = np.maximum(within, smallest)
    offset = np.maximum(between - slope**2 * spread, np.maximum(0.01 * within, smallest))
    return Scatter(within, offset)


def saturated(counts: NDArray[Any], limit: float | None) -> NDArray[Any]:
    r"""Return what ``counts`` recalled images are worth beside labelled ones.

    .. math:: n' = \frac{n}{1 + n / \kappa}

    A mean of recalled images misses the mean of the images to be classified by a bias that no
    number of them removes: if it is as large as :math:`\sqrt{v / \kappa}`, they are together worth
    at most :math:`\kappa` images without bias.
    """
    return counts if limit is None else counts / (1 + counts / limit)


def evidence(counts: NDArray[Any], how: str, shots: NDArray[Any] | None = None) -> NDArray[Any]:
    """Return what the schedules count, in the shape of ``counts``.

    Parameters
    ----------
    counts : ndarray of shape (..., n_classes)
        Weight of each class's images, labelled and recalled.

    how : {"per_class", "mean", "total", "shots"}
        Each class's own count, their mean, their sum, or each class's labelled images alone.

    shots : ndarray of shape (..., n_classes), default=None
        Weight of the labelled images, for ``"shots"``.
    """
    if how == "shots" and shots is not None:
        return shots
    if how in ("mean", "total"):
        total = counts.sum(axis=-1, keepdims=True)
        one = total / counts.shape[-1] if how == "mean" else total
        return np.broadcast_to(one, counts.shape)
    return counts


def text_share(
    alpha: Alpha, counts: NDArray[Any], *, sigma: float | None, scatter: Scatter
) -> NDArray[Any]:
    r"""Return the share :math:`\alpha_c` of the text head for every class.

    Parameters
    ----------
    alpha : float, str or callable
        A constant, the name of a schedule, or ``counts -> shares``.

    counts : ndarray of shape (n_classes,)
        Image examples of each class, :math:`n_c`.

    sigma : float or None
        Constant of the named schedules; None is the schedule's own.

    scatter : Scatter
        For ``"variance"``.

    Returns
    -------
    share : ndarray of shape (n_classes,)
        In [0, 1].

    Raises
    ------
    ValueError
        If a callable returns values outside [0, 1] or of another shape.

    Examples
    --------
    >>> import numpy as np
    >>> from skclip.heads._mixing import Scatter, text_share
    >>> counts = np.array([0.0, 1.0, 4.0])
    >>> text_share("exponential", counts, sigma=10, scatter=Scatter(1, 1)).round(3)
    array([1.   , 0.905, 0.202])
    >>> text_share("variance", counts, sigma=None, scatter=Scatter(within=0.8, offset=0.2))
    array([1. , 0.8, 0.5])
    """
    if isinstance(alpha, str):
        schedule = SCHEDULES[alpha]
        return schedule.share(counts, schedule.sigma if sigma is None else sigma, scatter)
    share = np.asarray(alpha(counts.copy()) if callable(alpha) else alpha, dtype=np.float64)
    if share.ndim and share.shape != counts.shape:
        raise ValueError(
            f"alpha returned shape {share.shape} for {len(counts)} classes: return one share a "
            "class, or one number."
        )
    share = np.broadcast_to(share, counts.shape)
    outside = share[~((share >= 0) & (share <= 1))]
    if outside.size:
        raise ValueError(
            f"alpha must give shares of the text head in [0, 1], got {sample_of(outside)}."
        )
    return share.copy()


def image_scale(kind: str, text: NDArray[Any], image: NDArray[Any]) -> float:
    r"""Return the factor :math:`r` that brings the image head to the scale of the text head.

    Parameters
    ----------
    kind : {"none", "center", "zscore", "regression"}
        1; 1; the ratio of the centred rows' Frobenius norms; or :math:`1 / a` with the slope
        :math:`a` of centred image rows on centred text rows. The last asks how much of the images
        the text predicts: text rows that say nothing about the images get no voice.

    text, image : ndarray of shape (n_classes, n)
        What the two heads hold for the same classes: weight rows, or scores.

    Returns
    -------
    scale : float
        Positive. The slope is bounded below by 1 % of the norm ratio, so that classes without
        images are still told apart by their text.
    """
    if kind in ("none", "center") or len(text) < 2:
        return 1.0
    return float(scale_of(kind, moments(text, image)))


def scale_of(kind: str, moments: Moments) -> Any:
    """Return the factor from second moments; see :func:`image_scale`."""
    text, image = np.sqrt(moments.text), np.sqrt(np.maximum(moments.image, 0))
    comparable = (text > 1e-12) & (image > 1e-12)
    ratio = np.where(comparable, image, 1) / np.where(comparable, text, 1)
    if kind == "zscore":
        return 1 / ratio
    slope = moments.cross / np.maximum(moments.text, 1e-24)
    return 1 / np.where(comparable, np.maximum(slope, 0.01 * ratio), 1)


def calibrated(
    kind: str, scale: float, text: NDArray[Any], image: NDArray[Any], known: NDArray[np.bool_]
) -> NDArray[Any]:
    r"""Put an image head on the text head's scale, about the text head's centre.

    .. math:: M'_c = r (M_c - \bar M) + \bar T

    Image-image cosines are larger than image-text cosines. Mixed class by class as they are,
    classes with a larger share of images would win by that alone, and a class without images would
    never be predicted. Centring takes the same row from every class: it changes no head's labels.

    Parameters
    ----------
    kind : {"none", "center", "zscore", "regression"}
        ``"none"`` is the paper: ``image`` as it is.

    scale : float
        :math:`r`, see :func:`image_scale`.

    text, image : array of shape (n_classes, ...)
        Weight rows, intercepts, or transposed scores; classes on axis 0. Of any array library.

    known : ndarray of shape (n_classes,) of bool
        Classes that the image head knows; the means are taken over them.

    Returns
    -------
    image : ndarray of shape (n_classes, ...)
        The calibrated image head.
    """
    if kind == "none" or not known.any():
        return image
    xp, _, _ = get_namespace_and_device(image)
    rows = np.flatnonzero(known)
    text_center, image_center = (xp.mean(take_rows(head, rows), axis=0) for head in (text, image))
    moved: NDArray[Any] = scale * (image - image_center) + text_center
    return moved


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
