"""TIMO's idea on the Gaussian discriminant: text embeddings as weighted images.

The text rows are moved by the modality gap, the mean image less the mean text, and enter means and
covariance as images of weight `text_weight`. The text head is mixed in as `MixedHeadClassifier`
does it.
"""

from typing import Any, Self

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin, clone

from skclip import GaussianDiscriminantClassifier
from skclip._linalg import unit_rows
from skclip._text_head import resolve_text_head


class TextRowsDiscriminant(ClassifierMixin, BaseEstimator):
    """The Gaussian discriminant with one moved text row per class among its images."""

    def __init__(self, zero_shot: Any = None, *, text_weight: float = 1.0) -> None:
        self.zero_shot = zero_shot
        self.text_weight = text_weight

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        X, y = unit_rows(np.asarray(X)), np.asarray(y)
        weight = np.ones(len(X)) if sample_weight is None else np.asarray(sample_weight)
        if self.zero_shot is not None:
            text = resolve_text_head(self.zero_shot, np.unique(y))
            gap = np.average(X, axis=0, weights=weight) - text.weights.mean(axis=0)
            X = np.concatenate([X, text.weights + gap])
            y = np.concatenate([y, text.classes])
            weight = np.concatenate([weight, np.full(len(text.classes), self.text_weight)])
        self.head_ = clone(GaussianDiscriminantClassifier()).fit(X, y, sample_weight=weight)
        self.classes_, self.coef_ = self.head_.classes_, self.head_.coef_
        self.intercept_, self.logit_scale_ = self.head_.intercept_, self.head_.logit_scale_
        self.n_features_in_ = X.shape[1]
        return self

    def decision_function(self, X: Any) -> Any:
        return self.head_.decision_function(X)

    def predict(self, X: Any) -> Any:
        return self.head_.predict(X)

    def predict_proba(self, X: Any) -> Any:
        return self.head_.predict_proba(X)
