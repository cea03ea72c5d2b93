r"""What class means say of every class, and what they would say of an image left out.

A part is a linear head made of images. With the centre :math:`\bar x` of the class means, a metric
:math:`P` (the identity for class means, the inverse covariance for the discriminant) and a class of
effective count :math:`1 / a_c`, a part without shrinkage scores

.. math:: z_c(x) = (x - \bar x)^\top P (m_c - \bar x) - \tfrac12 \ell_c, \qquad
          \ell_c = \lVert m_c - \bar x \rVert_P^2 - v\, a_c

where :math:`v` is the variance of an image about its class mean: :math:`\ell_c` is the squared
distance of the class from the centre, without the noise of its mean. Noise is then told from
signal twice (empirical Bayes):

- distances: :math:`\ell_c` is shrunk to the mean over classes by
  :math:`\tau^2 / (\tau^2 + \nu^2 a_c)`, the share of their variance that is not noise, and
  :math:`m_c - \bar x` is stretched to fit. One image that lies far out would otherwise lose, or
  win, for every query;
- directions: what a class adds to the mean of all classes is weighted by
  :math:`1 / (1 + \kappa a_c)`, and the rest is what its text predicts. A class without images is
  the limit: all of it is predicted.

Left-out scores are exact: they equal those of a part refitted without the image, at the same
centre, ridge and shares. Called by the mixing weights.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from skclip.heads._discriminant import ridge_axes
from skclip.heads._parts._distinct_images import Images
from skclip.heads._parts._filled_scores import fill_by_text, slope_on_text
from skclip.heads._parts._own_similarity import own_similarity

__all__ = ["ClassStats", "Part", "class_stats", "discriminant_part", "mean_part", "row_weights"]

Array = NDArray[np.float64]

# A distance from the centre is not shrunk below this share of what was measured.
LEAST_LENGTH = 0.05
# The spread of true class means is taken to be at least this share of the noise of one image.
LEAST_SIGNAL = 0.02


class ClassStats(NamedTuple):
    """Means, weights and scatter of distinct images, one entry per class."""

    means: Array
    weight: Array  # sum of weights
    inverse_count: Array  # 1 / effective count: sum of squared weights over squared sum
    n_images: NDArray[np.intp]
    centre: Array  # mean of the class means
    square: float  # sum of weighted squared distances from the class means
    dof: float  # what that sum has to be divided by

    @property
    def known(self) -> NDArray[np.bool_]:
        """Classes that have an image."""
        known: NDArray[np.bool_] = self.n_images > 0
        return known


class Part(NamedTuple):
    """A linear head over all classes, and its left-out scores of labelled images.

    Attributes
    ----------
    coef : ndarray of shape (n_classes, n_features)
        Weights, those of classes without images predicted from the text.

    intercept : ndarray of shape (n_classes,)
        Intercepts.

    left_out : ndarray of shape (n_samples, n_classes)
        Score of each image by the part without it.

    hidden : ndarray of shape (n_samples, n_classes)
        The same, its whole class predicted from the text.

    own_deviation : ndarray of shape (n_samples,)
        Standard deviation of the own score where it is itself predicted, since the image is the
        only one of its class; else zero.

    held : Held
        What stays as it is while images are left out.
    """

    coef: Array
    intercept: Array
    left_out: Array
    hidden: Array
    own_deviation: Array
    held: "Held"


@dataclass(frozen=True)
class _Metric:
    """Where classes are compared: coordinates, and how far images lie from their class mean."""

    scale: float
    axes: Array | None  # None are the coordinates of the embeddings
    shrink: Array  # weight of each coordinate
    fixed: bool  # whether leaving an image out does not change it
    square: float
    dof: float
    variance: float | None = None  # where there are no degrees of freedom to measure it

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


class Shares(NamedTuple):
    """What is signal: of the squared lengths, and of the directions."""

    level: float
    signal: float
    noise: float
    kappa: float
    largest: float

    def lengths(self, measured: _Measured) -> tuple[Array, Array]:
        """Return shrunk squared lengths, and the factor that stretches the means to fit."""
        noise = measured.variance * measured.inverse_count
        kept = np.zeros(measured.square.shape)
        if self.signal > 0:
            kept = self.signal / (self.signal + self.noise * measured.inverse_count)
        length = kept * (measured.square - noise) + (1 - kept) * self.level
        wanted = np.maximum(length + noise, LEAST_LENGTH * measured.square)
        return length, np.sqrt(wanted / np.maximum(measured.square, 1e-12))

    def directions(self, inverse_count: Array) -> Array:
        """Return the share of each direction that is its own, the largest of all being one."""
        share: Array = np.minimum(1 / (1 + self.kappa * inverse_count) / self.largest, 1)
        return share


class Held(NamedTuple):
    """What is measured once on all images, beside their centre and the ridge.

    Attributes
    ----------
    shares : Shares
        What is signal.

    slope : float
        Slope of the scores on those of the text.

    lone_variance : float
        Variance of an image about the mean of a class that has this one image.
    """

    shares: Shares
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
    means = np.zeros((n_classes, X.shape[1]))
    np.add.at(means, codes, (w / safe[codes])[:, None] * X)
    known = n_images > 0
    square = float(w @ np.square(X - means[codes]).sum(axis=1))
    dof = float((weight - squares / safe)[known].sum())
    centre = means[known].mean(axis=0)
    return ClassStats(means, weight, squares / safe**2, n_images, centre, square, dof)


def row_weights(images: Images, stats: ClassStats) -> Array:
    """Return weights by which every class counts the same; they sum to the number of images."""
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
        Of all of them.

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
        Scatter within classes, of these images and of any others that share the covariance.

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
    shares = _shares(whole, stats, noise)
    known = np.broadcast_to(stats.known, left.inner.shape)
    centred_text = (rows.X - stats.centre) @ text.T
    length, stretch = shares.lengths(left)
    inner = stretch * left.inner
    slope = slope_on_text(inner, known, centred_text, weight)
    own = (np.arange(len(rows.codes)), rows.codes)
    direction = shares.directions(left.inverse_count)

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
    coef, intercept = _linear(whole, shares, stats, text, metric, slope)
    held = Held(shares, slope, outside)
    return Part(coef, intercept, scores(known), scores(without_own), own_deviation, held)


def _measure(
    rows: Images, stats: ClassStats, metric: _Metric
) -> tuple[_Measured, _Measured, Array, NDArray[np.bool_], float]:
    """Measure classes from the centre: as they are, and without each image in turn.

    Returns
    -------
    whole : _Measured
        One entry per class, without inner products.

    left : _Measured
        One row per image.

    influence : ndarray of shape (n_rows,)
        Change of the squared length of its class that an image brings, per unit of weight.

    alone : ndarray of shape (n_rows,) of bool
        Images that are the only one of their class: own entries are predictions.

    outside : float
        Variance of an image about the mean of a class that has this one image.
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
    u = metric.shrink * r
    length = np.einsum("nd,nd->n", r, u)
    gain = np.zeros(len(X)) if metric.fixed else factor / (1 - factor * length)
    # with an image out, the metric changes by gain u u'
    solved = metric.shrink * means
    by_u, by_x = u @ means.T, np.einsum("nd,nd->n", points, u)
    whole_square = np.einsum("cd,cd->c", means, solved)
    inner = points @ solved.T
    square = np.broadcast_to(whole_square, inner.shape).copy()
    square[own] += step**2 * length - 2 * step * by_u[own]
    inner[own] -= step * by_x
    moved = by_u.copy()
    moved[own] -= step * length
    inner += (gain * by_x)[:, None] * moved
    square += gain[:, None] * moved**2
    # the variance of an image about its class mean
    dof = metric.dof - total * (1 - inverse) + np.where(alone, 0, rest - squares_left / rest)
    if metric.fixed:
        left_square = metric.square - factor * length
    else:
        left_square = metric.square - gain * np.einsum("nd,nd->n", u, u)
    if metric.dof > 1e-9:
        variance = metric.square / metric.dof
        of_rows = np.where(dof > 1e-9, left_square / np.maximum(dof, 1e-9), variance)
    else:
        variance = float(metric.variance or 0.0)
        of_rows = np.full(len(X), variance)
    # of an image that is not part of the metric: where a class has one, it is not
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


def _shares(whole: _Measured, stats: ClassStats, noise: float | None) -> Shares:
    """Tell signal from noise over the known classes; where no noise was measured, all is noise."""
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
    return Shares(level, signal, noise, kappa, float(np.max(1 / (1 + kappa * a))))


def _linear(
    whole: _Measured,
    shares: Shares,
    stats: ClassStats,
    text: Array,
    metric: _Metric,
    slope: float,
) -> tuple[Array, Array]:
    """Return the part as one linear head over all classes."""
    known = stats.known
    length, stretch = shares.lengths(whole)
    own = metric.weights(stretch[:, None] * metric.rows(stats.means - stats.centre))
    centre, level = own[known].mean(axis=0), float(length[known].mean())
    share = np.where(known, shares.directions(whole.inverse_count), 0)[:, None]
    coef = centre + share * (own - centre)
    coef += (1 - share) * slope * (text - text[known].mean(axis=0))
    intercept = -np.where(known, length, level) / 2 - coef @ stats.centre
    return coef, intercept
