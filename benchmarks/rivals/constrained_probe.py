"""CLAP and ZS-LP: a linear probe that begins at the text and is held near it.

Formula of Silva-Rodríguez et al., "A Closer Look at the Few-Shot Adaptation of Large
Vision-Language Models" (arXiv 2312.12730).
"""

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
from scipy.optimize import minimize
from scipy.special import log_softmax, softmax

from benchmarks.rivals._linear import Array, LinearRival


class ConstrainedProbeClassifier(LinearRival):
    r"""Cross-entropy with a penalty on the distance from the text rows.

        min_W  mean_i w_i CE(softmax(s x_i W^T), y_i) + lambda mean_c a_c |w_c - t_c|^2

    with a_c the mean zero-shot probability of the own class over its images. W is not normalised,
    which makes the problem convex; L-BFGS. `penalty=0` is ZS-LP, which stops after `max_iter`
    steps; 1 is CLAP without its outer step. `cross_modal=True` adds the text rows as images.
    """

    _grid: ClassVar[dict[str, Sequence[Any]]] = {"penalty": (1.0, 0.1, 10.0)}

    def __init__(
        self,
        zero_shot: Any = None,
        *,
        penalty: float | str = 1.0,
        cross_modal: bool = False,
        max_iter: int = 50,
    ) -> None:
        self.zero_shot = zero_shot
        self.penalty = penalty
        self.cross_modal = cross_modal
        self.max_iter = max_iter

    def _weights(self, X: Array, codes: Any, weight: Array, text: Array) -> tuple[Array, Array]:
        scale, n_classes = self.logit_scale_, len(text)
        own = softmax(scale * X @ text.T, axis=1)[np.arange(len(X)), codes]
        counts = np.bincount(codes, weight, n_classes)
        confidence = np.bincount(codes, weight * own, n_classes) / np.maximum(counts, 1e-12)
        confidence[counts == 0] = 1.0
        if self.cross_modal:
            X = np.concatenate([X, text])
            codes = np.concatenate([codes, np.arange(n_classes)])
            weight = np.concatenate([weight, np.ones(n_classes)])
        at, share = (np.arange(len(X)), codes), weight / weight.sum()
        hold = self.penalty_ * confidence[:, None] / n_classes

        def loss(flat: Array) -> tuple[float, Array]:
            W = flat.reshape(text.shape)
            log_proba = log_softmax(scale * X @ W.T, axis=1)
            error = np.exp(log_proba)
            error[at] -= 1
            away = W - text
            gradient = scale * (share[:, None] * error).T @ X + 2 * hold * away
            return float(-(share @ log_proba[at]) + np.sum(hold * away**2)), gradient.ravel()

        options = {"maxiter": self.max_iter}
        found = minimize(loss, text.ravel(), jac=True, method="L-BFGS-B", options=options)
        return found.x.reshape(text.shape), np.zeros(n_classes)
