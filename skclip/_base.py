"""Methods that all heads share: from one score per class to labels and probabilities."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import ClassifierMixin
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted

from skclip._array_api import cast, is_elsewhere, take_labels
from skclip._compat import DocumentedMixin, check_same_namespace, get_namespace_and_device
from skclip._linalg import class_proba, gen_row_blocks, sigmoid, unit_rows, widened
from skclip._validation import check_embeddings

__all__ = ["CosineLinearMixin", "ScoreClassifierMixin", "linear_scores"]


def _has_logit_bias(head: ScoreClassifierMixin) -> bool:
    if getattr(head, "logit_bias_", None) is None:
        raise AttributeError(
            f"{type(head).__name__} has no logit bias: predict_pair_proba needs a model trained "
            "with a sigmoid per pair, such as SigLIP. Use predict_proba."
        )
    return True


class ScoreClassifierMixin(DocumentedMixin, ClassifierMixin):
    r"""Derive all predict methods from ``_class_scores(X) -> (n_samples, n_classes)``.

    Probabilities are :math:`\mathrm{softmax}(s \cdot \mathrm{score})` with ``logit_scale_`` (the
    model's :math:`s`, 100 for CLIP) where the head has it, else 1. A head with a ``logit_bias_``
    normalises sigmoids instead; see :func:`~skclip._linalg.class_proba`.
    """

    classes_: NDArray[Any]
    logit_scale_: float
    logit_bias_: float | None
    # a fitted array on the device of the X given to fit
    _placed: ClassVar[str] = "coef_"

    @abstractmethod
    def _class_scores(self, X: NDArray[Any]) -> NDArray[Any]:
        """Return one score per class for validated embeddings: ``(n, d) -> (n, C)``."""

    def _check_ready(self, X: ArrayLike, method: str) -> None:
        check_is_fitted(self)
        if hasattr(self, self._placed):
            check_same_namespace(X, self, attribute=self._placed, method=method)

    def _validated(self, X: ArrayLike, method: str) -> NDArray[Any]:
        self._check_ready(X, method)
        return check_embeddings(self, X, reset=False, keep_half=True)

    def _validated_scores(self, X: ArrayLike, method: str = "decision_function") -> NDArray[Any]:
        X = self._validated(X, method)
        blocks = list(self._score_blocks(X))
        if is_elsewhere(X) or len(blocks) == 1:
            return self._class_scores(widened(X))
        # each block is normalised and scored while it is in the processor's cache
        first = self._class_scores(widened(X[blocks[0]]))
        scores = np.empty((X.shape[0], first.shape[1]), dtype=first.dtype)
        scores[blocks[0]] = first
        for rows in blocks[1:]:
            scores[rows] = self._class_scores(widened(X[rows]))
        return scores

    def _score_blocks(self, X: NDArray[Any]) -> Iterator[slice]:
        return gen_row_blocks(X.shape[0], max(self.classes_.shape[0], X.shape[1]))

    def decision_function(self, X: ArrayLike) -> NDArray[Any]:
        """Score every class.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Embeddings.

        Returns
        -------
        scores : ndarray of shape (n_samples, n_classes) or (n_samples,)
            One score per class. For two classes, the score of ``classes_[1]`` minus that of
            ``classes_[0]``, as in scikit-learn.
        """
        scores = self._validated_scores(X)
        if scores.shape[1] == 2:
            difference: NDArray[Any] = scores[:, 1] - scores[:, 0]
            return difference
        return scores

    def predict(self, X: ArrayLike) -> NDArray[Any]:
        """Predict the class of the highest score; of equal scores, the first in ``classes_``.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Embeddings.

        Returns
        -------
        y : ndarray of shape (n_samples,)
            Class labels.
        """
        X = self._validated(X, "predict")
        xp, _, device = get_namespace_and_device(X)
        best = xp.empty(X.shape[0], dtype=xp.int64, device=device)
        for rows in self._score_blocks(X):  # reduced while in the processor's cache, too
            best[rows] = xp.argmax(self._class_scores(widened(X[rows, :])), axis=1)
        labels: NDArray[Any] = take_labels(self.classes_, best, X)
        return labels

    def predict_proba(self, X: ArrayLike) -> NDArray[Any]:
        """Predict probabilities: the softmax of the scores at the head's logit scale.

        With a logit bias: the sigmoid of each score, divided by their sum.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Embeddings.

        Returns
        -------
        proba : ndarray of shape (n_samples, n_classes)
            Rows sum to one; columns follow ``classes_``.
        """
        scores = self._validated_scores(X, "predict_proba")
        scale, bias = getattr(self, "logit_scale_", 1.0), getattr(self, "logit_bias_", None)
        return class_proba(scores, scale, bias)

    def predict_log_proba(self, X: ArrayLike) -> NDArray[Any]:
        """Predict the logarithm of :meth:`predict_proba`.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Embeddings.

        Returns
        -------
        log_proba : ndarray of shape (n_samples, n_classes)
            Minus infinity where the probability underflows.
        """
        self._check_ready(X, "predict_log_proba")
        proba = self.predict_proba(X)
        xp, _, _ = get_namespace_and_device(proba)
        with np.errstate(divide="ignore"):
            log_proba: NDArray[Any] = xp.log(proba)
        return log_proba

    @available_if(_has_logit_bias)
    def predict_pair_proba(self, X: ArrayLike) -> NDArray[Any]:
        r"""Predict for each class by itself the probability that it matches the image.

        .. math:: p_c = \sigma(s \cdot \mathrm{score}_c + b)

        :meth:`predict_proba` divides these by their sum. Only available with a ``logit_bias_``,
        which models trained with a sigmoid per pair have, such as SigLIP.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Embeddings.

        Returns
        -------
        proba : ndarray of shape (n_samples, n_classes)
            Rows need not sum to one: several classes may be likely, or none.
        """
        scores, bias = self._validated_scores(X, "predict_pair_proba"), self.logit_bias_
        assert bias is not None
        return sigmoid(scores * self.logit_scale_ + bias)


def linear_scores(X: NDArray[Any], coef: NDArray[Any], intercept: NDArray[Any]) -> NDArray[Any]:
    """Return :math:`X W^T + b` in the dtype of ``X``: ``(n, d) -> (n, C)``."""
    scores: NDArray[Any] = X @ cast(coef, X.dtype).T
    if is_elsewhere(X) or intercept.any():  # zeros are not worth a pass over the scores
        scores += cast(intercept, X.dtype)
    return scores


class CosineLinearMixin(ScoreClassifierMixin):
    r"""A head that scores unit rows by one weight row per class.

    .. math:: \mathrm{score}_c(x) = w_c \cdot x / \lVert x \rVert + b_c
    """

    coef_: NDArray[Any]
    intercept_: NDArray[Any]

    def _class_scores(self, X: NDArray[Any]) -> NDArray[Any]:
        return linear_scores(unit_rows(X), self.coef_, self.intercept_)
