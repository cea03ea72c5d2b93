"""Choosing the share of text from scores of rows that the image head has not seen.

Called by PrimedNCMClassifierCV (leave-one-out) and MixedHeadClassifierCV (folds).
"""

from collections.abc import Iterator, Sequence
from numbers import Real
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from scipy.special import logsumexp

from skclip.heads._mixing import SCHEDULES, mix

__all__ = ["DEFAULT", "ShareSearchMixin", "best_logit_scale", "candidates", "compare"]

Candidate = tuple[float | str, float | None]  # a share or schedule, and its constant
# text scores, unseen image scores (n, C), class codes and weights (n,)
BlockIterator = Iterator[tuple[NDArray[Any], NDArray[Any], NDArray[Any], NDArray[Any]]]

DEFAULT: Candidate = ("variance", SCHEDULES["variance"].sigma)
# the largest of about forty differences exceeds this by chance in one case out of twenty
N_STANDARD_ERRORS = 3

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
        if not (a in SCHEDULES if isinstance(a, str) else isinstance(a, Real) and 0 <= a <= 1)
    ]
    if wrong or not alphas:
        raise ValueError(
            f"alphas must hold numbers in [0, 1] and names among {sorted(SCHEDULES)}, got "
            f"{wrong[:3] or 'nothing'}."
        )
    if not sigmas or not all(isinstance(s, Real) and s > 0 for s in sigmas):
        raise ValueError(f"sigmas must hold positive numbers, got {sigmas[:3]}.")
    tried: list[Candidate] = []
    for alpha in alphas:
        if isinstance(alpha, str):
            tried += [(alpha, float(s) * SCHEDULES[alpha].sigma) for s in sigmas]
        else:
            tried.append((float(alpha), None))
    return tried


def compare(
    blocks: BlockIterator, shares: Sequence[NDArray[Any]], default: NDArray[Any]
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Return weighted accuracies, gains over the default, and standard errors of the gains.

    Parameters
    ----------
    blocks : iterator
        Text scores and unseen image scores ``(n, n_classes)``, class codes and weights ``(n,)``.

    shares : sequence of ndarray of shape (n_classes,)
        Shares of the text head to compare.

    default : ndarray of shape (n_classes,)
        The share to be beaten.
    """
    right, gain, square = np.zeros((3, len(shares)))
    total = squared_total = 0.0
    for text, image, codes, weight in blocks:
        by_default = mix(text.T, image.T, default).argmax(axis=0) == codes
        for i, share in enumerate(shares):
            by_this = mix(text.T, image.T, share).argmax(axis=0) == codes
            better = by_this.astype(np.float64) - by_default
            right[i] += weight @ by_this
            gain[i] += weight @ better
            square[i] += weight @ better**2
        total += weight.sum()
        squared_total += np.square(weight).sum()
    gain /= total
    variance = np.maximum(square / total - gain**2, 0)
    return right / total, gain, np.sqrt(variance * squared_total) / total


def best_logit_scale(blocks: BlockIterator, share: NDArray[Any], start: float) -> float:
    """Return the scale of the mixed scores with the least weighted log loss."""
    margins, weights = [], []
    for text, image, codes, weight in blocks:
        scores = mix(text.T, image.T, share).T
        margins.append(scores - scores[np.arange(len(codes)), codes][:, None])
        weights.append(weight)
    margin, weight = np.concatenate(margins), np.concatenate(weights)

    def loss(log_scale: float) -> float:
        # the own class has margin 0, so its log probability is minus the log of the sum
        return float(weight @ logsumexp(np.exp(log_scale) * margin, axis=1))

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
