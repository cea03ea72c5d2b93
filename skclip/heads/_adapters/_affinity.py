r"""Tip-Adapter's formulas: affinities of images to labelled images, summed by class.

.. math:: a_c(x) = \sum_{i: y_i = c} w_i \exp\big(-\beta (1 - x \cdot f_i)\big)

with one key :math:`f_i` per labelled image. Pure functions on arrays; called by
TipAdapterClassifier.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import log_softmax

__all__ = ["affinities", "left_out_affinities", "train_keys"]

Array = NDArray[np.float64]

# How far trained keys lie from their images, as the deviation of a normal prior.
REACH = 0.2
MAX_STEPS = 30


def affinities(
    X: NDArray[Any],
    keys: NDArray[Any],
    codes: NDArray[np.integer],
    weight: Array,
    n_classes: int,
    beta: float,
) -> NDArray[Any]:
    """Return the summed affinity of every row to every class.

    Parameters
    ----------
    X : ndarray of shape (n_samples, n_features)
        Unit rows.

    keys : ndarray of shape (n_keys, n_features)
        One row per labelled image, ordered by class.

    codes : ndarray of shape (n_keys,)
        Class of each key, sorted.

    weight : ndarray of shape (n_keys,)
        Weight of each key.

    n_classes : int
        Number of classes.

    beta : float
        Sharpness.

    Returns
    -------
    sums : ndarray of shape (n_samples, n_classes)
        Zero for classes without keys.
    """
    return _by_class(_kernel(X @ keys.T, beta) * weight.astype(X.dtype), codes, n_classes)


def left_out_affinities(
    similarity: NDArray[Any],
    rows: NDArray[np.intp],
    codes: NDArray[np.integer],
    weight: Array,
    n_classes: int,
    beta: float,
    own_similarity: Array | None = None,
) -> Array:
    r"""Return the affinities of labelled images to all keys but their own.

    The sum over the own class has one term less than a new image's would. It is multiplied by
    :math:`n_c / (n_c - w_i)`, which makes it as large.

    Parameters
    ----------
    similarity : ndarray of shape (n_rows, n_keys)
        Inner products of the images that are left out with all keys.

    rows : ndarray of shape (n_rows,)
        Positions of these images among the keys. Their classes have other keys.

    codes, weight, n_classes, beta
        As in :func:`affinities`.

    own_similarity : ndarray of shape (n_rows,), default=None
        Predicted inner product of each image with its own key. None leaves the own key out.

    Returns
    -------
    sums : ndarray of shape (n_rows, n_classes)
        Float64.
    """
    kernel = _kernel(similarity, beta) * weight.astype(similarity.dtype)
    at = np.arange(len(rows)), rows
    if own_similarity is not None:
        kernel[at] = _kernel(own_similarity, beta) * weight[rows]
        return _by_class(kernel, codes, n_classes).astype(np.float64)
    kernel[at] = 0
    sums = _by_class(kernel, codes, n_classes).astype(np.float64)
    own, total = codes[rows], np.bincount(codes, weight, n_classes)
    sums[np.arange(len(rows)), own] *= total[own] / (total[own] - weight[rows])
    return sums


def train_keys(
    keys: NDArray[Any],
    codes: NDArray[np.integer],
    weight: Array,
    text: Array,
    *,
    alpha: float,
    beta: float,
) -> NDArray[Any]:
    r"""Move the keys so that the labels of the labelled images become likelier.

    .. math:: \min_{f'} \sum_i w_i \Big[ -\log \mathrm{softmax}(\mathrm{text}_i
              + \alpha a_{-i})_{y_i} + \frac{\lVert f'_i - f_i \rVert^2}{2 \tau^2} \Big]

    Every image is scored by all keys but its own: the own key agrees with its label from the
    start, and there would be nothing to learn. :math:`\tau = 0.2` is about as far as the published
    training, 20 epochs of Adam at a rate of 0.001, moves a key of 512 features. Full-batch L-BFGS.

    Parameters
    ----------
    keys : ndarray of shape (n_keys, n_features)
        Unit rows of the labelled images.

    codes, weight
        As in :func:`affinities`.

    text : ndarray of shape (n_keys, n_classes)
        Logits of the text head for the labelled images.

    alpha, beta : float
        Weight and sharpness; they are not trained.

    Returns
    -------
    keys : ndarray of shape (n_keys, n_features)
        The trained keys; not unit rows any more.
    """
    n, n_classes = text.shape
    own, share = np.arange(n), (weight / weight.sum()).astype(keys.dtype)
    text = text.astype(keys.dtype)

    def loss(flat: Array) -> tuple[float, Array]:
        moved = flat.reshape(keys.shape).astype(keys.dtype)
        kernel = _kernel(keys @ moved.T, beta) * weight.astype(keys.dtype)
        kernel[own, own] = 0
        log_proba = log_softmax(text + alpha * _by_class(kernel, codes, n_classes), axis=1)
        error = np.exp(log_proba)
        error[own, codes] -= 1
        error *= share[:, None]
        kernel *= error[:, codes]
        away = share[:, None] * (moved - keys) / REACH**2
        gradient = alpha * beta * (kernel.T @ keys) + away
        value = -(share @ log_proba[own, codes]) + 0.5 * np.vdot(away, moved - keys)
        return float(value), gradient.ravel().astype(np.float64)

    options = {"maxiter": MAX_STEPS}
    found = minimize(
        loss, keys.ravel().astype(np.float64), jac=True, method="L-BFGS-B", options=options
    )
    trained: NDArray[Any] = found.x.reshape(keys.shape).astype(keys.dtype)
    return trained


def _kernel(similarity: NDArray[Any], beta: float) -> NDArray[Any]:
    """Return the kernel of inner products; of unit rows it is at most one."""
    kernel: NDArray[Any] = np.exp(beta * (similarity - 1))
    return kernel


def _by_class(terms: NDArray[Any], codes: NDArray[np.integer], n_classes: int) -> NDArray[Any]:
    """Return the sums over the columns of each class; columns are ordered by class."""
    sums = np.zeros((len(terms), n_classes), dtype=terms.dtype)
    present, starts = np.unique(codes, return_index=True)
    sums[:, present] = np.add.reduceat(terms, starts, axis=1)
    return sums
