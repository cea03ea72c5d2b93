"""How much to believe the text and an image part beside it, by the likelihood of left-out images.

Pure functions on arrays; called by the adapters once per setting of their other parameters.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import log_softmax

from skclip.heads._discriminant import fit_scale
from skclip.heads._parts import DEVIATION, LeftOut, Prior, fit_mixing_weights

__all__ = ["Weights", "label_loss", "left_out_folds", "part_deviation", "weigh_left_out"]

Array = NDArray[np.float64]

# As in the stacked head.
TEXT_PRIOR = Prior(1.0, 2.0)
# Images that are left out: so many that images times classes stay below this, and at least 300.
MAX_SCORES, MIN_ROWS = 30_000, 300
LEAST_RANGE = 1e-12


class Weights(NamedTuple):
    """Factors of the text's logits and of the part's scores, and the left-out loss at them."""

    text: float
    part: float
    loss: float


def left_out_folds(
    codes: NDArray[np.integer], mass: Array, n_classes: int
) -> list[NDArray[np.intp]]:
    """Return which images are left out together: one of every class that has others.

    If one class alone lost an image, it would be at a disadvantage.

    Parameters
    ----------
    codes : ndarray of shape (n_samples,)
        Class of each image, sorted.

    mass : ndarray of shape (n_samples,)
        Weight of each image.

    n_classes : int
        Number of classes.

    Returns
    -------
    folds : list of ndarray of int
        Positions; empty where every class has one image.
    """
    total = np.bincount(codes, mass, n_classes)[codes]
    has_others = total - mass > 1e-9 * total
    rank = np.arange(len(codes)) - np.searchsorted(codes, codes)
    folds: list[NDArray[np.intp]] = []
    n_rows, most = 0, max(MIN_ROWS, MAX_SCORES // n_classes)
    for k in range(int(rank.max()) + 1):
        fold = np.flatnonzero(has_others & (rank == k))
        if len(fold) and (not folds or n_rows + len(fold) <= most):
            folds.append(fold)
            n_rows += len(fold)
    return folds


def label_loss(logits: Array, codes: NDArray[np.integer], weight: Array) -> float:
    """Return the weighted mean negative log-likelihood of labels."""
    own = log_softmax(logits, axis=1)[np.arange(len(codes)), codes]
    return float(-(weight @ own) / weight.sum())


def part_deviation(text: Array, part: Array) -> float:
    """Return how far labels may move the weight of a part: 0.7 of where it spreads as the text."""
    of_text, of_part = (float(np.sqrt(np.mean(z.var(axis=1)))) for z in (text, part))
    return DEVIATION * (of_text or 1.0) / max(of_part, 1e-300)


def weigh_left_out(
    text: Array | None,
    part: Array,
    codes: NDArray[np.integer],
    weight: Array,
    *,
    start: Weights | None = None,
) -> Weights:
    r"""Return the weights at which the labels of left-out images are likeliest.

    .. math:: \min_{b \ge 0} \sum_i w_i \big[\log \sum_c e^{z_{ic}} - z_{i y_i}\big]
              + \tfrac12 \sum_k \frac{(b_k - p_k)^2}{\sigma_k^2}, \qquad
              z = b_0 z^{\mathrm{text}} + b_1 z^{\mathrm{part}}

    Parameters
    ----------
    text : ndarray of shape (n_samples, n_classes) or None
        Logits of the text head; without them, the likelihood alone determines the scale of the
        part.

    part : ndarray of shape (n_samples, n_classes)
        Scores of the image part, each row by the part without that image.

    codes : ndarray of shape (n_samples,)
        Labels.

    weight : ndarray of shape (n_samples,)
        Weight of each image; their sum is the number of images, relative to the priors.

    start : Weights, default=None
        Weights of a neighbouring setting, to begin with.

    Returns
    -------
    weights : Weights
        Not negative.
    """
    if text is None:
        n_classes = part.shape[1]
        scale, loss = fit_scale(part, codes, weight, np.full(n_classes, -np.log(n_classes)))
        return Weights(0.0, scale, loss)
    if np.ptp(part) < LEAST_RANGE:  # the part says nothing
        return Weights(1.0, 0.0, label_loss(text, codes, weight))
    rows = LeftOut(np.stack([text, part]), codes, weight)
    priors = [TEXT_PRIOR, Prior(0.0, part_deviation(text, part))]
    first = None if start is None else np.array([start.text, start.part])
    b = fit_mixing_weights(rows, priors, start=first)
    return Weights(float(b[0]), float(b[1]), label_loss(b[0] * text + b[1] * part, codes, weight))
