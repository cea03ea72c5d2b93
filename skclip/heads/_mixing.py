r"""Mixing a text head with an image head: :math:`W = \alpha T + (1 - \alpha) M`.

How much text (:math:`\alpha`) from how many images (:math:`n`), and how to put two heads' scores on
one scale first. Neural Priming, arXiv 2306.10191. Called by PrimedNCMClassifier and
MixedHeadClassifier.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from skclip._linalg import gen_row_blocks
from skclip._validation import sample_of

__all__ = [
    "CALIBRATIONS",
    "COUNTS",
    "SCHEDULES",
    "Alpha",
    "ScoreMoments",
    "calibration",
    "class_spread",
    "evidence",
    "mix",
    "score_moments",
    "text_share",
]

Alpha = float | str | Callable[[NDArray[Any]], ArrayLike]

COUNTS = {"per_class", "mean", "total", "shots"}
CALIBRATIONS = {"none", "center", "zscore"}


def exponential(counts: NDArray[Any], sigma: float, spread: NDArray[Any]) -> NDArray[Any]:
    r"""Return :math:`\exp(-n^2 / \sigma)`, the paper's form."""
    share: NDArray[Any] = np.exp(-(counts**2) / sigma)
    return share


def shrinkage(counts: NDArray[Any], sigma: float, spread: NDArray[Any]) -> NDArray[Any]:
    r"""Return :math:`\sigma / (\sigma + n)`: the text row counts as :math:`\sigma` images."""
    share: NDArray[Any] = sigma / (sigma + counts)
    return share


def variance(counts: NDArray[Any], sigma: float, spread: NDArray[Any]) -> NDArray[Any]:
    r"""Return :math:`\sigma v_c / (\sigma v_c + n)`: scattered classes lean on text for longer."""
    share: NDArray[Any] = sigma * spread / np.maximum(sigma * spread + counts, 1e-12)
    return share


SCHEDULES: dict[str, Callable[[NDArray[Any], float, NDArray[Any]], NDArray[Any]]] = {
    "exponential": exponential,
    "shrinkage": shrinkage,
    "variance": variance,
}


def evidence(counts: NDArray[Any], how: str, shots: NDArray[Any] | None = None) -> NDArray[Any]:
    """Return what the schedules count: ``(n_classes,) -> (n_classes,)``.

    Parameters
    ----------
    counts : ndarray of shape (n_classes,)
        Weight of each class's images, labelled and recalled.

    how : {"per_class", "mean", "total", "shots"}
        Each class's own count, their mean, their sum, or each class's labelled images alone.

    shots : ndarray of shape (n_classes,), default=None
        Weight of the labelled images, for ``"shots"``.
    """
    if how == "shots" and shots is not None:
        return shots
    if how == "mean":
        return np.full_like(counts, counts.mean())
    if how == "total":
        return np.full_like(counts, counts.sum())
    return counts


def class_spread(sums: NDArray[Any], counts: NDArray[Any]) -> NDArray[Any]:
    r"""Return how far each class's unit rows scatter about their mean.

    .. math:: v_c = \frac{n_c}{n_c - 1}\Big(1 - \lVert S_c / n_c \rVert^2\Big)

    Classes of one row or less get the mean of the others (1 where there are none).

    Parameters
    ----------
    sums : ndarray of shape (n_classes, n_features)
        Sums of unit rows.

    counts : ndarray of shape (n_classes,)
        Weights of the rows.

    Returns
    -------
    spread : ndarray of shape (n_classes,)
        In [0, 2].
    """
    known = counts > 1
    n = np.where(known, counts, 2)
    spread = n / (n - 1) * (1 - np.einsum("ij,ij->i", sums, sums) / n**2)
    spread = np.clip(spread, 0, None)
    fallback = spread[known].mean() if known.any() else 1.0
    return np.where(known, spread, fallback)


