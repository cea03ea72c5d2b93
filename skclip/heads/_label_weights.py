r"""Scores of several labels per image: text against its mean, regression, weights of both.

.. math:: z_c(x) = b_0\, s\, x \cdot (t_c - \bar t) + 10\, b_1\, r_c(x) + 10\, b_2\, q_c(x) + a_c

:math:`\bar t` is the mean of the text rows: what an image has in common with every text says
nothing about one class. :math:`r` and :math:`q` are ridge regressions of the labels of labelled and
of recalled images. Weights :math:`b \ge 0`, common to all classes, and intercepts :math:`a`
minimise

.. math:: \sum_i w_i \sum_c \log\big(1 + e^{-(2 y_{ic} - 1) z_c(x_i)}\big)
          + \tfrac12 \sum_j ((b_j - \beta_j) / 2)^2
          + \tfrac12 ((\bar a + \log(C - 1)) / 2)^2 + \tfrac12 \sum_c (a_c - \bar a)^2

with :math:`\beta = (1, \tfrac12, \tfrac12)`, and left-out values of the regression of the same
images. A class with few labels gets the intercept :math:`\bar a` of all. Copies of an image are one
image, with the sum of their weights :math:`w` and the mean of their labels: the sums are the same,
and all copies are left out together. Pure functions on arrays; called by
:class:`~skclip.heads.MultiLabelTextClassifier`.
"""

from typing import Any, NamedTuple

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import expit

from skclip.heads._parts import copies

__all__ = [
    "LabelledRows",
    "LinearScores",
    "contrasted",
    "distinct_rows",
    "fit_label_weights",
    "left_out_ridge",
    "usual_intercept",
]

Array = NDArray[np.float64]

RIDGES = np.logspace(-1, 3, 9)
# Unit of the values of a regression: 0.1 is a logit.
REGRESSION_UNIT = 10.0
# Cosine of rows that are equal but for rounding, and how many rows are compared with each other.
SAME, MAX_COMPARED = 1 - 1e-6, 4096
PRIOR_OF_TEXT, PRIOR_OF_IMAGES, PRIOR_SPREAD = 1.0, 0.5, 2.0


class LinearScores(NamedTuple):
    """Weights (n_classes, n_features) and intercepts (n_classes,) of one score per class."""

    coef: Array
    intercept: Array

    def of(self, X: NDArray[Any]) -> Array:
        """Return the scores of rows."""
        return np.asarray(X @ self.coef.T + self.intercept)


class LabelledRows(NamedTuple):
    """Distinct rows (n, d), their mean labels (n, C) and the sums of their weights (n,)."""

    X: Array
    Y: Array
    weight: Array


def distinct_rows(X: NDArray[Any], Y: NDArray[Any], weight: NDArray[Any]) -> LabelledRows:
    """Merge unit rows that are equal but for rounding; rows of weight zero are left out.

    Of more than 4096 rows, only equal ones are merged.

    Examples
    --------
    >>> import numpy as np
    >>> from skclip.heads._label_weights import distinct_rows
    >>> X = np.array([[1.0, 0.0], [0.0, 1.0], [1.0, 0.0]])
    >>> rows = distinct_rows(X, np.array([[1], [0], [0]]), np.array([3.0, 1.0, 1.0]))
    >>> rows.Y, rows.weight
    (array([[0.75],
           [0.  ]]), array([4., 1.]))
    """
    counted = weight > 0
    X, each = X[counted].astype(np.float64), weight[counted].astype(np.float64)
    n, at = copies(X, SAME, MAX_COMPARED)
    total = np.bincount(at, each, minlength=n).astype(np.float64)
    part = sp.csr_array((each / total[at], (at, np.arange(len(at)))), shape=(n, len(at)))
    # sums of fractions may exceed one by rounding
    return LabelledRows(part @ X, np.minimum(part @ Y[counted].astype(np.float64), 1), total)


def contrasted(text: NDArray[Any], scale: float) -> LinearScores:
    """Return the text rows less their mean, times the logit scale; without intercepts."""
    text = text.astype(np.float64)
    return LinearScores(scale * (text - text.mean(axis=0)), np.zeros(len(text)))


def usual_intercept(n_classes: int) -> float:
    """Return the intercept at which an image that is like no text has one label on average."""
    return -float(np.log(max(n_classes - 1, 1)))


