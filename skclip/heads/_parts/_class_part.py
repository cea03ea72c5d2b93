r"""Class means and the discriminant as parts of a head, with exact left-out scores.

A part is a linear head fitted to images. With the centre :math:`\bar x` of the class means, a
metric :math:`P` (the identity for class means, the inverse covariance for the discriminant) and
the effective count :math:`1 / a_c` of a class, the scores without shrinkage are

.. math:: z_c(x) = (x - \bar x)^\top P (m_c - \bar x) - \tfrac12 \ell_c, \qquad
          \ell_c = \lVert m_c - \bar x \rVert_P^2 - v\, a_c

where :math:`v` is the variance of an image about its class mean. :math:`\ell_c` is the squared
distance of the class from the centre, without the noise of its mean. Two estimates are then shrunk
(empirical Bayes):

- distances: :math:`\ell_c` is shrunk to the mean over classes by the factor
  :math:`\tau^2 / (\tau^2 + \nu^2 a_c)`, the fraction of its variance that is signal, and
  :math:`m_c - \bar x` is rescaled to this length. Without it, a class with one outlying image
  would score too low, or too high, for every query;
- directions: the deviation of a class from the mean of all classes is weighted by
  :math:`1 / (1 + \kappa a_c)` over the largest of these weights, and its prediction from the text
  by the rest; :math:`\kappa` is the mean of :math:`v` over the mean of :math:`\ell_c`. A class
  without images is predicted from the text alone.

Left-out scores equal those of a part refitted without the image, with the same centre, ridge and
shrinkage.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from skclip.heads._class_sums import ClassSums, class_sums
from skclip.heads._discriminant import ridge_axes
from skclip.heads._parts._distinct_images import Images
from skclip.heads._parts._filled_scores import fill_by_text, slope_on_text
from skclip.heads._parts._own_similarity import own_similarity

__all__ = [
    "ClassStats",
    "Part",
    "class_stats",
    "discriminant_part",
    "mean_part",
    "row_weights",
    "stats_of_sums",
]

Array = NDArray[np.float64]

# A squared distance from the centre is not shrunk below this fraction of its measured value.
LEAST_LENGTH = 0.05
# Lower bound of the spread of true class means, as a fraction of the variance of one image.
LEAST_SIGNAL = 0.02


class ClassStats(NamedTuple):
    """Means, weights and scatter of distinct images, one entry per class."""

    means: Array
    weight: Array  # sum of weights
    inverse_count: Array  # 1 / effective count: sum of squared weights over squared sum
    n_images: NDArray[np.intp]
    centre: Array  # mean of the class means
    square: float  # sum of weighted squared distances from the class means
    dof: float  # degrees of freedom of that sum

    @property
    def known(self) -> NDArray[np.bool_]:
        """Classes that have an image."""
        known: NDArray[np.bool_] = self.n_images > 0
        return known


class Part(NamedTuple):
    """A linear head over all classes, with its left-out scores.

    Attributes
    ----------
    coef : ndarray of shape (n_classes, n_features)
        Weights; those of classes without images are predicted from the text.

    intercept : ndarray of shape (n_classes,)
        Intercepts.

    left_out : ndarray of shape (n_samples, n_classes)
        Score of each image by the part without it.

    hidden : ndarray of shape (n_samples, n_classes)
        The same, with the image's whole class predicted from the text.

    own_deviation : ndarray of shape (n_samples,)
        Standard deviation of the score of the own class if the image is the only one of its
        class, so that the score is a prediction; else zero.

    held : Held
        Estimates that are not refitted without the image.
    """

    coef: Array
    intercept: Array
    left_out: Array
    hidden: Array
    own_deviation: Array
    held: "Held"


@dataclass(frozen=True)
class _Metric:
    """A metric: coordinates, and the scatter of images about their class mean."""

    scale: float
    axes: Array | None  # None keeps the coordinates of the embeddings
    shrink: Array  # weight of each coordinate
    fixed: bool  # whether it stays the same without an image
    square: float
    dof: float
    variance: float | None = None  # used if there are no degrees of freedom

    def rows(self, X: Array) -> Array:
        return X if self.axes is None else X @ self.axes

    def weights(self, rows: Array) -> Array:
        solved = self.scale * self.shrink * rows
        return solved if self.axes is None else solved @ self.axes.T


class _Measured(NamedTuple):
    """Inner products with classes, their squared lengths, and the noise in them."""

    inner: Array  # (x - centre) P (mean - centre)
    square: Array  # squared length of mean - centre
    inverse_count: Array
    variance: Array


class Shrinkage(NamedTuple):
    """Shrinkage of squared lengths and of directions."""

    level: float
    signal: float
    noise: float
    kappa: float
    largest: float

    def lengths(self, measured: _Measured) -> tuple[Array, Array]:
        """Return shrunk squared lengths, and the factors that rescale the means to them."""
        noise = measured.variance * measured.inverse_count
        kept = np.zeros(measured.square.shape)
        if self.signal > 0:
            kept = self.signal / (self.signal + self.noise * measured.inverse_count)
        length = kept * (measured.square - noise) + (1 - kept) * self.level
        wanted = np.maximum(length + noise, LEAST_LENGTH * measured.square)
        return length, np.sqrt(wanted / np.maximum(measured.square, 1e-12))

    def directions(self, inverse_count: Array) -> Array:
        """Return the weight of the own direction of each class; the largest is one."""
        weight: Array = np.minimum(1 / (1 + self.kappa * inverse_count) / self.largest, 1)
        return weight


class Held(NamedTuple):
    """Estimates from all images, in addition to centre and ridge.

    Attributes
    ----------
    shrinkage : Shrinkage
        Shrinkage of lengths and directions.

    slope : float
        Slope of the scores on the scores of the text.

    lone_variance : float
        Variance of an image about the mean of a class with one image.
    """

    shrinkage: Shrinkage
    slope: float
    lone_variance: float


def class_stats(images: Images, n_classes: int) -> ClassStats:
    """Return the statistics of distinct images.

    Parameters
    ----------
    images : Images
        From :func:`~skclip.heads._parts._distinct_images.distinct_images`.

    n_classes : int
        Number of classes.

    Returns
    -------
    stats : ClassStats
        Classes without images have means of zero.
    """
    X, codes, w = images
    weight = np.bincount(codes, w, minlength=n_classes).astype(np.float64)
    squares = np.bincount(codes, w * w, minlength=n_classes).astype(np.float64)
    n_images = np.bincount(codes, minlength=n_classes)
    safe = np.where(n_images > 0, weight, 1)
    means = class_sums(X, codes, n_classes, w / safe[codes], unit=False)[0]
    known = n_images > 0
    square = float(w @ np.square(X - means[codes]).sum(axis=1))
    dof = float((weight - squares / safe)[known].sum())
    centre = means[known].mean(axis=0)
    return ClassStats(means, weight, squares / safe**2, n_images, centre, square, dof)


def stats_of_sums(sums: ClassSums) -> ClassStats:
    """Return the statistics of unit rows of weight one from their sums.

    Parameters
    ----------
    sums : ClassSums
        Sums of unit rows.

    Returns
    -------
    stats : ClassStats
        Those of :func:`class_stats`, if no image is a copy of another.
    """
    known, means = sums.known, sums.means
    inverse = known / np.where(known, sums.counts, 1)
    square = float(sums.counts.sum() - sums.counts @ np.square(means).sum(axis=1))
    n_images = sums.counts.round().astype(np.intp)
    dof = float((sums.counts - 1)[known].sum())
    return ClassStats(
        means, sums.counts, inverse, n_images, means[known].mean(axis=0), max(square, 0.0), dof
    )


def row_weights(images: Images, stats: ClassStats) -> Array:
    """Return weights of equal sum per class; together they sum to the number of images."""
    weight = images.weight / stats.weight[images.codes]
    balanced: Array = weight * (len(weight) / weight.sum())
    return balanced


def mean_part(
    images: Images, stats: ClassStats, text: Array, scale: float, sample: NDArray[np.intp]
) -> Part:
    """Return the part of class means, whose metric is the identity times the logit scale.

    Parameters
    ----------
    images : Images
        Distinct images.

    stats : ClassStats
        Statistics of the images.

    text : ndarray of shape (n_classes, n_features)
        Text rows times the logit scale; zeros without a text head.

    scale : float
        Logit scale.

    sample : ndarray of int
        Positions of the images to leave out.

    Returns
    -------
    part : Part
        Its left-out scores are those of the sample.
    """
    variance, deviation = None, 0.0
    if stats.dof <= 1e-9 or (stats.n_images == 1).any():
        known = stats.known
        similarity = own_similarity(stats.means[known], text[known] / scale)
        variance, deviation = 1 - similarity.mean, scale * similarity.deviation
    ones = np.ones(images.X.shape[1])
    metric = _Metric(scale, None, ones, True, stats.square, stats.dof, variance)
    return _part(images, stats, text, metric, sample, deviation)


def discriminant_part(
    images: Images,
    stats: ClassStats,
    text: Array,
    sample: NDArray[np.intp],
    *,
    scatter: Array,
    dof: float,
    ridge: float | Array,
) -> Part:
    """Return the part of the Gaussian discriminant, whose metric is the inverse covariance.

    Parameters
    ----------
    images, stats, text, sample
        As for :func:`mean_part`.

    scatter : ndarray of shape (n_features, n_features)
        Scatter within classes, of these images and of any others with the same covariance.

    dof : float
        Its degrees of freedom, positive.

    ridge : float or ndarray of shape (n_features,)
        Positive, added to the diagonal of the scatter.

    Returns
    -------
    part : Part
        Its left-out scores are those of the sample.
    """
    eigenvalues, axes = ridge_axes(scatter, ridge)
    shrink = 1 / (eigenvalues + 1)
    d = float(len(shrink))
    square = float(np.sum(eigenvalues * shrink))
    metric = _Metric(d, axes, shrink, False, square, dof)
    return _part(images, stats, text, metric, sample, None)


def _part(
    images: Images,
    stats: ClassStats,
    text: Array,
    metric: _Metric,
    sample: NDArray[np.intp],
    deviation: float | None,
) -> Part:
    rows = images.at(sample)
    whole, left, influence, alone, outside = _measure(rows, stats, metric)
    weight = row_weights(rows, stats)
    noise = None
    if stats.dof > 1e-9:
        total = stats.weight.sum() / rows.weight.sum()
        noise = total * float(rows.weight @ influence**2) / stats.dof
    shrinkage = _shrinkage(whole, stats, noise)
    known = np.broadcast_to(stats.known, left.inner.shape)
    centred_text = (rows.X - stats.centre) @ text.T
    length, stretch = shrinkage.lengths(left)
    inner = stretch * left.inner
    slope = slope_on_text(inner, known, centred_text, weight)
    own = (np.arange(len(rows.codes)), rows.codes)
    direction = shrinkage.directions(left.inverse_count)

    def scores(known: NDArray[np.bool_]) -> Array:
        filled = fill_by_text(inner, known, centred_text, slope, direction)
        filled -= fill_by_text(length, known, centred_text, 0.0) / 2
        return filled

    without_own = known.copy()
    without_own[own] = False
    if deviation is None:
        measured = left.inner[own][~alone]
        deviation = float(measured.std()) if len(measured) > 2 else 0.0
    own_deviation = np.where(alone, deviation * direction[own], 0)
    coef, intercept = _linear(whole, shrinkage, stats, text, metric, slope)
    held = Held(shrinkage, slope, outside)
    return Part(coef, intercept, scores(known), scores(without_own), own_deviation, held)


def _measure(
    rows: Images, stats: ClassStats, metric: _Metric
) -> tuple[_Measured, _Measured, Array, NDArray[np.bool_], float]:
    """Measure classes from the centre: with all images, and without each image in turn.

    Returns
    -------
    whole : _Measured
        One entry per class, without inner products.

    left : _Measured
        One row per image.

    influence : ndarray of shape (n_rows,)
        Change of the squared length of the class per unit of weight of the image.

    alone : ndarray of shape (n_rows,) of bool
        Images that are the only one of their class; entries of the own class are predictions.

    outside : float
        Variance of an image about the mean of a class with one image.
    """
    X, codes, w = rows
    own = (np.arange(len(codes)), codes)
    points = metric.rows(X - stats.centre)
    means = metric.rows(stats.means - stats.centre)
    alone = stats.n_images[codes] == 1
    total, inverse = stats.weight[codes], stats.inverse_count[codes]
    rest = np.where(alone, 1, total - w)
    step = np.where(alone, 0, w / rest)
    factor = step * total
    squares_left = np.where(alone, 0, inverse * total**2 - w * w)
    r = points - means[codes]
    u = r if metric.fixed else metric.shrink * r
    length = np.einsum("nd,nd->n", r, u)
    solved = metric.shrink * means
    by_u, by_x = u @ means.T, np.einsum("nd,nd->n", points, u)
    whole_square = np.einsum("cd,cd->c", means, solved)
    inner = points @ solved.T
    square = np.broadcast_to(whole_square, inner.shape).copy()
    square[own] += step**2 * length - 2 * step * by_u[own]
    inner[own] -= step * by_x
    # the variance of an image about its class mean
    dof = metric.dof - total * (1 - inverse) + np.where(alone, 0, rest - squares_left / rest)
    if metric.fixed:
        left_square = metric.square - factor * length
    else:
        # without an image, the metric changes by gain u u'
        gain = factor / (1 - factor * length)
        moved = by_u.copy()
        moved[own] -= step * length
        inner += (gain * by_x)[:, None] * moved
        square += gain[:, None] * moved**2
        left_square = metric.square - gain * np.einsum("nd,nd->n", u, u)
    if metric.dof > 1e-9:
        variance = metric.square / metric.dof
        of_rows = np.where(dof > 1e-9, left_square / np.maximum(dof, 1e-9), variance)
    else:
        variance = float(metric.variance or 0.0)
        of_rows = np.full(len(X), variance)
    # the variance for classes with one image, which does not contribute to the metric
    outside = variance
    if not metric.fixed and not alone.all():
        measured = factor * length / (1 - factor * length)
        outside = float(np.average(measured[~alone], weights=w[~alone]))
    single = stats.n_images == 1
    variances = np.where(single, outside, of_rows[:, None])
    inverses = np.broadcast_to(stats.inverse_count, inner.shape).copy()
    inverses[own] = np.where(alone, inverse, squares_left / rest**2)
    # a new image of the class: the squared length of its mean, without the noise of one image
    inner[own] = np.where(alone, whole_square[codes] - outside, inner[own])
    scale = metric.scale
    whole = _Measured(
        np.empty(0),
        scale * whole_square,
        stats.inverse_count,
        scale * np.where(single, outside, variance),
    )
    left = _Measured(scale * inner, scale * square, inverses, scale * variances)
    return whole, left, 2 * scale * by_u[own], alone, scale * outside


def _shrinkage(whole: _Measured, stats: ClassStats, noise: float | None) -> Shrinkage:
    """Estimate signal and noise over the known classes; without ``noise``, all is noise."""
    known = stats.known
    a, variance = whole.inverse_count[known], whole.variance[known]
    length = whole.square[known] - variance * a
    level, signal = float(length.mean()), 0.0
    if noise is None:
        noise = 1.0
    elif len(length) > 2:
        signal = max(0.0, float(length.var(ddof=1) - noise * a.mean()))
    one = float(variance.mean())
    kappa = one / max(level, LEAST_SIGNAL * one, 1e-300)
    return Shrinkage(level, signal, noise, kappa, float(np.max(1 / (1 + kappa * a))))


def _linear(
    whole: _Measured,
    shrinkage: Shrinkage,
    stats: ClassStats,
    text: Array,
    metric: _Metric,
    slope: float,
) -> tuple[Array, Array]:
    """Return the part as one linear head over all classes."""
    known = stats.known
    length, stretch = shrinkage.lengths(whole)
    own = metric.weights(stretch[:, None] * metric.rows(stats.means - stats.centre))
    centre, level = own[known].mean(axis=0), float(length[known].mean())
    own_weight = np.where(known, shrinkage.directions(whole.inverse_count), 0)[:, None]
    coef = centre + own_weight * (own - centre)
    coef += (1 - own_weight) * slope * (text - text[known].mean(axis=0))
    intercept = -np.where(known, length, level) / 2 - coef @ stats.centre
    return coef, intercept
