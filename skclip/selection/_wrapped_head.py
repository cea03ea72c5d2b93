"""What meta-estimators take over from the head that they wrap."""

from collections.abc import Callable
from typing import Any

from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, ClassifierMixin, MetaEstimatorMixin
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted

from skclip._compat import DocumentedMixin
from skclip._validation import check_embeddings

__all__ = ["WrappedHead"]


def _head_has(method: str) -> Callable[[Any], bool]:
    return lambda estimator: hasattr(getattr(estimator, "head_", estimator.head), method)


class WrappedHead(DocumentedMixin, MetaEstimatorMixin, ClassifierMixin, BaseEstimator):
    """A classifier whose ``head_`` scores and predicts."""

    head: Any
    head_: Any

    def predict(self, X: ArrayLike) -> NDArray[Any]:
        """Predict the class by the head.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Embeddings.

        Returns
        -------
        y : ndarray of shape (n_samples,)
            Class labels.
        """
        return self._ask("predict", X)

    @available_if(_head_has("predict_proba"))
    def predict_proba(self, X: ArrayLike) -> NDArray[Any]:
        """Predict probabilities by the head: given that the image is of one of the classes.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Embeddings.

        Returns
        -------
        proba : ndarray of shape (n_samples, n_classes)
            Columns follow ``classes_``.
        """
        return self._ask("predict_proba", X)

    @available_if(_head_has("decision_function"))
    def decision_function(self, X: ArrayLike) -> NDArray[Any]:
        """Score every class by the head.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Embeddings.

        Returns
        -------
        scores : ndarray of shape (n_samples, n_classes) or (n_samples,)
            As of the head.
        """
        return self._ask("decision_function", X)

    def _ask(self, method: str, X: ArrayLike) -> NDArray[Any]:
        check_is_fitted(self)
        answer: NDArray[Any] = getattr(self.head_, method)(check_embeddings(self, X, reset=False))
        return answer
