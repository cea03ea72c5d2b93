r"""Mixing weights of the parts of a head, by left-out likelihood.

With the left-out scores :math:`z^k` of the parts :math:`k`, the weights :math:`b \ge 0` minimise

.. math:: \sum_i w_i \Big[\log \sum_c e^{z_{ic}} - z_{i y_i}\Big]
          + \tfrac12 \sum_k \frac{(b_k - p_k)^2}{\sigma_k^2}, \qquad
          z_{ic} = \sum_k b_k z^k_{ic}

a convex problem of a few unknowns. The weights also set the temperature of the softmax.
"""

from typing import NamedTuple

import numpy as np
import scipy.linalg
from numpy.typing import NDArray
from scipy.optimize import brentq, nnls
from scipy.special import log_softmax, ndtri

__all__ = [
    "LeftOut",
    "PartScores",
    "Prior",
    "fit_among_wrong_labels",
    "fit_mixing_weights",
    "mixing_weights",
    "random_label_rate",
]

Array = NDArray[np.float64]

MAX_STEPS = 50

# Number of quantiles that stand for the error of a predicted score.
N_QUANTILES = 5
# A part gets no weight if its scores spread less than LEAST_SPREAD times those of the first part,
# or less than ROUNDING.
LEAST_SPREAD, ROUNDING = 1e-3, 1e-6
# Prior deviation of a part whose scores spread as much as those of the first, and its maximum.
DEVIATION, LARGEST_DEVIATION = 0.7, 2.1
# Iterations of the fit with random labels, and the largest rate of random labels.
WRONG_LABEL_STEPS, MOST_WRONG = 10, 0.9


class Prior(NamedTuple):
    """Mean and standard deviation of the prior of a mixing weight."""

    mean: float
    deviation: float


class LeftOut(NamedTuple):
    """Scores of each part, of shape (n_parts, n_samples, n_classes), with labels and weights."""

    scores: Array
    codes: NDArray[np.integer]
    weight: Array


class PartScores(NamedTuple):
    """Left-out scores of a part.

    Attributes
    ----------
    left_out : ndarray of shape (n_samples, n_classes)
        Scores.

    hidden : ndarray of shape (n_samples, n_classes)
        Scores without any image of the image's class.

    own_deviation : ndarray of shape (n_samples,)
        Standard deviation of the score of the own class if it is predicted; zero if measured.

    prior : Prior or None
        None is a mean of zero, with a deviation that depends on the spread of the scores.
    """

    left_out: Array
    hidden: Array
    own_deviation: Array
    prior: Prior | None


def mixing_weights(
    parts: list[PartScores],
    codes: NDArray[np.integer],
    weight: Array,
    *,
    alone: NDArray[np.bool_],
    missing: float,
) -> Array:
    """Return the mixing weight of each part, from left-out scores.

    If some classes have no images, every image is used twice: with its left-out scores, and with
    its class hidden. The second copy is weighted by the fraction of classes without images. An
    image that is alone in its class has a predicted own score, and is used once for each quantile
    of the error of that prediction.

    Parameters
    ----------
    parts : list of PartScores
        The first sets the scale of the priors of the others: the text head, if there is one.

    codes : ndarray of shape (n_samples,)
        Classes.

    weight : ndarray of shape (n_samples,)
        Weights of the images.

    alone : ndarray of shape (n_samples,) of bool
        Images that are the only one of their class.

    missing : float
        Fraction of classes without images.

    Returns
    -------
    weights : ndarray of shape (n_parts,)
        Not negative, not all zero.
    """
    spreads = [float(np.sqrt(np.mean(part.left_out.var(axis=1)))) for part in parts]
    # if the first has no spread, as with equal text rows, the next takes its place
    least = max(LEAST_SPREAD * max(spreads), ROUNDING)
    first = next((i for i, s in enumerate(spreads) if s > least), 0)
    least = max(LEAST_SPREAD * spreads[first], ROUNDING)
    used = [i for i, s in enumerate(spreads) if i == first or (i > first and s > least)]
    default = parts[0].prior
    priors = []
    for i in used:
        spread = DEVIATION * spreads[first] / max(spreads[i], 1e-300)
        of_spread = Prior(0.0, min(spread, LARGEST_DEVIATION))
        priors.append(parts[i].prior or (i == first and default) or of_spread)
    used_parts = [parts[i] for i in used]
    copies = [[part.left_out[~alone] for part in used_parts]]
    labels, weights = [codes[~alone]], [weight[~alone] * (1 - missing)]
    if alone.any():
        own = np.eye(parts[0].left_out.shape[1])[codes[alone]]
        for quantile in ndtri((np.arange(N_QUANTILES) + 0.5) / N_QUANTILES):
            error = [quantile * part.own_deviation[alone, None] * own for part in used_parts]
            copies.append([p.left_out[alone] + e for p, e in zip(used_parts, error, strict=True)])
            labels.append(codes[alone])
            weights.append(weight[alone] * (1 - missing) / N_QUANTILES)
    if missing > 0:
        copies.append([part.hidden for part in used_parts])
        labels.append(codes)
        weights.append(weight * missing)
    scores = np.stack([np.concatenate(of_part) for of_part in zip(*copies, strict=True)])
    rows = LeftOut(scores, np.concatenate(labels), np.concatenate(weights))
    fitted = np.zeros(len(parts))
    fitted[used] = fit_among_wrong_labels(rows, priors)
    if not fitted.any():  # no part predicts the labels: keep the order of the first
        fitted[first] = 1e-3
    return fitted


