"""What the linear rivals share: labelled images in, one weight row per class out, folds."""

from collections.abc import Sequence
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray
from scipy.special import log_softmax
from sklearn.base import BaseEstimator, clone

from skclip._base import CosineLinearMixin
from skclip._compat import check_sample_weight
from skclip._linalg import unit_rows
from skclip._text_head import resolve_classes
from skclip._validation import check_labelled_embeddings

Array = NDArray[np.float64]


class LinearRival(CosineLinearMixin, BaseEstimator):
    """A linear head that is fitted beside a text head.

    `_weights` returns the rows of the head from unit rows, codes, weights, text rows and scale.
    `_grid` are the settings that `"folds"` chooses among, by the log loss of left-out folds.
    """

    _grid: ClassVar[dict[str, Sequence[Any]]] = {}

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        X, y = check_labelled_embeddings(self, X, y)
        weight = check_sample_weight(sample_weight, X, dtype=np.float64)
        found = resolve_classes(self.zero_shot, None, y, estimator=type(self).__name__)
        self.classes_, text = found.names, found.text_head
        rows, codes = unit_rows(X).astype(np.float64), np.asarray(found.codes)
        kept = rows.any(axis=1) & (weight > 0)
        rows, codes, weight = rows[kept], codes[kept], weight[kept]
        if text is None:  # class means stand in, as in the probes' papers random rows do
            self.logit_scale_ = 100.0
            onehot = np.eye(len(self.classes_))[codes] * weight[:, None]
            text_rows = unit_rows(onehot.T @ rows)
        else:
            self.logit_scale_, text_rows = text.logit_scale, text.weights.astype(np.float64)
        for name, values in self._grid.items():
            given = getattr(self, name)
            chosen = self._by_folds(name, values, X, y) if given == "folds" else given
            setattr(self, f"{name}_", chosen)
        coef, intercept = self._weights(rows, codes, weight, text_rows)
        self.coef_, self.intercept_ = coef.astype(X.dtype), intercept.astype(X.dtype)
        return self

    def _weights(
        self, X: Array, codes: NDArray[np.integer], weight: Array, text: Array
    ) -> tuple[Array, Array]:
        raise NotImplementedError

    def _by_folds(self, name: str, values: Sequence[Any], X: Any, y: Any) -> Any:
        """Choose by folds that leave out the same number of images of every class."""
        rank = np.empty(len(y), dtype=int)
        for label in np.unique(y):
            own = np.flatnonzero(y == label)
            rank[own] = np.arange(len(own))
        n_folds = min(3, int(rank.max()) + 1)
        if n_folds < 2:
            return values[0]
        losses = []
        for value in values:
            head, total = clone(self).set_params(**{name: value}), 0.0
            for fold in range(n_folds):
                out = rank % n_folds == fold
                fitted = head.fit(X[~out], y[~out])
                at = np.searchsorted(fitted.classes_, y[out])
                logits = fitted.logit_scale_ * fitted._class_scores(X[out])
                total -= log_softmax(logits, axis=1)[np.arange(len(at)), at].sum()
            losses.append(total)
        return values[int(np.argmin(losses))]
