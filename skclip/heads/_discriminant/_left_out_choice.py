"""Scale and ridge of the Gaussian discriminant, by exact leave-one-out likelihood."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq

from skclip._linalg import nonzero_rows, softmax
from skclip.heads._discriminant._formulas import left_out_in_axes, ridge_axes
from skclip.heads._discriminant._mean_prior import MeanPrior

__all__ = [
    "LeftOutChoice",
    "choose_ridge",
    "distinct_rows_of_classes",
    "fit_scale",
    "spread_out_part",
]

Array = NDArray[np.float64]

# Factors of the ridge to choose from.
RIDGE_FACTORS = np.geomspace(0.1, 100, 13)

# Limit of the entries of left-out rows and their scores, and the least number of rows.
MAX_ENTRIES = 2_000_000
MIN_ROWS = 1000


class LeftOutChoice(NamedTuple):
    """Chosen factor of the ridge, scale of its scores, and left-out losses of all factors."""

    factor: float
    scale: float
    losses: Array


def distinct_rows_of_classes(
    X: NDArray[Any], codes: NDArray[np.integer], weight: Array
) -> tuple[NDArray[np.intp], Array]:
    """Merge equal rows within each class.

    Otherwise the left-out score of a row would depend on its own copies.

    Parameters
    ----------
    X : ndarray of shape (n_samples, n_features)
        Rows.

    codes : ndarray of shape (n_samples,)
        Class of each row.

    weight : ndarray of shape (n_samples,)
        Weight of each row.

    Returns
    -------
    rows : ndarray of int
        Positions, without rows of weight zero and rows of zeros, sorted by class and by features.
        The rows do not depend on the order of ``X``.

    weight : ndarray of shape (n_rows,)
        Weight of each row with its copies.
    """
    evident = np.flatnonzero((weight > 0) & nonzero_rows(X))
    # copies are adjacent in this order, unless other rows equal them in three features
    keys = (X[evident, -1], X[evident, X.shape[1] // 2], X[evident, 0], codes[evident])
    by_keys = np.lexsort(keys)
    order = evident[by_keys]
    first = np.ones(len(order), dtype=bool)
    alike = np.all([key[by_keys[1:]] == key[by_keys[:-1]] for key in keys], axis=0)
    later = np.flatnonzero(alike) + 1
    first[later] = (X[order[later]] != X[order[later - 1]]).any(axis=1)
    starts = np.flatnonzero(first)
    total = np.add.reduceat(weight[order].astype(np.float64), starts) if len(order) else weight[:0]
    return order[starts], total


def spread_out_part(n_rows: int, n_classes: int, n_features: int) -> slice:
    """Return a slice with a constant step, which limits the number of rows ordered by class."""
    n_most = max(MIN_ROWS, MAX_ENTRIES // (n_classes + n_features))
    return slice(None, None, max(1, -(-n_rows // n_most)))


def fit_scale(
    scores: Array, codes: NDArray[np.integer], weight: Array, log_prior: Array
) -> tuple[float, float]:
    r"""Return the scale of scores with the largest likelihood of the labels, and its mean loss.

    The loss of row :math:`i` is that of :math:`\mathrm{softmax}(s z_i + \log \pi)`, convex in
    :math:`s`. One row with an unknown label is added, so that scores without mistakes do not give
    an infinite scale (Platt, 1999).

    Parameters
    ----------
    scores : ndarray of shape (n_samples, n_classes)
        Left-out scores :math:`z`.

    codes : ndarray of shape (n_samples,)
        Class of each row.

    weight : ndarray of shape (n_samples,)
        Weight of each row in the mean.

    log_prior : ndarray of shape (n_classes,)
        :math:`\log \pi`.

    Returns
    -------
    scale : float
        Positive. The smallest scale tried if the scores are unrelated to the labels.

    loss : float
        Mean negative log-likelihood at that scale.
    """
    weight = weight / weight.sum()
    at = (np.arange(len(codes)), codes)
    z = scores - scores.mean(axis=1, keepdims=True)
    target = weight @ z[at] * len(z) / (len(z) + 1)
    spread = float(np.sqrt(weight @ np.mean(z * z, axis=1))) or 1.0

    def slope(log_scale: float) -> float:
        proba = softmax(np.exp(log_scale) * z + log_prior)
        return float(weight @ np.einsum("nc,nc->n", proba, z) - target)

    low, high = np.log(0.01 / spread), np.log(1000 / spread)
    if slope(low) >= 0:
        scale = np.exp(low)
    else:
        scale = np.exp(brentq(slope, low, high, xtol=1e-12) if slope(high) > 0 else high)
    proba = softmax(scale * z + log_prior)[at]
    return float(scale), float(-(weight @ np.log(np.maximum(proba, 1e-300))))


def choose_ridge(
    X: Array,
    codes: NDArray[np.integer],
    weight: Array,
    means: Array,
    counts: Array,
    scatter: Array,
    dof: float,
    *,
    base: float | Array,
    class_weight: Array,
    factors: Array = RIDGE_FACTORS,
    prior: MeanPrior | None = None,
) -> LeftOutChoice | None:
    r"""Choose a multiple of a ridge by exact leave-one-out likelihood.

    Every ridge is compared at its best scale. One eigendecomposition serves all ridges.

    Parameters
    ----------
    X : ndarray of shape (n_samples, n_features)
        Distinct rows of the fit, see :func:`distinct_rows_of_classes`.

    codes : ndarray of shape (n_samples,)
        Class of each row.

    weight : ndarray of shape (n_samples,)
        Weight of each row, which is left out with its whole weight.

    means, counts, scatter, dof
        As in :func:`skclip.heads._discriminant._formulas.fit_discriminant`, of all rows.

    base : float or ndarray of shape (n_features,)
        The ridge to multiply.

    class_weight : ndarray of shape (n_classes,)
        Prior probability of each class, which is the total weight of its rows.

    factors : ndarray, default=RIDGE_FACTORS
        Multiples to try; with one, only its scale is fitted.

    prior : MeanPrior, default=None
        Prior of the means.

    Returns
    -------
    choice : LeftOutChoice or None
        None if every class has one row: no row can be left out.
    """
    usable = counts[codes] - weight > 1e-9 * np.maximum(counts[codes], 1)
    if not usable.any():
        return None
    X, codes, weight = X[usable], codes[usable], weight[usable]
    row_weight = class_weight[codes] * weight / np.bincount(codes, weight, len(means))[codes]
    log_prior = np.log(np.maximum(class_weight, 1e-300))
    if prior is None:
        log_prior = np.where(counts > 0, log_prior, -np.inf)
    eigenvalues, axes = ridge_axes(scatter, base)
    X, means = X @ axes, means @ axes
    if prior is not None:
        prior = prior._replace(means=prior.means @ axes)
    fits = []
    for factor in factors:
        scores = left_out_in_axes(X, codes, weight, means, counts, eigenvalues, dof, factor, prior)
        fits.append(fit_scale(scores, codes, row_weight, log_prior))
    scales, losses = np.array(fits).T
    best = int(np.argmin(losses))
    return LeftOutChoice(float(factors[best]), float(scales[best]), losses)