def text_share(
    alpha: Alpha, counts: NDArray[Any], *, sigma: float, spread: NDArray[Any]
) -> NDArray[Any]:
    r"""Return the share :math:`\alpha_c` of the text head for every class.

    Parameters
    ----------
    alpha : float, str or callable
        A constant, the name of a schedule, or ``counts -> shares``.

    counts : ndarray of shape (n_classes,)
        Image examples of each class, :math:`n_c`.

    sigma : float
        Constant of the named schedules.

    spread : ndarray of shape (n_classes,)
        Scatter of each class, see :func:`class_spread`; for ``"variance"``.

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
    >>> from skclip.heads._mixing import text_share
    >>> counts = np.array([0.0, 1.0, 4.0])
    >>> text_share("exponential", counts, sigma=10, spread=np.ones(3)).round(3)
    array([1.   , 0.905, 0.202])
    >>> text_share("shrinkage", counts, sigma=4, spread=np.ones(3))
    array([1. , 0.8, 0.5])
    """
    if isinstance(alpha, str):
        return SCHEDULES[alpha](counts, sigma, spread)
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


class ScoreMoments(NamedTuple):
    """Mean and standard deviation of a head's scores over rows and classes."""

    mean: float
    std: float


def score_moments(
    scores: Callable[[NDArray[Any]], NDArray[Any]], X: NDArray[Any], columns: NDArray[Any]
) -> ScoreMoments:
    """Return the moments of ``scores(X)`` over all rows and the classes in ``columns``.

    Parameters
    ----------
    scores : callable
        ``(n, d) -> (n, n_classes)``; called on blocks of rows.

    X : ndarray of shape (n_samples, n_features)
        Reference rows.

    columns : ndarray of shape (n_classes,) of bool
        Classes that take part: those both heads know.

    Returns
    -------
    moments : ScoreMoments
        Float64.
    """
    n_scores, total, squares = 0, 0.0, 0.0
    shift = None
    for rows in gen_row_blocks(len(X), len(columns)):
        block = scores(X[rows])[:, columns].astype(np.float64)
        if shift is None:
            shift = float(block.mean())  # near the mean, the sum of squares cancels little
        block -= shift
        n_scores += block.size
        total += block.sum()
        squares += np.square(block).sum()
    if not n_scores:
        return ScoreMoments(0.0, 0.0)
    mean = total / n_scores
    std = float(np.sqrt(max(squares / n_scores - mean**2, 0.0)))
    return ScoreMoments(mean + (shift or 0.0), std)


def calibration(kind: str, text: ScoreMoments, image: ScoreMoments) -> tuple[float, float]:
    r"""Return the affine map that puts the image head's scores on the text head's scale.

    .. math:: s' = r s + b, \qquad
              r = \sigma_T / \sigma_M \text{ (zscore) or } 1, \qquad b = m_T - r m_M

    Image-image cosines are larger than image-text cosines. Mixed class by class as they are,
    classes with a larger share of images would win by that alone.

    Parameters
    ----------
    kind : {"none", "center", "zscore"}
        ``"none"`` is the paper: :math:`r = 1, b = 0`.

    text, image : ScoreMoments
        Moments of the two heads over the same rows and classes.

    Returns
    -------
    scale, shift : float
        :math:`r` and :math:`b`.
    """
    if kind == "none":
        return 1.0, 0.0
    scale = 1.0
    if kind == "zscore" and image.std > 0 and text.std > 0:
        scale = text.std / image.std
    return scale, text.mean - scale * image.mean


def mix(text: NDArray[Any], image: NDArray[Any], share: NDArray[Any]) -> NDArray[Any]:
    r"""Return :math:`\alpha_c T_c + (1 - \alpha_c) M_c` for every class.

    Classes lie on axis 0 (weights) or are the whole of a 1-D array (intercepts). A class with
    :math:`\alpha_c = 1` is its text row to the last bit, whatever its image row holds.
    """
    share = share.reshape(-1, *(1,) * (text.ndim - 1))
    mixed: NDArray[Any] = np.where(share == 1, text, share * text + (1 - share) * image)
    return mixed
