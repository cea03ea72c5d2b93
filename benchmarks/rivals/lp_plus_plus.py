"""LP++: a linear probe with one learnt weight of the text per class.

Formula of Huang et al., "LP++: A Surprisingly Strong Linear Probe for Few-Shot CLIP"
(arXiv 2404.02285). The number of classes is that of the labels, not images over shots.
"""

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
from scipy.special import softmax

from benchmarks.rivals._linear import Array, LinearRival


class LPPlusPlusClassifier(LinearRival):
    r"""Full-batch gradient descent on the cross-entropy of `x W^T + alpha_c (x t_c)`.

    Steps are the published ones, from bounds of the curvature: `4 n / lambda_max(X^T X)` for W,
    `n / (4 max_c sum_i (x_i t_c)^2)` for alpha, which moves every tenth step; momentum 0.9. W
    begins at the sums of the images of each class, alpha at `250 mean_c mean_{i in c} x_i t_c`.
    Without a validation set the last of `steps` is kept, or the best by folds.
    """

    _grid: ClassVar[dict[str, Sequence[Any]]] = {"steps": (300, 100, 30)}

    def __init__(self, zero_shot: Any = None, *, steps: int | str = 300) -> None:
        self.zero_shot = zero_shot
        self.steps = steps

    def _weights(self, X: Array, codes: Any, weight: Array, text: Array) -> tuple[Array, Array]:
        n, n_classes = len(X), len(text)
        own = np.eye(n_classes)[codes]
        cosines, share = X @ text.T, weight / weight.sum()
        W = (own * weight[:, None]).T @ X
        counts = np.maximum(np.bincount(codes, weight, n_classes), 1e-12)
        of_class = np.bincount(codes, weight * cosines[np.arange(n), codes], n_classes) / counts
        alpha = np.full(
            n_classes, 250 * of_class[np.bincount(codes, minlength=n_classes) > 0].mean()
        )
        step_W = 4 * n / np.linalg.norm(X, 2) ** 2
        step_alpha = n / (4 * np.sum(cosines**2, axis=0).max())
        velocity = np.zeros_like(W)
        for step in range(int(self.steps_)):
            error = share[:, None] * (softmax(X @ W.T + alpha * cosines, axis=1) - own)
            velocity = 0.9 * velocity + error.T @ X
            W = W - step_W * velocity
            if step % 10 == 9:
                alpha = alpha - step_alpha * np.sum(error * cosines, axis=0)
        # x W^T + alpha_c (x t_c) are logits already
        return (W + alpha[:, None] * text) / self.logit_scale_, np.zeros(n_classes)
