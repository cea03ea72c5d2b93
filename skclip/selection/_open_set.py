"""Images of no class: a head that may say so."""

from numbers import Real
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import clone
from sklearn.utils.validation import check_is_fitted

from skclip._array_api import to_numpy
from skclip._compat import HasMethods, Interval, StrOptions, fit_context
from skclip._linalg import nonzero_rows
from skclip._validation import (
    check_embeddings,
    check_labelled_embeddings,
    encode_labels,
    union_classes,
)
from skclip.selection._left_out import class_scores, least_score, left_out
from skclip.selection._relative_distance import relative_distance
from skclip.selection._wrapped_head import WrappedHead

__all__ = ["OpenSetClassifier"]


class OpenSetClassifier(WrappedHead):
    r"""Classify by a head, or say that an image is of none of its classes.

    An image is of no class where its score is below a threshold. The threshold comes from the
    labelled images, each scored by a head that was fitted without it: a stated part of images that
    do belong to a class is rejected.

    Parameters
    ----------
    head : classifier
        Fitted on the labelled images, for instance ``StackedHeadClassifier(text)``. One that was
        frozen has to be fitted on other images.

    unknown : label, default=None
        Label of images of no class, of the type of the other labels: ``"none"`` or ``-1``.
        Labelled images may have it too; they are not fitted. None rejects nothing in
        :meth:`predict`; :meth:`is_known` still tells.

    criterion : {"logit", "distance"}, default="logit"
        What tells a known image: the largest score of the head, or the Mahalanobis distance to the
        nearest class mean relative to the distance to all images [1]_. With a text head the first
        was better on CLIP embeddings; without one, either.

    false_reject_rate : float, default=0.05
        Part of the images of known classes that may be rejected.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        Class labels of the head, sorted.

    head_ : classifier
        The fitted head.

    threshold_ : float
        Least score of a known image; minus infinity where the labelled images are too few to
        reject at this rate.

    n_left_out_ : int
        Labelled images that were scored left out.

    n_features_in_ : int
        Number of features of the embeddings.

    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the features, when ``X`` was given with string column names.

    See Also
    --------
    ConformalHead : Several classes for an image that may be of each of them.

    Notes
    -----
    Of n left-out scores the threshold is the one at place :math:`\lfloor r (n + 1) \rfloor` for the
    rate r: less than :math:`1/r - 1` images cannot reject. The heads of left-out images have
    seen a fifth less, so the rate is kept approximately.

    References
    ----------
    .. [1] Ren et al., "A Simple Fix to Mahalanobis Distance for Improving Near-OOD Detection",
       `arXiv 2106.09022 <https://arxiv.org/abs/2106.09022>`_.

    Examples
    --------
    >>> from skclip import StackedHeadClassifier
    >>> from skclip.selection import OpenSetClassifier
    >>> text = {"cat": [1.0, 0.0, 0.2], "dog": [0.0, 1.0, 0.2]}
    >>> X = [[0.9, 0.1, 0.3], [0.8, 0.3, 0.1], [0.3, 0.8, 0.2], [0.1, 0.9, 0.4]]
    >>> head = StackedHeadClassifier(text)
    >>> head = OpenSetClassifier(head, unknown="none", false_reject_rate=0.2)
    >>> head.fit(X, ["cat", "cat", "dog", "dog"]).predict([[0.9, 0.2, 0.1], [0.0, 0.0, 1.0]])
    array(['cat', 'none'], dtype='<U4')
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "head": [HasMethods(["fit", "predict"])],
        "unknown": [object],
        "criterion": [StrOptions({"logit", "distance"})],
        "false_reject_rate": [Interval(Real, 0, 1, closed="neither")],
    }

    def __init__(
        self,
        head: Any,
        *,
        unknown: Any = None,
        criterion: str = "logit",
        false_reject_rate: float = 0.05,
    ) -> None:
        self.head = head
        self.unknown = unknown
        self.criterion = criterion
        self.false_reject_rate = false_reject_rate

    @fit_context(prefer_skip_nested_validation=False)
    def fit(self, X: ArrayLike, y: ArrayLike) -> Self:
        """Fit the head, and the threshold on left-out images.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Embeddings of labelled images; zero rows are ignored in the threshold.

        y : array-like of shape (n_samples,)
            Class labels, or ``unknown``.

        Returns
        -------
        self : OpenSetClassifier
            The fitted classifier.

        Raises
        ------
        ValueError
            If no image is of a class, or none can be left out.

        Warns
        -----
        NoEvidenceWarning
            If the images are too few to reject any at the stated rate.
        """
        X, y = check_labelled_embeddings(self, X, y)
        encode_labels(y)
        rows, labels = to_numpy(X), to_numpy(y)
        if self.unknown is not None:
            union_classes(np.unique(labels), np.asarray([self.unknown]), source="unknown")
            own = np.asarray(labels != self.unknown)
            rows, labels = rows[own], labels[own]
            if not len(labels):
                raise ValueError(
                    f"Every label in y is unknown={self.unknown!r}: give images of the classes."
                )
        self.head_ = clone(self.head).fit(rows, labels)
        self.classes_ = to_numpy(self.head_.classes_)
        self._reference = (rows, labels) if self.criterion == "distance" else (rows[:0], labels[:0])
        evident = nonzero_rows(rows)
        scores, _ = left_out(self.head, rows[evident], labels[evident], self._tell)
        self.n_left_out_ = len(scores)
        self.threshold_ = least_score(scores, self.false_reject_rate, "no image is rejected")
        return self

    def _tell(
        self, head: Any, X: NDArray[Any], y: NDArray[Any], X_new: NDArray[Any]
    ) -> NDArray[Any]:
        if self.criterion == "distance":
            return -relative_distance(X, encode_labels(y)[1], X_new)
        scores: NDArray[Any] = class_scores(head, X_new).max(axis=1)
        return scores

    def score_samples(self, X: ArrayLike) -> NDArray[np.float64]:
        """Return how sure it is that an image is of one of the classes.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Embeddings.

        Returns
        -------
        scores : ndarray of shape (n_samples,)
            Larger for known images, of no particular scale. Zero rows get minus infinity.
        """
        check_is_fitted(self)
        rows = to_numpy(check_embeddings(self, X, reset=False))
        scores = np.asarray(self._tell(self.head_, *self._reference, rows), dtype=np.float64)
        scores[~nonzero_rows(rows)] = -np.inf
        return scores

    def is_known(self, X: ArrayLike) -> NDArray[np.bool_]:
        """Return which images are taken to be of one of the classes.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Embeddings.

        Returns
        -------
        known : ndarray of shape (n_samples,) of bool
            Whether ``score_samples(X)`` reaches the threshold.
        """
        return self.score_samples(X) >= self.threshold_

    def predict(self, X: ArrayLike) -> NDArray[Any]:
        """Predict the class, or ``unknown`` where :meth:`is_known` denies.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Embeddings.

        Returns
        -------
        y : ndarray of shape (n_samples,)
            Labels.
        """
        labels = to_numpy(super().predict(X))
        if self.unknown is None:
            return labels
        together: NDArray[Any] = np.where(self.is_known(X), labels, np.asarray([self.unknown]))
        return together
