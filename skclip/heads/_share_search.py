"""Choosing the share of text from scores of rows that the image head has not seen.

Called by PrimedNCMClassifierCV (leave-one-out) and MixedHeadClassifierCV (folds).
"""

from collections.abc import Iterator, Sequence
from numbers import Real
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar

from skclip.heads._mixing import SCHEDULES, mix

__all__ = [
    "DEFAULT",
    "ShareSearchMixin",
    "best_logit_scale",
    "candidates",
    "compare",
    "right_between",
]

Candidate = tuple[float | str, float | None]  # a share or schedule, and its constant
# text scores, unseen image scores (n, C), class codes and weights (n,)
BlockIterator = Iterator[tuple[NDArray[Any], NDArray[Any], NDArray[Any], NDArray[Any]]]

DEFAULT: Candidate = ("variance", SCHEDULES["variance"].sigma)
# what a difference must exceed for one to believe in it
N_STANDARD_ERRORS = 2

DEFAULT_ALPHAS = ("variance", "exponential", *np.linspace(0, 1, 21).round(2).tolist())
DEFAULT_SIGMAS = tuple((2.0 ** np.arange(-6, 7)).tolist())


def candidates(
    alphas: Sequence[float | str] | None, sigmas: Sequence[float] | None
) -> list[Candidate]:
    """Return every number once and every schedule with every multiple of its own constant."""
    alphas = DEFAULT_ALPHAS if alphas is None else list(alphas)
    sigmas = DEFAULT_SIGMAS if sigmas is None else list(sigmas)
    wrong = [
        a
        for a in alphas
        if not (
            a in SCHEDULES if isinstance(a, str) else isinstance(a, Real) and 0 <= float(a) <= 1
        )
    ]
    if wrong or not alphas:
        raise ValueError(
            f"alphas must hold numbers in [0, 1] and names among {sorted(SCHEDULES)}, got "
            f"{wrong[:3] or 'nothing'}."
        )
    if not sigmas or not all(isinstance(s, Real) and float(s) > 0 for s in sigmas):
        raise ValueError(f"sigmas must hold positive numbers, got {sigmas[:3]}.")
    tried: list[Candidate] = []
    for alpha in alphas:
        if isinstance(alpha, str):
            tried += [(alpha, float(s) * SCHEDULES[alpha].sigma) for s in sigmas]
        else:
            tried.append((float(alpha), None))
    return tried


def right_between(
    text: NDArray[Any], image: NDArray[Any], codes: NDArray[Any]
) -> tuple[NDArray[Any], NDArray[Any]]:
    r"""Return the interval of shares for which each row is labelled right.

    Its own class wins against class c where
    :math:`\alpha (t_y - t_c) + (1 - \alpha)(m_y - m_c) > 0`: a bound on :math:`\alpha` from below
    or above. One pass over the scores so judges every number at once.

    Parameters
    ----------
    text, image : ndarray of shape (n_rows, n_classes)
        Scores of the two heads.

    codes : ndarray of shape (n_rows,)
        Index of the own class.

    Returns
    -------
    low, high : ndarray of shape (n_rows,)
        Right for ``low < share < high``; empty where ``low >= high``.

    Examples
    --------
    >>> import numpy as np
    >>> from skclip.heads._share_search import right_between
    >>> low, high = right_between(np.array([[0.2, 0.3]]), np.array([[0.9, 0.6]]), np.array([0]))
    >>> float(low[0]), float(high[0].round(2))  # right by images alone, wrong by text alone
    (-inf, 0.75)
    """
    own = np.arange(len(codes)), codes
    by_image = image[own][:, None] - image
    slope = (text[own][:, None] - text) - by_image
    with np.errstate(divide="ignore", invalid="ignore"):
        bound = -by_image / slope
    rising, falling = slope > 0, slope < 0
    rising[own] = falling[own] = False
    low = np.max(bound, axis=1, where=rising, initial=-np.inf)
    high = np.min(bound, axis=1, where=falling, initial=np.inf)
    level = ~(rising | falling) & (by_image <= 0)
    level[own] = False
    low[level.any(axis=1)] = np.inf
    return low, high


