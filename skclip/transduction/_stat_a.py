r"""One Gaussian per class, moved from the text to unlabelled images (StatA, 2501.03729).

With text rows :math:`t_c`, the text posterior :math:`\hat y` and one diagonal variance
:math:`\sigma_0` about the text rows, these steps are repeated:

.. math::
    \beta_c &= n_c / (n_c + 1), \\
    \mu_c &= \mathrm{norm}\big(\beta_c\,\mathrm{norm}(\textstyle\sum_i z_{ic} x_i)
             + (1 - \beta_c)\, t_c\big), \\
    \sigma_c &= \beta_c \textstyle\sum_i z_{ic} (x_i - \mu_c)^2 / \sum_i z_{ic}
                + (1 - \beta_c)(\sigma_0 + (t_c - \mu_c)^2), \\
    z_{ic} &\propto \hat y_{ic} \exp\big\{w \log N(x_i; \mu_c, \sigma_c) / 50
             + \tfrac{w}{2k} (W z + W^\top z)_{ic}\big\}

:math:`n_c` is the number of images whose likeliest class is c, :math:`W` the graph of the k nearest
neighbours. A class that nobody belongs to keeps its text.

The published form has :math:`w = 1`, and is worse than the text where images per class are few, or
the text tells them badly. Here :func:`batch_weight` gives less weight to such batches. Pure
functions on arrays; called by :class:`~skclip.transduction.StatAClassifier`.
"""

import math
from typing import Any, NamedTuple

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from scipy.special import entr

from skclip._array_api import cast
from skclip._compat import get_namespace_and_device
from skclip._linalg import gen_row_blocks, softmax, unit_rows

__all__ = [
    "ClassGaussians",
    "adapt_gaussians",
    "batch_weight",
    "log_density",
    "part_told_apart",
    "text_gaussians",
]

Array = NDArray[np.float64]

N_OUTER, N_INNER = 10, 5
# A likelihood over hundreds of features would drown the text: it counts by this share.
LIKELIHOOD_SHARE = 1 / 50
# Images per class, told apart by the text, at which the batch has half of its full weight.
HALF_WEIGHT = 8
# Least variance of a feature, in mean variances.
LEAST_VARIANCE = 1e-6


class ClassGaussians(NamedTuple):
    """Mean and variance of every feature in every class: two arrays (n_classes, n_features)."""

    mean: NDArray[Any]
    variance: NDArray[Any]


class Adapted(NamedTuple):
    """The Gaussians, the class probabilities z of the rows they came from, and the weight w."""

    gaussians: ClassGaussians
    posterior: NDArray[Any]
    weight: float


def log_density(X: NDArray[Any], gaussians: ClassGaussians) -> NDArray[Any]:
    """Return the log density of every row in every class, but for a constant: ``(n, C)``."""
    xp, _, _ = get_namespace_and_device(X)
    precision = 1 / gaussians.variance
    slope = gaussians.mean * precision
    offset = xp.sum(gaussians.mean * slope - xp.log(precision), axis=1) / 2
    density: NDArray[Any] = X @ cast(slope, X.dtype).T
    density -= (X * X) @ cast(precision / 2, X.dtype).T
    density -= cast(offset, X.dtype)
    return density


def batch_weight(posterior: NDArray[Any]) -> float:
    r"""Return the weight of what a batch teaches, from 0 to 1.

    .. math::
        w = \frac{m}{m + 8}, \qquad
        m = \frac{n}{e^{H(\bar y)}} \Big(1 - \frac{\overline{H(\hat y_i)}}{H(\bar y)}\Big)

    The exponential of the entropy :math:`H` of the mean posterior :math:`\bar y` is the number of
    classes in the batch, as the text sees it; the last factor is how well the text tells them
    apart. One image, and copies of one image, have weight 0.

    Parameters
    ----------
    posterior : ndarray of shape (n_samples, n_classes)
        Probability of every class; ones and zeros for a labelled row.

    Returns
    -------
    weight : float
        At least 0, below 1.

    Examples
    --------
    >>> import numpy as np
    >>> from skclip.transduction._stat_a import batch_weight
    >>> round(batch_weight(np.tile(np.eye(2), (8, 1))), 3)  # 8 images of each of two classes
    0.5
    >>> round(batch_weight(np.full((100, 2), 0.5)), 3)  # the text cannot tell
    0.0
    """
    per_class = len(posterior) / math.exp(_entropy_of_mean(posterior))
    told_apart = per_class * part_told_apart(posterior)
    return told_apart / (told_apart + HALF_WEIGHT)


