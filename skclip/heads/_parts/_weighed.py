"""Combine text, labelled and recalled images into one head, with fitted mixing weights.

Called by the primed, mixed and stacked heads.
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from skclip._linalg import nonzero_rows
from skclip._text_head import TextHead
from skclip._warn import warn_caller
from skclip.exceptions import BelowZeroShotWarning
from skclip.heads._class_sums import ClassSums
from skclip.heads._discriminant import feature_ridge, within_scatter
from skclip.heads._parts._class_part import (
    ClassStats,
    Part,
    class_stats,
    discriminant_part,
    mean_part,
    row_weights,
    stats_of_sums,
)
from skclip.heads._parts._distinct_images import Images, distinct_images, spread_sample
from skclip.heads._parts._mixing_weights import PartScores, Prior, mixing_weights
from skclip.heads._parts._outside_head import (
    FittedHead,
    OutsideHead,
    filled_rows,
    linear_rows,
    out_of_fold,
)
from skclip.heads._parts._pool_images import warn_of_disagreement

__all__ = ["DISCRIMINANT", "MEANS", "RECALLED", "TEXT", "Weighed", "weigh"]

Array = NDArray[np.float64]

# Parts whose left-out scores have a closed form.
MEANS, DISCRIMINANT = "class means", "discriminant"
# Names of the parts that are not image heads.
TEXT, RECALLED = "text", "recalled"

# Limits of the number of labelled images that weights are fitted on: images, images times classes,
# and the number that many classes do not reduce further.
MAX_IMAGES, MAX_SCORES, MIN_IMAGES = 4000, 4_000_000, 500
# Weight of a recalled image in the covariance, and the most recalled images per class in it.
POOL_SCATTER, MAX_POOL_SCATTER = 0.3, 50

# Least degrees of freedom of the labelled images for a discriminant.
MIN_DOF = 2

# Least labelled images per class for a warning about the text head.
ENOUGH_PER_CLASS = 5

TEXT_PRIOR = Prior(1.0, 2.0)
# Recalled images may be of another domain, and the text head has filtered them.
POOL_PRIOR = Prior(0.1, 0.3)


class Weighed(NamedTuple):
    """A head with mixing weights.

    Attributes
    ----------
    coef : ndarray of shape (n_classes, n_features)
        Weights of the linear parts together, in logits.

    intercept : ndarray of shape (n_classes,)
        Their intercepts.

    weights : dict of str to float
        Mixing weight of each part.

    outside : list of (float, OutsideHead)
        Mixing weights and heads of the parts that are not linear.
    """

    coef: Array
    intercept: Array
    weights: dict[str, float]
    outside: list[tuple[float, OutsideHead]]


def weigh(
    text_head: TextHead | None,
    classes: NDArray[Any],
    *,
    scale: float,
    shots: Images | None,
    pool: Images | None,
    parts: dict[str, str | FittedHead],
    sums: ClassSums | None = None,
) -> Weighed:
    """Combine text, labelled images and recalled images, with fitted mixing weights.

    Parameters
    ----------
    text_head : TextHead or None
        Aligned with the classes.

    classes : ndarray of shape (n_classes,)
        Labels.

    scale : float
        Logit scale.

    shots : Images or None
        Labelled images, unit rows. Without any, the mixing weights are those of the priors.

    pool : Images or None
        Recalled images, unit rows.

    parts : dict of str to str or FittedHead
        Parts made of labelled images: ``MEANS``, ``DISCRIMINANT`` or a classifier.

    sums : ClassSums, default=None
        Sums over all labelled images with their second moment, if ``shots`` is a sample of them.
        Every image then has weight one, copies are not merged, and there are no classifiers in
        ``parts``.

    Returns
    -------
    weighed : Weighed
        The mean of its rows of weights over classes is that of the text part, so that the mean
        score of an image is that of the text.
    """
    n_classes = len(classes)
    size = min(MAX_IMAGES, max(MIN_IMAGES, MAX_SCORES // n_classes))
    if shots is not None and sums is None:
        shots = distinct_images(shots)
    elif shots is not None:
        shots = shots.at(spread_sample(shots, size))
        shots = shots._replace(X=shots.X.astype(np.float64))
    shots = shots if shots is not None and len(shots.codes) else None
    recalled = None if pool is None else _recalled(pool, text_head, n_classes, scale)
    width = next(
        rows.shape[1]
        for rows in (
            None if text_head is None else text_head.weights,
            None if shots is None else shots.X,
            None if pool is None else pool.X,
        )
        if rows is not None
    )
    text = np.zeros((n_classes, width))
    if text_head is not None:
        text = scale * text_head.weights.astype(np.float64)
    linear: dict[str, tuple[Array, Array]] = {TEXT: (text, np.zeros(n_classes))}
    outside: dict[str, OutsideHead] = {}
    scores: dict[str, PartScores] = {}
    if shots is not None:
        stats = class_stats(shots, n_classes) if sums is None else stats_of_sums(sums)
        sample = spread_sample(shots, size)
        rows = shots.at(sample)
        of_text, zeros = rows.X @ text.T, np.zeros(len(sample))
        scores[TEXT] = PartScores(of_text, of_text, zeros, TEXT_PRIOR)
        for name, kind in parts.items():
            if isinstance(kind, FittedHead):
                folds = out_of_fold(kind.given, shots, shots.X @ text.T, classes)
                scores[name] = PartScores(folds.left_out[sample], folds.hidden[sample], zeros, None)
                own = linear_rows(kind, rows.X)
                if own is None:
                    outside[name] = OutsideHead(kind, folds.slope)
                else:
                    linear[name] = filled_rows(*own, kind.codes, text, folds.slope)
                continue
            # next to text and class means, a covariance needs more degrees of freedom
            others = text_head is not None and len(parts) > 1
            part = _closed_part(
                kind,
                shots,
                stats,
                text,
                scale,
                sample,
                recalled,
                sums,
                least_dof=float(stats.known.sum()) if others else 1.0,
            )
            if part is not None:
                linear[name] = part.coef, part.intercept
                scores[name] = PartScores(part.left_out, part.hidden, part.own_deviation, None)
    if recalled is not None:
        linear[RECALLED] = recalled.part.coef, recalled.part.intercept
    if shots is None:
        weights = {TEXT: TEXT_PRIOR.mean, RECALLED: POOL_PRIOR.mean}
        weights = {name: weight for name, weight in weights.items() if name in linear}
    else:
        if recalled is not None:
            of_pool = rows.X @ recalled.part.coef.T + recalled.part.intercept
            scores[RECALLED] = PartScores(of_pool, of_pool, zeros, POOL_PRIOR)
        weights = _weights(scores, rows, stats, has_text=text_head is not None)
    return _mixture(weights, linear, outside)


class _Recalled(NamedTuple):
    images: Images
    stats: ClassStats
    part: Part


def _recalled(
    pool: Images, text_head: TextHead | None, n_classes: int, scale: float
) -> _Recalled | None:
    """Return the part of recalled images."""
    evident = (pool.weight > 0) & nonzero_rows(pool.X)
    if not evident.any():
        return None
    images = pool.at(evident)
    images = images._replace(X=images.X.astype(np.float64))
    stats = class_stats(images, n_classes)
    text = np.zeros((n_classes, pool.X.shape[1]))
    if text_head is not None:
        text = scale * text_head.weights.astype(np.float64)
    part = mean_part(images, stats, text, scale, spread_sample(images, MAX_IMAGES))
    return _Recalled(images, stats, part)


def _closed_part(
    kind: str,
    shots: Images,
    stats: ClassStats,
    text: Array,
    scale: float,
    sample: NDArray[np.intp],
    recalled: _Recalled | None,
    sums: ClassSums | None,
    *,
    least_dof: float,
) -> Part | None:
    """Return the part of class means or of the discriminant; None without a covariance."""
    if kind == MEANS:
        return mean_part(shots, stats, text, scale, sample)
    # not from recalled images alone: left-out scores need labelled ones
    if stats.dof < MIN_DOF:
        return None
    dof, n = stats.dof, float(stats.weight.sum())
    scatter = _scatter(shots, stats) if sums is None else within_scatter(sums)[0]
    if recalled is not None:
        few = _few_per_class(recalled.images)
        of_pool = class_stats(few, len(stats.means))
        scatter = scatter + POOL_SCATTER * _scatter(few, of_pool)
        dof, n = dof + POOL_SCATTER * of_pool.dof, n + POOL_SCATTER * of_pool.dof
    if dof <= least_dof:
        return None
    ridge = feature_ridge(scatter, n)
    return discriminant_part(shots, stats, text, sample, scatter=scatter, dof=dof, ridge=ridge)


def _scatter(images: Images, stats: ClassStats) -> Array:
    residuals = images.X - stats.means[images.codes]
    scatter: Array = (residuals * images.weight[:, None]).T @ residuals
    return scatter


def _few_per_class(images: Images) -> Images:
    """Return at most ``MAX_POOL_SCATTER`` images per class, independent of their order."""
    order = np.lexsort((images.X[:, -1], images.X[:, 0], images.codes))
    codes = images.codes[order]
    position = np.arange(len(codes)) - np.searchsorted(codes, codes)
    few = order[position < MAX_POOL_SCATTER]
    return images.at(few)


def _weights(
    scores: dict[str, PartScores], rows: Images, stats: ClassStats, *, has_text: bool
) -> dict[str, float]:
    """Return the mixing weight of each part; warn if the labels contradict text or head."""
    if not has_text:
        # the first image part takes the place of the text
        del scores[TEXT]
        if not scores:
            return {}
        first = next(iter(scores))
        scores[first] = scores[first]._replace(prior=TEXT_PRIOR)
    weight = row_weights(rows, stats)
    alone = stats.n_images[rows.codes] == 1
    missing = 1 - float(stats.known.mean())
    fitted = mixing_weights(list(scores.values()), rows.codes, weight, alone=alone, missing=missing)
    weights = dict(zip(scores, fitted.tolist(), strict=True))
    if has_text and len(rows.codes) >= ENOUGH_PER_CLASS * len(stats.means):
        # no standard errors of tolerance, since a text head may be weak
        warn_of_disagreement(scores[TEXT].left_out, rows.codes, "labelled images", n_errors=0)
    if has_text and not alone.all():
        mixed = sum(weights[name] * part.left_out for name, part in scores.items())
        _warn_below_zero_shot(
            scores[TEXT].left_out[~alone], mixed[~alone], rows.codes[~alone], weight[~alone]
        )
    return weights


def _warn_below_zero_shot(
    text: Array, mixed: Array, codes: NDArray[np.integer], weight: Array
) -> None:
    """Warn if the text alone is better on left-out images, by two standard errors."""
    right = [(scores.argmax(axis=1) == codes).astype(float) for scores in (text, mixed)]
    lost = right[0] - right[1]
    mean = float(np.average(lost, weights=weight))
    error = float(np.sqrt(np.sum((weight * (lost - mean)) ** 2))) / float(weight.sum())
    if mean > 0 and mean > 2 * error:
        accuracies = [float(np.average(one, weights=weight)) for one in right]
        warn_caller(
            f"The left-out accuracy on the labelled images is {accuracies[1]:.1%}, and "
            f"{accuracies[0]:.1%} for zero-shot alone: the labels may be wrong, or belong to other "
            "images.",
            BelowZeroShotWarning,
        )


def _mixture(
    weights: dict[str, float],
    linear: dict[str, tuple[Array, Array]],
    outside: dict[str, OutsideHead],
) -> Weighed:
    """Add up the linear parts, and keep the others with their weights."""
    text, zeros = linear[TEXT]
    coef, intercept = np.zeros_like(text), zeros.copy()
    for name, weight in weights.items():
        if name in linear:
            coef += weight * linear[name][0]
            intercept += weight * linear[name][1]
    # the mean score of an image is that of the text
    coef += weights.get(TEXT, 0.0) * text.mean(axis=0) - coef.mean(axis=0)
    intercept -= intercept.mean()
    rest = [(weights[name], head) for name, head in outside.items() if name in weights]
    return Weighed(coef, intercept, weights, rest)
