r"""Gaussian discriminant analysis (GDA) from class sums, and its exact left-out scores.

Classes are Gaussians with one covariance. With :math:`S` the scatter within classes,
:math:`A = S + \Lambda` and :math:`P = d A^{-1}`, the scores are linear in the row:

.. math:: \mathrm{score}_c(x) = P m_c \cdot x - \tfrac12 m_c^\top P m_c
          + \tfrac12 \frac{\mathrm{tr}(P S)}{\nu n_c}

with the degrees of freedom :math:`\nu` of :math:`S`. The last term removes what noise adds to the
squared length of a mean; without it, classes with few rows would score too low. The ridge
:math:`\Lambda` is :math:`\lambda I`, or diagonal with one number per feature.
Wang et al., "A Hard-to-Beat Baseline for Training-free CLIP-based Adaptation", arXiv 2402.04087.

All arrays are float64.
"""

from typing import NamedTuple

import numpy as np
import scipy.linalg
from numpy.typing import NDArray

from skclip._linalg import nonzero_rows
from skclip.heads._class_sums import ClassSums
from skclip.heads._discriminant._mean_prior import MeanPrior, posterior_means

__all__ = [
    "Discriminant",
    "feature_ridge",
    "fit_discriminant",
    "left_out_in_axes",
    "published_ridge",
    "ridge_axes",
    "whitener",
    "within_scatter",
]

Array = NDArray[np.float64]

# Scatter below this fraction of the squared lengths is rounding error of equal rows.
NO_SCATTER = 1e-6


class Discriminant(NamedTuple):
    """Weights and intercepts of the scores."""

    coef: Array
    intercept: Array


def within_scatter(sums: ClassSums) -> tuple[Array, float]:
    r"""Return the pooled scatter within classes and its degrees of freedom.

    .. math:: S = \sum_i w_i x_i x_i^\top - \sum_c n_c m_c m_c^\top, \qquad
              \nu = \sum_i w_i - |\{c: n_c > 0\}|

    Parameters
    ----------
    sums : ClassSums
        With a second moment. Weights are frequencies: 2 counts as the row twice.

    Returns
    -------
    scatter : ndarray of shape (n_features, n_features)
        Zero where every class has one row, or copies of one.

    dof : float
        Degrees of freedom, not negative.

    Examples
    --------
    >>> import numpy as np
    >>> from skclip.heads._class_sums import ClassSums
    >>> from skclip.heads._discriminant._formulas import within_scatter
    >>> X, codes = np.array([[0.6, 0.8], [0.6, -0.8], [1.0, 0.0]]), np.array([0, 0, 1])
    >>> sums = ClassSums.of_rows(X, codes, np.array(["a", "b"]), np.ones(3), with_second=True)
    >>> scatter, dof = within_scatter(sums)
    >>> scatter.round(2) + 0, dof
    (array([[0.  , 0.  ],
           [0.  , 1.28]]), 1.0)
    """
    if sums.second is None:
        raise ValueError("within_scatter needs sums with a second moment: with_second=True.")
    dof = float(max(sums.counts.sum() - sums.known.sum(), 0))
    scatter = sums.second - sums.means.T @ (sums.counts[:, None] * sums.means)
    scatter = (scatter + scatter.T) / 2
    if np.trace(scatter) <= NO_SCATTER * np.trace(sums.second):
        return np.zeros_like(scatter), dof
    return scatter, dof


def published_ridge(scatter: Array, n: float) -> float:
    r"""Return :math:`\mathrm{tr}(S) / (n - 1)`, the ridge of GDA as published.

    Parameters
    ----------
    scatter : ndarray of shape (n_features, n_features)
        From :func:`within_scatter`.

    n : float
        Sum of the weights of all rows.

    Returns
    -------
    ridge : float
        Positive. Without scatter it is 1, and the discriminant is that of class means.
    """
    return float(np.trace(scatter)) / max(n - 1, 1) or 1.0