def part_told_apart(posterior: NDArray[Any]) -> float:
    r"""Return :math:`1 - \overline{H(\hat y_i)} / H(\bar y)`: how well posteriors tell rows apart.

    0 where all rows have one posterior, 1 where rows are certain and differ.
    """
    of_mean = _entropy_of_mean(posterior)
    of_rows = float(entr(posterior.astype(np.float64)).sum()) / len(posterior)
    return 0.0 if of_rows >= of_mean else 1 - of_rows / of_mean


def _entropy_of_mean(posterior: NDArray[Any]) -> float:
    return float(entr(posterior.mean(axis=0, dtype=np.float64)).sum())


def text_gaussians(X: NDArray[Any], text: NDArray[Any], posterior: NDArray[Any]) -> ClassGaussians:
    """Return the Gaussians that nobody has moved: about the text rows, with one variance.

    Parameters
    ----------
    X : ndarray of shape (n_samples, n_features)
        Unit rows.

    text : ndarray of shape (n_classes, n_features)
        Unit rows.

    posterior : ndarray of shape (n_samples, n_classes)
        Probability of every class.

    Returns
    -------
    gaussians : ClassGaussians
        Float64.
    """
    text = text.astype(np.float64)
    mass, first, second = _moments(X, posterior)
    variance = (second - 2 * text * first + text**2 * mass[:, None]).sum(axis=0) / mass.sum()
    least = LEAST_VARIANCE * max(float(variance.mean()), LEAST_VARIANCE)
    return ClassGaussians(text, np.tile(np.maximum(variance, least), (len(text), 1)))


def adapt_gaussians(
    X: NDArray[Any],
    text: NDArray[Any],
    posterior: NDArray[Any],
    graph: sp.csr_array,
    labelled: NDArray[np.bool_],
) -> Adapted:
    """Move the Gaussians of the text to the rows; see the formulas of this module.

    Parameters
    ----------
    X : ndarray of shape (n_samples, n_features)
        Unit rows, none zero.

    text : ndarray of shape (n_classes, n_features)
        Unit rows.

    posterior : ndarray of shape (n_samples, n_classes)
        Text posterior of every unlabelled row; ones and zeros for a labelled one.

    graph : csr_array of shape (n_samples, n_samples)
        Similarities of every row to its neighbours.

    labelled : ndarray of shape (n_samples,) of bool
        Rows whose probabilities stay as they are.

    Returns
    -------
    adapted : Adapted
        Gaussians in float64.
    """
    free = ~labelled
    with np.errstate(divide="ignore"):
        log_text = np.log(posterior[free])
    anchor = text_gaussians(X, text, posterior)
    n_neighbors = max(1, int(np.diff(graph.indptr).max(initial=0)))
    weight = batch_weight(posterior)
    votes = weight / (2 * n_neighbors) * (graph + graph.T).tocsr()[free].astype(X.dtype)
    z, gaussians = posterior.copy(), anchor
    for step in range(N_OUTER + 1):
        if step:
            gaussians = _moved(X, z, anchor)
        own = log_text.copy()
        for rows in gen_row_blocks(len(own), max(X.shape)):
            block = X[free][rows] if labelled.any() else X[rows]
            own[rows] += weight * LIKELIHOOD_SHARE * log_density(block, gaussians)
        for _ in range(N_INNER):
            z[free] = softmax(own + votes @ z)
    return Adapted(gaussians, z, weight)


def _moved(X: NDArray[Any], z: NDArray[Any], anchor: ClassGaussians) -> ClassGaussians:
    """Return Gaussians between the text and the rows, the nearer to them the more they are."""
    counts = np.bincount(z.argmax(axis=1), minlength=z.shape[1])
    beta = (counts / (counts + 1))[:, None]
    mass, first, second = _moments(X, z)
    mean = unit_rows(beta * unit_rows(first) + (1 - beta) * anchor.mean)
    mass = np.maximum(mass, np.finfo(np.float64).tiny)[:, None]
    within = (second - 2 * mean * first) / mass + mean**2
    variance = beta * np.maximum(within, 0)
    variance += (1 - beta) * (anchor.variance + (anchor.mean - mean) ** 2)
    least = LEAST_VARIANCE * float(anchor.variance.mean())
    return ClassGaussians(mean, np.maximum(variance, least))


def _moments(X: NDArray[Any], z: NDArray[Any]) -> tuple[Array, Array, Array]:
    r"""Return :math:`\sum z`, :math:`\sum z x` and :math:`\sum z x^2` of every class."""
    shape = z.shape[1], X.shape[1]
    mass, first, second = np.zeros(shape[0]), np.zeros(shape), np.zeros(shape)
    for rows in gen_row_blocks(len(X), max(shape)):
        block, weight = X[rows], z[rows]
        mass += weight.sum(axis=0, dtype=np.float64)
        first += weight.T @ block
        second += weight.T @ (block * block)
    return mass, first, second