def compare(
    blocks: BlockIterator,
    tried: Sequence[Candidate],
    shares: Sequence[NDArray[Any]],
    default: NDArray[Any],
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Return weighted accuracies, gains over the default, and standard errors of the gains.

    Parameters
    ----------
    blocks : iterator
        Text scores and unseen image scores ``(n, n_classes)``, equal where a class has no images,
        class codes and weights ``(n,)``.

    tried : sequence of (alpha, sigma)
        What to compare: numbers are judged all at once, schedules one by one.

    shares : sequence of ndarray of shape (n_classes,)
        Their shares of the text head.

    default : ndarray of shape (n_classes,)
        The share to be beaten.
    """
    hits, gain, square = np.zeros((3, len(tried)))
    total = squared_total = 0.0
    for text, image, codes, weight in blocks:
        low, high = right_between(text, image, codes)
        by_default = mix(text.T, image.T, default).argmax(axis=0) == codes
        for i, ((alpha, _), share) in enumerate(zip(tried, shares, strict=True)):
            if isinstance(alpha, str):
                by_this = mix(text.T, image.T, share).argmax(axis=0) == codes
            else:
                by_this = (low < alpha) & (alpha < high)
            better = by_this.astype(np.float64) - by_default
            hits[i] += weight @ by_this
            gain[i] += weight @ better
            square[i] += weight @ better**2
        total += weight.sum()
        squared_total += np.square(weight).sum()
    gain /= total
    variance = np.maximum(square / total - gain**2, 0)
    return hits / total, gain, np.sqrt(variance * squared_total) / total


def best_logit_scale(blocks: BlockIterator, share: NDArray[Any], start: float) -> float:
    """Return the scale of the mixed scores with the least weighted log loss."""
    parts = []
    for text, image, codes, weight in blocks:
        scores = mix(text.T, image.T, share).T
        best = scores.max(axis=1)
        parts.append((scores - best[:, None], best - scores[np.arange(len(codes)), codes], weight))
    below, missing, weight = (np.concatenate(part) for part in zip(*parts, strict=True))

    def loss(log_scale: float) -> float:
        scale = np.exp(log_scale)
        return float(weight @ (scale * missing + np.log(np.exp(scale * below).sum(axis=1))))

    found = minimize_scalar(loss, bounds=(np.log(1e-2 * start), np.log(1e2 * start)))
    return float(np.exp(found.x))


class ShareSearchMixin:
    """The attributes of a head that has chosen its share of text."""

    best_alpha_: float | str
    best_sigma_: float | None
    best_score_: float

    def _share(self) -> Candidate:
        return self.best_alpha_, self.best_sigma_

    def _take_default(self, tried: list[Candidate]) -> None:
        """Take the default because no row can judge."""
        nothing = np.full(len(tried), np.nan)
        self._choose(tried, nothing, nothing, nothing)
        self.best_score_ = float("nan")

    def _choose(
        self,
        tried: list[Candidate],
        accuracy: NDArray[Any],
        gain: NDArray[Any],
        error: NDArray[Any],
    ) -> None:
        """Take the most accurate candidate if it is clearly better than the default."""
        best = int(np.argmax(accuracy)) if len(tried) else 0
        is_clear = bool(len(tried)) and gain[best] > N_STANDARD_ERRORS * error[best]
        self.best_alpha_, self.best_sigma_ = tried[best] if is_clear else DEFAULT
        if len(tried):
            self.best_score_ = float(accuracy[best] - (0 if is_clear else gain[best]))
        self.search_results_ = {
            "alpha": [alpha for alpha, _ in tried],
            "sigma": [sigma for _, sigma in tried],
            "accuracy": np.asarray(accuracy).tolist(),
        }
