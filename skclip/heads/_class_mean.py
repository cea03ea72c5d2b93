"""Nearest class mean: the image half of Neural Priming (arXiv 2306.10191).

The state is a sum and a count per class, so rows can be added, removed and merged exactly.
"""

from __future__ import annotations

from collections.abc import Mapping
from numbers import Real
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator
from sklearn.utils import Tags
from sklearn.utils.validation import assert_all_finite, check_is_fitted

from skclip._array_api import like, to_numpy
from skclip._base import ScoreClassifierMixin, linear_scores
from skclip._compat import (
    SUPPORTS_ARRAY_API,
    HasMethods,
    Interval,
    StrOptions,
    check_same_namespace,
    check_sample_weight,
    fit_context,
)
from skclip._linalg import unit_rows, working_dtype
from skclip._text_head import TextHead, check_labels_known, check_same_width, resolve_text_head
from skclip._validation import check_labelled_embeddings, encode_labels
from skclip.heads._class_sums import ClassSums

__all__ = ["NearestClassMean"]


class NearestClassMean(ScoreClassifierMixin, BaseEstimator):
    r"""Classify by the nearest class mean of unit embeddings.

    .. math:: \mu_c = \mathrm{normalize}\Big(\sum_{i: y_i = c} w_i x_i\Big), \qquad
              \hat y(x) = \arg\max_c\; x \cdot \mu_c

    The state is the sum and the weight of every class. Therefore updates are exact:
    :meth:`partial_fit` over any split of the rows equals :meth:`fit` on all of them,
    :meth:`forget` equals a fit without the rows, and :meth:`merge` equals a fit on the rows of both
    heads.

    Parameters
    ----------
    metric : {"cosine", "euclidean"}, default="cosine"
        ``"cosine"`` normalises rows and means. ``"euclidean"`` does not, and scores
        :math:`x \cdot \mu_c - \lVert \mu_c \rVert^2 / 2`, which orders classes by distance.

    zero_shot : ZeroShotClassifier or mapping of class name to vector, default=None
        Text head towards which the means are shrunk. All its classes are known; the mean of a
        class without images is its text row.

    shrinkage : float, default=1.0
        Number of images :math:`\sigma` that the text row of a class counts as. The mean is

        .. math:: \frac{\sigma t_c + \sum_i w_i x_i}{\sigma + n_c},

        the posterior mean under a prior about :math:`t_c`. :class:`PrimedNCMClassifier` estimates
        mixing weights instead. Ignored without ``zero_shot``.

    logit_scale : float, default=100.0
        Scale :math:`s` of the probabilities :math:`\mathrm{softmax}(s \cdot \mathrm{score})`;
        100 is CLIP's. It does not change predicted labels.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        Class labels, sorted.

    class_sum_ : ndarray of shape (n_classes, n_features)
        Weighted sum of the rows of each class, float64.

    class_count_ : ndarray of shape (n_classes,)
        Sum of the weights of the rows of each class, without zero rows.

    text_head_ : TextHead or None
        Text weights aligned with ``classes_``.

    coef_ : ndarray of shape (n_classes, n_features)
        Class means, unit rows for ``metric="cosine"``. Two rows for
        two classes.

    intercept_ : ndarray of shape (n_classes,)
        :math:`-\lVert \mu_c \rVert^2 / 2` for ``metric="euclidean"``, else 0; :math:`-\infty`
        for a class without evidence, which is never predicted.

    logit_scale_ : float
        Scale of the probabilities.

    n_features_in_ : int
        Number of features seen in :term:`fit`.

    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the features, when ``X`` has string column names.

    See Also
    --------
    PrimedNCMClassifier : Class means of recalled and labelled images mixed with the text head.
    MixedHeadClassifier : Any classifier mixed with the text head.
    MultiProxyImprinter : Several proxies per class.
    sklearn.neighbors.NearestCentroid : Euclidean, without weights and updates.

    Notes
    -----
    ``fit`` processes ``X`` block by block; it needs memory for the blocks and the sums.

    A zero row gets the scores ``intercept_``.

    With ``sklearn.set_config(array_api_dispatch=True)`` embeddings may be arrays of other
    libraries, such as torch tensors on any device. Fitted arrays, scores and predictions are then
    on the device of ``X``. Text labels stay in numpy.

    References
    ----------
    .. [1] Wallingford et al., "Neural Priming for Sample-Efficient Adaptation",
       `arXiv 2306.10191 <https://arxiv.org/abs/2306.10191>`_.

    Examples
    --------
    >>> import numpy as np
    >>> from skclip import NearestClassMean
    >>> X = np.array([[1.0, 0.1], [0.9, 0.0], [0.1, 1.0]])
    >>> head = NearestClassMean().fit(X, ["cat", "cat", "dog"])
    >>> head.predict([[2.0, 0.5]])
    array(['cat'], dtype='<U3')

    Add a new class, and remove a row:

    >>> head.partial_fit([[-1.0, 0.0]], ["fox"]).classes_
    array(['cat', 'dog', 'fox'], dtype='<U3')
    >>> head.forget(X[:1], ["cat"]).class_count_
    array([1., 1., 1.])

    A class without images is predicted by its text:

    >>> text = {"cat": [1.0, 0.0], "dog": [0.0, 1.0], "fox": [-1.0, 0.0]}
    >>> NearestClassMean(zero_shot=text).fit(X, ["cat", "cat", "dog"]).predict([[-0.8, 0.1]])
    array(['fox'], dtype='<U3')
    """

    text_head_: TextHead | None

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "metric": [StrOptions({"cosine", "euclidean"})],
        "zero_shot": [HasMethods(["fit"]), Mapping, None],
        "shrinkage": [Interval(Real, 0, None, closed="neither")],
        "logit_scale": [Interval(Real, 0, None, closed="neither")],
    }

    def __init__(
        self,
        metric: str = "cosine",
        *,
        zero_shot: Any = None,
        shrinkage: float = 1.0,
        logit_scale: float = 100.0,
    ) -> None:
        self.metric = metric
        self.zero_shot = zero_shot
        self.shrinkage = shrinkage
        self.logit_scale = logit_scale

    @fit_context(prefer_skip_nested_validation=True)
    def fit(self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None) -> Self:
        """Compute the class means.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Embeddings; zero rows are ignored.

        y : array-like of shape (n_samples,)
            Class labels.

        sample_weight : array-like of shape (n_samples,), default=None
            Weight of every row: 2 counts as the row twice, 0 as no row.

        Returns
        -------
        self : NearestClassMean
            The fitted head.
        """
        X, state = self._statistics(X, y, sample_weight, reset=True)
        self._set_text_head(state.classes)
        return self._set_state(state, X, y)

    @fit_context(prefer_skip_nested_validation=True)
    def partial_fit(
        self,
        X: ArrayLike,
        y: ArrayLike,
        classes: ArrayLike | None = None,
        sample_weight: ArrayLike | None = None,
    ) -> Self:
        """Add rows; classes may be new.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Embeddings.

        y : array-like of shape (n_samples,)
            Class labels.

        classes : array-like of shape (n_classes,), default=None
            Further classes, with or without rows. Not needed for the labels in ``y``, which may
            be new in any call.

        sample_weight : array-like of shape (n_samples,), default=None
            Weight of every row.

        Returns
        -------
        self : NearestClassMean
            The updated head.
        """
        first = not hasattr(self, "class_sum_")
        if not first:
            check_same_namespace(X, self, attribute="coef_", method="partial_fit")
        X, state = self._statistics(X, y, sample_weight, reset=first)
        if classes is not None:
            state += ClassSums.empty(encode_labels(classes)[0], X.shape[1])
        if first:
            self._set_text_head(state.classes)
        else:
            state = self._state() + state
        return self._set_state(state, X, y if first else self.classes_)

    def forget(self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None) -> Self:
        """Remove fitted rows; the head is as if fitted without them.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            The embeddings to forget, as they were given.

        y : array-like of shape (n_samples,)
            Their labels.

        sample_weight : array-like of shape (n_samples,), default=None
            Their weights, as they were given.

        Returns
        -------
        self : NearestClassMean
            The updated head. A class that has lost its last row stays in ``classes_``. Without a
            text head it is not predicted until it gets new rows. :meth:`forget_class` removes a
            class.

        Raises
        ------
        ValueError
            If the rows weigh more than the fitted rows of their class.
        """
        check_is_fitted(self)
        check_same_namespace(X, self, attribute="coef_", method="forget")
        _, gone = self._statistics(X, y, sample_weight, reset=False)
        return self._set_state(self._state() - gone, self.coef_, self.classes_)

    def forget_class(self, labels: Any) -> Self:
        """Remove whole classes.

        Parameters
        ----------
        labels : label or array-like of labels
            Classes to remove.

        Returns
        -------
        self : NearestClassMean
            The updated head.
        """
        check_is_fitted(self)
        state = self._state().without(np.atleast_1d(to_numpy(labels)))
        if self.text_head_ is not None:
            self.text_head_ = self.text_head_.restricted(state.classes)
        return self._set_state(state, self.coef_, self.classes_)

    def merge(self, other: NearestClassMean) -> Self:
        """Add the rows of another head; the result is as if fitted on the rows of both.

        Parameters
        ----------
        other : NearestClassMean
            A head fitted with the same ``metric`` on embeddings of the same model.

        Returns
        -------
        self : NearestClassMean
            The updated head.
        """
        check_is_fitted(self)
        check_is_fitted(other)
        if other.metric != self.metric:
            raise ValueError(
                f"Cannot merge a head with metric={other.metric!r} into one with "
                f"metric={self.metric!r}: fit both with the same metric."
            )
        if other.n_features_in_ != self.n_features_in_:
            raise ValueError(
                f"Cannot merge a head of {other.n_features_in_} features into one of "
                f"{self.n_features_in_}: fit both on embeddings of one model."
            )
        return self._set_state(self._state() + other._state(), self.coef_, self.classes_)

    def _class_scores(self, X: NDArray[Any]) -> NDArray[Any]:
        if self.metric == "cosine":
            X = unit_rows(X)
        return linear_scores(X, self.coef_, self.intercept_)

    def _statistics(
        self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None, *, reset: bool
    ) -> tuple[NDArray[Any], ClassSums]:
        X, y = check_labelled_embeddings(
            self, X, y, reset=reset, ensure_all_finite=False, keep_half=True
        )
        classes, codes = encode_labels(y)
        weight = check_sample_weight(sample_weight, X, dtype=working_dtype(X))
        state = ClassSums.of_rows(X, codes, classes, weight, unit=self.metric == "cosine")
        if not np.isfinite(state.sums).all():
            assert_all_finite(X, input_name="X", estimator_name=type(self).__name__)
        return X, state

    def _state(self) -> ClassSums:
        """Return the state as numpy arrays."""
        return ClassSums(*map(to_numpy, (self.classes_, self.class_sum_, self.class_count_)))

    def _set_text_head(self, labels: NDArray[Any]) -> None:
        self.text_head_ = resolve_text_head(self.zero_shot, labels)
        if self.text_head_ is not None:
            check_same_width(self.n_features_in_, self.text_head_)

    def _with_text(self, own: ClassSums) -> ClassSums:
        """Return the state with each text row added as ``shrinkage`` images."""
        text = self.text_head_
        if text is None:
            return own
        evidence = np.full(len(text.classes), float(self.shrinkage))
        return own + ClassSums(text.classes, self.shrinkage * text.weights, evidence)

    def _set_state(self, own: ClassSums, X: Any, y: Any) -> Self:
        """Store state and head on the device of ``X``, and labels on the device of ``y``."""
        if self.text_head_ is not None:
            check_labels_known(own.classes, self.text_head_.classes)
        state = self._with_text(own)
        own = own.over(state.classes)
        if not state.known.any():
            raise ValueError(
                "No row carries evidence: every embedding is zero or has weight zero. "
                "Give at least one row that is not zero."
            )
        if self.metric == "cosine":
            means, intercept = unit_rows(state.sums), np.zeros(len(state.classes))
        else:
            means = state.means
            intercept = -0.5 * np.einsum("ij,ij->i", means, means)
        intercept = np.where(state.known, intercept, -np.inf)
        self.classes_ = like(state.classes, y)
        self.class_sum_, self.class_count_ = like(own.sums, X), like(own.counts, X)
        dtype = working_dtype(X)
        self.coef_, self.intercept_ = like(means, X, dtype), like(intercept, X, dtype)
        self.logit_scale_ = float(self.logit_scale)
        return self

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.array_api_support = SUPPORTS_ARRAY_API
        return tags