def feature_ridge(scatter: Array, n: float) -> Array:
    r"""Return a ridge for every feature, proportional to its scatter.

    .. math:: \lambda_j = \frac{2 d}{n - 1} \max(S_{jj}, \bar S / 2)

    with :math:`\bar S = \mathrm{tr}(S) / d`. A few features of CLIP have ten times the scatter of
    the others, also within classes. A single ridge is too small for them.

    Parameters
    ----------
    scatter : ndarray of shape (n_features, n_features)
        From :func:`within_scatter`.

    n : float
        Sum of the weights of all rows.

    Returns
    -------
    ridge : ndarray of shape (n_features,)
        Positive; ones without scatter.
    """
    spread, d = np.diag(scatter), len(scatter)
    if not spread.any():
        return np.ones(d)
    ridge: Array = 2 * d / max(n - 1, 1) * np.maximum(spread, spread.mean() / 2)
    return ridge


def fit_discriminant(
    means: Array,
    counts: Array,
    scatter: Array,
    dof: float,
    *,
    ridge: float | Array,
    log_prior: Array | None = None,
) -> Discriminant:
    """Return the discriminant of classes with one covariance.

    Parameters
    ----------
    means : ndarray of shape (n_classes, n_features)
        Class means, not normalised.

    counts : ndarray of shape (n_classes,)
        Sum of the weights of each class. The score of a class with count 0 is finite but
        meaningless.

    scatter : ndarray of shape (n_features, n_features)
        From :func:`within_scatter`.

    dof : float
        Its degrees of freedom; less than one counts as one.

    ridge : float or ndarray of shape (n_features,)
        Positive, added to the diagonal of ``scatter``.

    log_prior : ndarray of shape (n_classes,), default=None
        Added to the intercepts, in the units of the scores.

    Returns
    -------
    discriminant : Discriminant
        ``coef`` of shape (n_classes, n_features) and ``intercept`` of shape (n_classes,).
    """
    d = len(scatter)
    factor = scipy.linalg.cho_factor(_ridged(scatter, ridge))
    inverse = scipy.linalg.cho_solve(factor, np.eye(d))
    coef = d * (means @ inverse)
    noise = d * (d - np.sum(ridge * np.diag(inverse))) / max(dof, 1)
    intercept = (noise / _positive(counts) - np.einsum("cd,cd->c", means, coef)) / 2
    if log_prior is not None:
        intercept = intercept + log_prior
    return Discriminant(coef, intercept)


def whitener(scatter: Array, ridge: float | Array) -> Array:
    r"""Return the symmetric root :math:`P^{1/2}` of :math:`P = d (S + \Lambda)^{-1}`.

    Rows multiplied by it have the same scatter in all directions, apart from the ridge.

    Parameters
    ----------
    scatter : ndarray of shape (n_features, n_features)
        From :func:`within_scatter`.

    ridge : float or ndarray of shape (n_features,)
        Positive.

    Returns
    -------
    root : ndarray of shape (n_features, n_features)
        Symmetric.
    """
    eigenvalues, axes = scipy.linalg.eigh(_ridged(scatter, ridge))
    root: Array = axes * np.sqrt(len(scatter) / eigenvalues) @ axes.T
    return root


def ridge_axes(scatter: Array, ridge: float | Array) -> tuple[Array, Array]:
    """Return eigenvalues and axes in which scatter and ridge are both diagonal.

    Parameters
    ----------
    scatter : ndarray of shape (n_features, n_features)
        From :func:`within_scatter`.

    ridge : float or ndarray of shape (n_features,)
        Positive.

    Returns
    -------
    eigenvalues : ndarray of shape (n_features,)
        Scatter of the rows along the axes, not negative.

    axes : ndarray of shape (n_features, n_features)
        Axes as columns; the ridge along each is one.
    """
    root = np.broadcast_to(np.sqrt(ridge), len(scatter))
    eigenvalues, axes = scipy.linalg.eigh(scatter / np.outer(root, root))
    return np.maximum(eigenvalues, 0), axes / root[:, None]