def left_out_ridge(rows: LabelledRows) -> tuple[Array, LinearScores]:
    r"""Fit ridge regressions of all labels, and return what each says of the rows it leaves out.

    The ridge is the one of the least left-out squared error. With the singular values :math:`s`
    and left vectors :math:`U` of the centred rows, each times the root of its weight :math:`w`,
    :math:`y_i - r_{-i}(x_i) = (y_i - r(x_i)) / (1 - h_i)` and
    :math:`h_i = w_i / \sum_k w_k + \sum_j U_{ij}^2 s_j^2 / (s_j^2 + \lambda)`.

    Parameters
    ----------
    rows : LabelledRows
        At least two.

    Returns
    -------
    left_out : ndarray of shape (n_samples, n_classes)
        Values for every row, of the regressions without it; in :data:`REGRESSION_UNIT`.

    scores : LinearScores
        The regressions of all rows, in the same unit.

    Examples
    --------
    >>> import numpy as np
    >>> from skclip.heads._label_weights import LabelledRows, left_out_ridge
    >>> X = np.array([[1.0, 0.0], [0.9, 0.1], [0.0, 1.0], [0.1, 0.9]])
    >>> rows = LabelledRows(X, np.array([[1.0], [1.0], [0.0], [0.0]]), np.ones(4))
    >>> left_out, scores = left_out_ridge(rows)
    >>> (left_out[:2].min() > left_out[2:].max()).item()
    True
    """
    part = rows.weight / rows.weight.sum()
    root = np.sqrt(rows.weight)[:, None]
    center, means = part @ rows.X, part @ rows.Y
    U, s, V = np.linalg.svd(root * (rows.X - center), full_matrices=False)
    onto = U.T @ (root * (rows.Y - means))
    best, least = (np.zeros(rows.Y.shape), s), np.inf
    for ridge in RIDGES:
        shrunk = s**2 / (s**2 + ridge)
        seen_itself = np.minimum((U * U) @ shrunk + part, 1 - 1e-6)
        fitted = means + U @ (shrunk[:, None] * onto) / root
        error = (rows.Y - fitted) / (1 - seen_itself)[:, None]
        size = float(np.mean(part @ error**2))
        if size < least:
            best, least = (rows.Y - error, s / (s**2 + ridge)), size
    left_out, inverse = best
    coef = (V.T @ (inverse[:, None] * onto)).T
    scores = LinearScores(
        REGRESSION_UNIT * coef, REGRESSION_UNIT * np.asarray(means - coef @ center)
    )
    return REGRESSION_UNIT * left_out, scores


def fit_label_weights(
    features: list[Array], Y: NDArray[Any], weight: Array, prior: list[float], usual: float
) -> tuple[Array, Array]:
    """Fit one weight per feature and one intercept per class; see the formula of this module.

    Parameters
    ----------
    features : list of ndarrays of shape (n_samples, n_classes)
        Scores of text and regressions, left out where they know the labels.

    Y : ndarray of shape (n_samples, n_classes)
        Zeros and ones, or means of them.

    weight : ndarray of shape (n_samples,)
        Weights of the rows.

    prior : list of float
        Expected weight of every feature.

    usual : float
        Expected mean of the intercepts.

    Returns
    -------
    weights : ndarray of shape (n_features,)
        Not negative.

    intercepts : ndarray of shape (n_classes,)
    """
    n, expected = len(features), np.asarray(prior, dtype=np.float64)

    def objective(at: Array) -> tuple[float, Array]:
        weights, mean, apart = at[:n], at[n], at[n + 1 :]
        scores = mean + apart + np.zeros(Y.shape)
        for b, feature in zip(weights, features, strict=True):
            scores += b * feature
        slope = weight[:, None] * (expit(scores) - Y)
        off, mean_off = (weights - expected) / PRIOR_SPREAD, (mean - usual) / PRIOR_SPREAD
        loss = weight @ (np.logaddexp(0, scores) - Y * scores)
        value = loss.sum() + (off @ off + mean_off**2) / 2
        gradient = [(slope * feature).sum() for feature in features]
        return float(value + apart @ apart / 2), np.concatenate(
            [
                np.asarray(gradient) + off / PRIOR_SPREAD,
                [slope.sum() + mean_off / PRIOR_SPREAD],
                slope.sum(axis=0) + apart,
            ]
        )

    start = np.concatenate([expected, [usual], np.zeros(Y.shape[1])])
    bounds = [(0, None)] * n + [(None, None)] * (Y.shape[1] + 1)
    options = {"maxiter": 1000, "ftol": 1e-12, "gtol": 1e-6}
    found = minimize(objective, start, jac=True, method="L-BFGS-B", bounds=bounds, options=options)
    return found.x[:n], found.x[n] + found.x[n + 1 :]
