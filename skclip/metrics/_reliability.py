"""How often predictions of a given confidence are right."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from skclip._validation import sample_of

__all__ = ["ReliabilityCurve", "reliability_curve"]


class ReliabilityCurve(NamedTuple):
    """Accuracy by confidence.

    Attributes
    ----------
    confidence : ndarray of shape (n_used_bins,)
        Mean confidence of each bin that has predictions.

    accuracy : ndarray of shape (n_used_bins,)
        Fraction of them that is right.

    n_predictions : ndarray of shape (n_used_bins,)
        How many there are.

    Examples
    --------
    >>> from skclip.metrics import reliability_curve
    >>> curve = reliability_curve([True, True, False, False], [0.8, 0.8, 0.8, 0.8])
    >>> curve.accuracy, curve.n_predictions
    (array([0.5]), array([4]))
    """

    confidence: NDArray[np.float64]
    accuracy: NDArray[np.float64]
    n_predictions: NDArray[np.int64]

    @property
    def calibration_error(self) -> float:
        r"""Expected calibration error :math:`\sum_b \frac{n_b}{n} |a_b - p_b|`; NaN of nothing."""
        gaps = np.abs(self.accuracy - self.confidence)
        n = int(self.n_predictions.sum())
        return float((self.n_predictions * gaps).sum() / n) if n else float("nan")


def reliability_curve(
    right: ArrayLike, confidence: ArrayLike, *, n_bins: int = 10
) -> ReliabilityCurve:
    r"""Return the accuracy of predictions by their confidence, in bins of equal width.

    .. math:: a_b = \frac{1}{n_b} \sum_{i \in b} [\hat y_i = y_i], \qquad
              p_b = \frac{1}{n_b} \sum_{i \in b} \max_c p_c(x_i)

    Parameters
    ----------
    right : array-like of shape (n_samples,) of bool
        Whether each prediction is right.

    confidence : array-like of shape (n_samples,)
        Probability of each predicted class, in [0, 1].

    n_bins : int, default=10
        Bins :math:`b` of equal width over [0, 1]; those without predictions are left out.

    Returns
    -------
    curve : ReliabilityCurve
        With ``calibration_error``.

    References
    ----------
    .. [1] Guo et al., "On Calibration of Modern Neural Networks",
       `arXiv 1706.04599 <https://arxiv.org/abs/1706.04599>`_.

    Examples
    --------
    >>> from skclip.metrics import reliability_curve
    >>> curve = reliability_curve([True, False, True, True], [0.6, 0.6, 0.9, 0.9], n_bins=5)
    >>> curve.accuracy, curve.confidence
    (array([0.5, 1. ]), array([0.6, 0.9]))
    >>> round(curve.calibration_error, 3)
    0.1
    """
    hits = np.asarray(right, dtype=bool)
    sure: NDArray[np.float64] = np.asarray(confidence, dtype=np.float64)
    if hits.shape != sure.shape or sure.ndim != 1:
        raise ValueError(
            f"right and confidence must be one value per prediction, got shapes {hits.shape} and "
            f"{sure.shape}."
        )
    wrong = sure[~((sure >= 0) & (sure <= 1 + 1e-6))]
    if wrong.size:
        raise ValueError(f"confidence must lie between 0 and 1, got {sample_of(wrong)}.")
    if n_bins < 1:
        raise ValueError(f"n_bins must be at least 1, got {n_bins}.")
    # the upper edge belongs to a bin, so that 1 is in the last one
    bins = np.clip(np.ceil(sure * n_bins).astype(int) - 1, 0, n_bins - 1)
    count = np.bincount(bins, minlength=n_bins)
    used = count > 0
    sums: list[Any] = [np.bincount(bins, weights=w, minlength=n_bins)[used] for w in (sure, hits)]
    return ReliabilityCurve(sums[0] / count[used], sums[1] / count[used], count[used])