def left_out_in_axes(
    X: Array,
    codes: NDArray[np.integer],
    weight: Array,
    means: Array,
    counts: Array,
    eigenvalues: Array,
    dof: float,
    factor: float = 1.0,
    prior: MeanPrior | None = None,
) -> Array:
    r"""Score every row by the discriminant fitted without it, in closed form.

    With :math:`r = x - m_c`, :math:`u = A^{-1} r`, :math:`f = w n_c / (n_c - w)` and
    :math:`g = f / (1 - f r^\top u)`, the fit without the row has

    .. math:: A_-^{-1} = A^{-1} + g u u^\top, \qquad m_c^- = m_c - \frac{w}{n_c - w} r, \qquad
              \mathrm{tr}(A_-^{-1} S_-) = d - \mathrm{tr} A^{-1} \Lambda - g u^\top \Lambda u

    with the same ridge. A row is left out with its whole weight.

    Parameters
    ----------
    X : ndarray of shape (n_samples, n_features)
        Unit rows of the fit, multiplied by the axes of :func:`ridge_axes`. Zero rows are not part
        of the fit, and are scored as zero rows.

    codes : ndarray of shape (n_samples,)
        Class of each row.

    weight : ndarray of shape (n_samples,)
        Weight of each row.

    means, counts, dof
        As in :func:`fit_discriminant`, of all rows, without the prior; means are multiplied by the
        axes.

    eigenvalues : ndarray of shape (n_features,)
        From :func:`ridge_axes`.

    factor : float, default=1.0
        Factor of the ridge.

    prior : MeanPrior, default=None
        Prior of the means, multiplied by the axes, which stays the same without the row.

    Returns
    -------
    scores : ndarray of shape (n_samples, n_classes)
        Without a prior, NaN for the own class of a row that is alone in it.
    """
    d, own = len(eigenvalues), (np.arange(len(X)), codes)
    shrink = 1 / (eigenvalues + factor)
    weight = weight * nonzero_rows(X)
    rest = counts[codes] - weight
    alone = (weight > 0) & (rest <= 1e-9 * np.maximum(counts[codes], 1))
    rest[alone] = 0
    # the scatter without the row
    r = np.where(alone[:, None], 0, X - means[codes])
    u = r * shrink
    f = weight * counts[codes] / _positive(rest)
    g = f / (1 - f * np.einsum("nd,nd->n", r, u))
    # products of the means with the row and with u; the own mean moves along q
    centres, evidence = posterior_means(means, counts, prior)
    prior_count = 0.0 if prior is None else prior.n_rows
    moved = np.where(alone & (prior_count == 0), 0, weight / _positive(prior_count + rest))
    q = X - centres[codes]
    v = q * shrink
    solved = centres * shrink
    lengths = np.tile(np.einsum("cd,cd->c", centres, solved), (len(X), 1))
    by_x, by_u = X @ solved.T, u @ centres.T
    lengths[own] += moved**2 * np.einsum("nd,nd->n", q, v)
    lengths[own] -= 2 * moved * np.einsum("nd,nd->n", centres[codes], v)
    by_x[own] -= moved * np.einsum("nd,nd->n", v, X)
    by_u[own] -= moved * np.einsum("nd,nd->n", q, u)
    # tr(P S) / (dof n_c) without the row
    trace = d - factor * (shrink.sum() + g * np.einsum("nd,nd->n", u, u))
    trace /= np.maximum(dof - weight + alone, 1)
    noise = trace[:, None] / _positive(evidence)
    noise[own] = trace * rest / _positive(prior_count + rest) ** 2
    scores: Array = by_x - (lengths - noise) / 2
    scores += g[:, None] * by_u * (np.einsum("nd,nd->n", u, X)[:, None] - by_u / 2)
    scores *= d
    if prior_count == 0:
        scores[own] = np.where(alone, np.nan, scores[own])
    return scores


def _ridged(scatter: Array, ridge: float | Array) -> Array:
    ridged = scatter.copy()
    ridged[np.diag_indices(len(scatter))] += ridge
    return ridged


def _positive(counts: Array) -> Array:
    """Return counts with zeros replaced by one, for division."""
    positive: Array = np.where(counts > 0, counts, 1.0)
    return positive
