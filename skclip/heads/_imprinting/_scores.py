"""Prediction of MultiProxyImprinter: from proxies to similarities and scores."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import TransformerMixin
from sklearn.utils import Tags
from sklearn.utils.validation import check_is_fitted

from skclip._base import ScoreClassifierMixin
from skclip._linalg import gen_row_blocks
from skclip._validation import check_embeddings
from skclip.heads._imprinting._aggregation import aggregate, neighbor_votes
from skclip.heads._imprinting._normalization import (
    normalize_proxies,
    normalize_rows,
    reference_for,
    whiten_rows,
)
from skclip.heads._imprinting._similarity import similarity, whitening_matrix

__all__ = ["ProxyScoresMixin"]


class ProxyScoresMixin(TransformerMixin, ScoreClassifierMixin):
    """Compare rows with ``proxies_`` and reduce the similarities to one score per class."""

    aggregation: str
    metric: str
    n_neighbors: int
    normalize_proxies: str | None
    normalize_queries: str | None
    proxies_: NDArray[Any]
    temperature: float
    weights: str
    _bounds: NDArray[np.intp]  # the proxies of class c are proxies_[_bounds[c]:_bounds[c + 1]]
    _metric_proxies: NDArray[Any]  # proxies_, whitened for the Mahalanobis distance
    _query_reference: NDArray[Any] | None
    _reference: NDArray[Any] | None  # the given reference distribution
    _whitener: NDArray[np.float64] | None  # of inputs and queries
    _whitening: NDArray[Any] | None  # for the Mahalanobis distance

    def transform(self, X: ArrayLike) -> NDArray[Any]:
        """Compare every row with every proxy.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Embeddings.

        Returns
        -------
        similarity : ndarray of shape (n_samples, n_proxies)
            Inner products, cosines or negative distances, according to ``metric``; columns
            follow ``proxies_``.
        """
        check_is_fitted(self)
        X = check_embeddings(self, X, reset=False)
        compared = np.empty((len(X), len(self.proxies_)), dtype=X.dtype)
        for block in gen_row_blocks(len(X), len(self.proxies_)):
            compared[block] = self._similarity(X[block]).T
        return compared

    def get_feature_names_out(self, input_features: ArrayLike | None = None) -> NDArray[Any]:
        """Name the columns of :meth:`transform`: the class label and a number.

        Parameters
        ----------
        input_features : array-like of str or None, default=None
            Ignored.

        Returns
        -------
        names : ndarray of str objects of shape (n_proxies,)
            ``"cat_0"``, ``"cat_1"``, ...
        """
        check_is_fitted(self)
        counts = np.diff(self._bounds)
        return np.asarray(
            [f"{c}_{i}" for c, n in zip(self.classes_, counts, strict=True) for i in range(n)],
            dtype=object,
        )

    def predict_proba(self, X: ArrayLike) -> NDArray[Any]:
        """Predict probabilities: the softmax of the scores, or the fractions of the votes.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Embeddings.

        Returns
        -------
        proba : ndarray of shape (n_samples, n_classes)
            Rows sum to one; columns follow ``classes_``.
        """
        if self.aggregation == "nearest":
            return self._validated_scores(X)
        return super().predict_proba(X)

    def _set_proxies(self, proxies: NDArray[Any]) -> None:
        """Normalise and store the proxies, and prepare the similarity."""
        self.proxies_ = normalize_proxies(
            proxies, self._bounds, self.normalize_proxies, self._reference
        )
        self._query_reference = reference_for(
            self.normalize_queries, self.proxies_, self._reference
        )
        self._whitening, self._metric_proxies = None, self.proxies_
        if self.metric == "mahalanobis":
            self._whitening = whitening_matrix(self.proxies_).astype(proxies.dtype)
            self._metric_proxies = self.proxies_ @ self._whitening

    def _class_scores(self, X: NDArray[Any]) -> NDArray[Any]:
        scores = np.empty((len(X), len(self.classes_)), dtype=X.dtype)
        for block in gen_row_blocks(len(X), len(self.proxies_)):
            compared = self._similarity(X[block])
            if self.aggregation == "nearest":
                reduced = neighbor_votes(
                    compared, self._bounds, self.n_neighbors, self._distance(compared)
                )
            else:
                reduced = aggregate(compared, self._bounds, self.aggregation, self.temperature)
            scores[block] = reduced.T
        return scores

    def _distance(self, compared: NDArray[Any]) -> NDArray[Any] | None:
        if self.weights == "uniform":
            return None
        return np.maximum(1 - compared, 0) if self.metric == "cosine" else -compared

    def _similarity(self, X: NDArray[Any]) -> NDArray[Any]:
        X = whiten_rows(X, self._whitener)
        queries = normalize_rows(X, self.normalize_queries, self._query_reference)
        return similarity(queries, self._metric_proxies, self.metric, self._whitening)

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags
