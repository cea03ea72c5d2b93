r"""How much to believe each part of a head: weights by left-out likelihood.

With scores :math:`z^k` of parts :math:`k` that have not seen the image they score, the weights
:math:`b \ge 0` minimise

.. math:: \sum_i w_i \Big[\log \sum_c e^{z_{ic}} - z_{i y_i}\Big]
          + \tfrac12 \sum_k \frac{(b_k - p_k)^2}{\sigma_k^2}, \qquad
          z_{ic} = \sum_k b_k z^k_{ic}

a convex problem of a few unknowns. The weights are at once a temperature. Pure functions on
arrays; called by the primed, mixed and stacked heads.
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
    "share_of_chance",
]

Array = NDArray[np.float64]

MAX_STEPS = 50

# Quantiles at which a predicted score is taken.
N_QUANTILES = 5
# A part whose scores spread less than this share of the first part's, or than this, says nothing.
LEAST_SPREAD, ROUNDING = 1e-3, 1e-6
# How far labels may move a part whose scores spread as those of the first, and at most.
DEVIATION, LARGEST_DEVIATION = 0.7, 2.1
# How often labels are told from random ones, and how many may be random.
WRONG_LABEL_STEPS, MOST_WRONG = 10, 0.9


class Prior(NamedTuple):
    """Weight that a part has before any label is seen, and how far labels may move it."""

    mean: float
    deviation: float


class LeftOut(NamedTuple):
    """Scores of each part, of shape (n_parts, n_samples, n_classes), with labels and weights."""

    scores: Array
    codes: NDArray[np.integer]
    weight: Array


class PartScores(NamedTuple):
    """What a part says of labelled images that it has not seen.

    Attributes
    ----------
    left_out : ndarray of shape (n_samples, n_classes)
        Scores.

    hidden : ndarray of shape (n_samples, n_classes)
        Scores that know no image of the image's class.

    own_deviation : ndarray of shape (n_samples,)
        Standard deviation of an own score that is predicted; zero where it is measured.

    prior : Prior or None
        None is a weight of zero, with a deviation by the spread of the scores.
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
    """Return the weight of each part, from labelled images that none of them has seen.

    Every image takes part twice where classes have no image: as it is, and with its class hidden,
    by the share of such classes. The own score of an image that is alone in its class is a
    prediction: it takes part at the quantiles of its error.

    Parameters
    ----------
    parts : list of PartScores
        The first is the one that the others are compared with: the text head where there is one.

    codes : ndarray of shape (n_samples,)
        Classes.

    weight : ndarray of shape (n_samples,)
        Weights of the images.

    alone : ndarray of shape (n_samples,) of bool
        Images that are the only one of their class.

    missing : float
        Share of the classes that have no image.

    Returns
    -------
    weights : ndarray of shape (n_parts,)
        Not negative, not all zero.
    """
    spreads = [float(np.sqrt(np.mean(part.left_out.var(axis=1)))) for part in parts]
    # where the first says nothing, as equal text rows do, the next takes its place
    least = max(LEAST_SPREAD * max(spreads), ROUNDING)
    first = next((i for i, s in enumerate(spreads) if s > least), 0)
    least = max(LEAST_SPREAD * spreads[first], ROUNDING)
    heard = [i for i, s in enumerate(spreads) if i == first or (i > first and s > least)]
    default = parts[0].prior
    priors = []
    for i in heard:
        spread = DEVIATION * spreads[first] / max(spreads[i], 1e-300)
        of_spread = Prior(0.0, min(spread, LARGEST_DEVIATION))
        priors.append(parts[i].prior or (i == first and default) or of_spread)
    heard_parts = [parts[i] for i in heard]
    copies = [[part.left_out[~alone] for part in heard_parts]]
    labels, weights = [codes[~alone]], [weight[~alone] * (1 - missing)]
    if alone.any():
        own = np.eye(parts[0].left_out.shape[1])[codes[alone]]
        for quantile in ndtri((np.arange(N_QUANTILES) + 0.5) / N_QUANTILES):
            error = [quantile * part.own_deviation[alone, None] * own for part in heard_parts]
            copies.append([p.left_out[alone] + e for p, e in zip(heard_parts, error, strict=True)])
            labels.append(codes[alone])
            weights.append(weight[alone] * (1 - missing) / N_QUANTILES)
    if missing > 0:
        copies.append([part.hidden for part in heard_parts])
        labels.append(codes)
        weights.append(weight * missing)
    scores = np.stack([np.concatenate(of_part) for of_part in zip(*copies, strict=True)])
    rows = LeftOut(scores, np.concatenate(labels), np.concatenate(weights))
    fitted = np.zeros(len(parts))
    fitted[heard] = fit_among_wrong_labels(rows, priors)
    if not fitted.any():  # labels that no part predicts: the scores of the first still rank
        fitted[first] = 1e-3
    return fitted


def fit_among_wrong_labels(rows: LeftOut, priors: list[Prior]) -> Array:
    r"""Return the weight of each part, where some labels may be drawn at random.

    Labels have the likelihood :math:`(1 - \epsilon)\,p_{i y_i} + \epsilon / C`. After the fit
    without :math:`\epsilon` follow in turn the likeliest :math:`\epsilon`, and the weights with
    each label counted by its probability of not being random. A few wrong labels that every part
    denies would otherwise make all probabilities of the head too small. Where the labels are as
    likely as their probabilities say, :math:`\epsilon` is zero and nothing changes.

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
        wrong = share_of_chance(proba, chance, rows.weight)
        if wrong == 0:
            break
        right = (1 - wrong) * proba
        weight = rows.weight * right / (right + wrong * chance)
        b = fit_mixing_weights(rows._replace(weight=weight), priors, start=b)
    return b


def share_of_chance(proba: Array, chance: float, weight: Array) -> float:
    r"""Return the share of labels that are likeliest drawn at random.

    The maximum over :math:`\epsilon` of
    :math:`\sum_i w_i \log((1 - \epsilon)\,p_i + \epsilon / C)`, a concave problem.

    Parameters
    ----------
    proba : ndarray of shape (n_samples,)
        Probability of each label.

    chance : float
        Probability of each label when drawn at random, :math:`1 / C`.

    weight : ndarray of shape (n_samples,)
        Weights.

    Returns
    -------
    share : float
        Zero where the labels are as likely as their probabilities say.

    Examples
    --------
    >>> import numpy as np
    >>> from skclip.heads._parts._mixing_weights import share_of_chance
    >>> share_of_chance(np.array([1.0, 1.0, 1.0, 0.0]), 0.25, np.ones(4))  # doctest: +NUMBER
    0.333
    """

    def slope(share: float) -> float:
        likelihood = np.maximum((1 - share) * proba + share * chance, 1e-300)
        return float(weight @ ((chance - proba) / likelihood))

    if slope(0.0) <= 0:
        return 0.0
    if slope(MOST_WRONG) >= 0:
        return MOST_WRONG
    return float(brentq(slope, 0.0, MOST_WRONG, xtol=1e-14))


def fit_mixing_weights(rows: LeftOut, priors: list[Prior], *, start: Array | None = None) -> Array:
    """Return the weight of each part.

    Parameters
    ----------
    rows : LeftOut
        What every part says of images it has not seen.

    priors : list of Prior
        One per part.

    start : ndarray of shape (n_parts,), default=None
        Where to look first. None is the means of the priors.

    Returns
    -------
    weights : ndarray of shape (n_parts,)
        Not negative.

    Examples
    --------
    Two parts, of which the second is right about both images:

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
        # the quadratic model with its minimum over b >= 0
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