def fit_among_wrong_labels(rows: LeftOut, priors: list[Prior]) -> Array:
    r"""Return the mixing weight of each part, if some labels may be random.

    Labels have the likelihood :math:`(1 - \epsilon)\,p_{i y_i} + \epsilon / C`. The fit starts
    with :math:`\epsilon = 0`. It then alternates between the :math:`\epsilon` of maximum
    likelihood and the mixing weights, with each label weighted by its probability of not being
    random. Without this, a few wrong labels would make all probabilities of the head too small.
    :math:`\epsilon` stays zero if the labels are as likely as predicted.

    Parameters
    ----------
    rows, priors
        As in :func:`fit_mixing_weights`.

    Returns
    -------
    weights : ndarray of shape (n_parts,)
        Not negative.
    """
    b, chance = fit_mixing_weights(rows, priors), 1 / rows.scores.shape[2]
    own = (np.arange(len(rows.codes)), rows.codes)
    for _ in range(WRONG_LABEL_STEPS):
        proba = np.exp(log_softmax(np.tensordot(b, rows.scores, 1), axis=1)[own])
        wrong = random_label_rate(proba, chance, rows.weight)
        if wrong == 0:
            break
        right = (1 - wrong) * proba
        weight = rows.weight * right / (right + wrong * chance)
        b = fit_mixing_weights(rows._replace(weight=weight), priors, start=b)
    return b


def random_label_rate(proba: Array, chance: float, weight: Array) -> float:
    r"""Return the maximum-likelihood rate of random labels.

    It maximises :math:`\sum_i w_i \log((1 - \epsilon)\,p_i + \epsilon / C)` over
    :math:`\epsilon`, a concave problem.

    Parameters
    ----------
    proba : ndarray of shape (n_samples,)
        Probability of each label.

    chance : float
        Probability of a random label, :math:`1 / C`.

    weight : ndarray of shape (n_samples,)
        Weights.

    Returns
    -------
    rate : float
        In [0, 0.9]. Zero if the labels are as likely as predicted.

    Examples
    --------
    >>> import numpy as np
    >>> from skclip.heads._parts._mixing_weights import random_label_rate
    >>> random_label_rate(np.array([1.0, 1.0, 1.0, 0.0]), 0.25, np.ones(4))  # doctest: +NUMBER
    0.333
    """

    def slope(rate: float) -> float:
        likelihood = np.maximum((1 - rate) * proba + rate * chance, 1e-300)
        return float(weight @ ((chance - proba) / likelihood))

    if slope(0.0) <= 0:
        return 0.0
    if slope(MOST_WRONG) >= 0:
        return MOST_WRONG
    return float(brentq(slope, 0.0, MOST_WRONG, xtol=1e-14))


def fit_mixing_weights(rows: LeftOut, priors: list[Prior], *, start: Array | None = None) -> Array:
    """Return the mixing weight of each part.

    Parameters
    ----------
    rows : LeftOut
        Left-out scores of all parts.

    priors : list of Prior
        One per part.

    start : ndarray of shape (n_parts,), default=None
        Initial weights. None is the means of the priors.

    Returns
    -------
    weights : ndarray of shape (n_parts,)
        Not negative.

    Examples
    --------
    The first part classifies one image correctly, the second both:

    >>> import numpy as np
    >>> from skclip.heads._parts._mixing_weights import LeftOut, Prior, fit_mixing_weights
    >>> scores = np.array([[[0.0, 1.0], [0.0, 1.0]], [[2.0, 0.0], [0.0, 2.0]]])
    >>> rows = LeftOut(scores, np.array([0, 1]), np.ones(2))
    >>> fit_mixing_weights(rows, [Prior(1.0, 1.0), Prior(0.0, 1.0)]).round(1)
    array([0.8, 0.8])
    """
    mean = np.array([prior.mean for prior in priors])
    precision = np.array([prior.deviation for prior in priors]) ** -2.0
    scores = rows.scores - rows.scores.mean(axis=2, keepdims=True)
    target = np.einsum("kn,n->k", scores[:, np.arange(len(rows.codes)), rows.codes], rows.weight)

    def loss(b: Array) -> tuple[float, Array]:
        mixed = np.tensordot(b, scores, 1)
        top = mixed.max(axis=1, keepdims=True)
        np.exp(mixed - top, out=mixed)
        total = mixed.sum(axis=1, keepdims=True)
        mixed /= total
        log_total = (top + np.log(total))[:, 0]
        prior = 0.5 * float(precision @ (b - mean) ** 2)
        return float(rows.weight @ log_total - b @ target) + prior, mixed

    b = mean.copy() if start is None else start
    value, proba = loss(b)
    for _ in range(MAX_STEPS):
        expected = np.einsum("nc,knc->kn", proba, scores)
        gradient = expected @ rows.weight - target + precision * (b - mean)
        hessian = np.diag(precision) - (expected * rows.weight) @ expected.T
        proba *= rows.weight[:, None]
        for k, of_part in enumerate(scores):
            weighted = proba * of_part
            for other in range(k, len(scores)):
                hessian[k, other] += np.vdot(weighted, scores[other])
                hessian[other, k] = hessian[k, other]
        # minimum of the quadratic model over b >= 0
        factor = scipy.linalg.cholesky(hessian, lower=True)
        aim = scipy.linalg.solve_triangular(factor, hessian @ b - gradient, lower=True)
        step = nnls(factor.T, aim)[0] - b
        promised = float(gradient @ step)
        if promised > -1e-10 * max(1.0, abs(value)):
            break
        length = 1.0
        while True:
            new_value, proba = loss(b + length * step)
            if new_value <= value + 1e-4 * length * promised or length < 1e-6:
                break
            length /= 2
        b, value = b + length * step, new_value
    return b
