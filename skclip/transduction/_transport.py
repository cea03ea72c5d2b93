r"""Class weights at which the classes of a batch follow a given prior.

The plan of entropic optimal transport from rows to classes, with cost :math:`-\log p_{ic}` and
marginals :math:`1 / n` and :math:`\pi_c`, is

.. math:: z_{ic} = \frac{p_{ic} e^{v_c}}{\sum_k p_{ik} e^{v_k}}, \qquad
          \tfrac{1}{n} \textstyle\sum_i z_{ic} = \pi_c

so the weights :math:`v` say all of it, and a new row needs no batch. They minimise a convex
function, :math:`\sum_i \log \sum_c p_{ic} e^{v_c} - n \sum_c \pi_c v_c`. Without entropy (Shin et
al., OTTER, 2404.08461) they are the dual variables of a linear programme. Pure functions on
arrays; called by :class:`~skclip.transduction.PriorShiftAdapter`.
"""

from typing import Any

import numpy as np
import scipy.linalg
from numpy.typing import NDArray

__all__ = ["sinkhorn_weights"]

Array = NDArray[np.float64]

# Scaling steps before Newton's, and at most how many of those.
N_SCALINGS, N_NEWTON = 5, 100
# Damping of Newton's steps, where rows are sure and second derivatives say little.
LEAST_DAMPING, MOST_DAMPING = 1e-12, 1e6
# Largest difference between the marginals and the prior.
TOLERANCE = 1e-9


def sinkhorn_weights(log_proba: NDArray[Any], prior: Array) -> Array:
    """Return the weights of the entropic plan.

    Scaling steps come near, Newton's steps arrive: scaling alone is slow where rows are sure.

    Parameters
    ----------
    log_proba : ndarray of shape (n_samples, n_classes)
        Finite.

    prior : ndarray of shape (n_classes,)
        Positive, sums to one.

    Returns
    -------
    weights : ndarray of shape (n_classes,)
        Weighted by the prior, their mean is zero.

    Raises
    ------
    FloatingPointError
        If the marginals are not reached to 1e-8: rows that are all but certain cannot be moved.
    """
    logits = log_proba.astype(np.float64)
    weights = np.zeros(len(prior))
    value, z = _plan(logits, weights, prior)
    for _ in range(N_SCALINGS):
        weights = weights + np.log(prior) - np.log(np.maximum(z.mean(axis=0), 1e-300))
        value, z = _plan(logits, weights, prior)
    damping = 1.0
    for _ in range(N_NEWTON):
        marginal = z.mean(axis=0)
        gradient = marginal - prior
        if np.abs(gradient).max() < TOLERANCE:
            break
        # adding one number to all weights changes nothing: that direction is filled in
        hessian = np.diag(marginal) - z.T @ z / len(z) + 1 / len(prior)
        while damping < MOST_DAMPING:
            damped = hessian + damping * np.diag(marginal + prior)
            step = -scipy.linalg.solve(damped, gradient, assume_a="pos")
            changed, plan = _plan(logits, weights + step, prior)
            off = np.abs(plan.mean(axis=0) - prior).max()
            # near the end the value falls by less than it is rounded: there the marginals tell
            if changed < value or off < np.abs(gradient).max() / 2:
                weights, value, z = weights + step, changed, plan
                damping = max(damping / 8, LEAST_DAMPING)
                break
            damping *= 4
        else:
            break
    reached = float(np.abs(z.mean(axis=0) - prior).max())
    if reached > 10 * TOLERANCE:
        raise FloatingPointError(f"marginals differ from the prior by {reached:.2g}")
    return np.asarray(weights - prior @ weights)


def _plan(logits: Array, weights: Array, prior: Array) -> tuple[float, Array]:
    """Return the value of the dual, and the plan."""
    z = logits + weights
    peaks = z.max(axis=1, keepdims=True)
    z -= peaks
    np.exp(z, out=z)
    sums = z.sum(axis=1, keepdims=True)
    z /= sums
    return float((np.log(sums) + peaks).mean() - prior @ weights), z
