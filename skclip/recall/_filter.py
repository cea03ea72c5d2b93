"""Keep rows that the zero-shot classifier agrees with (Neural Priming, 2306.10191)."""

from __future__ import annotations

from collections.abc import Mapping
from numbers import Integral, Real
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, OneToOneFeatureMixin, TransformerMixin
from sklearn.utils import Tags
from sklearn.utils.validation import check_is_fitted

from skclip._compat import DocumentedMixin, HasMethods, Interval, fit_context
from skclip._linalg import class_proba, gen_row_blocks, nonzero_rows, unit_rows
from skclip._text_head import TextHead, check_same_width, resolve_text_head
from skclip._validation import (
    check_embeddings,
    check_labelled_embeddings,
    encode_known,
    encode_labels,
)
from skclip.recall._resample import as_given
from skclip.recall._step import STEP_CONSTRAINT, shows_one_half

__all__ = ["ZeroShotFilter", "agreement"]


def agreement(
    X: NDArray[Any],
    codes: NDArray[Any],
    text_head: TextHead,
    *,
    threshold: float = 0.0,
    k: int | None = None,
) -> NDArray[np.bool_]:
    r"""Return which rows have the label that the text head predicts.

    .. math:: \arg\max_c x \cdot t_c = y \;\wedge\; p_y(x) \ge \theta

    with the probabilities :math:`p` of :class:`~skclip.ZeroShotClassifier`.

    Parameters
    ----------
    X : ndarray of shape (n_samples, n_features)
        Embeddings. Zero rows carry no evidence and are rejected, as are rows with NaN or infinity.

    codes : ndarray of shape (n_samples,)
        Label of every row as its index in ``text_head.classes``.

    text_head : TextHead
        Text weights, logit scale and logit bias.

    threshold : float, default=0.0
        Minimum probability :math:`\theta` of the row's label.

    k : int, default=None
        Maximum number of rows per class. The most probable rows are kept; earlier rows win ties.

    Returns
    -------
    kept : ndarray of shape (n_samples,) of bool
        Rows to keep.
    """
    kept = np.zeros(len(X), dtype=bool)
    own = np.zeros(len(X))
    for rows in gen_row_blocks(len(X), len(text_head.classes)):
        unit, own_codes = unit_rows(X[rows]), codes[rows]
        scores = text_head.scores(unit)
        proba = class_proba(scores, text_head.logit_scale, text_head.logit_bias)
        own[rows] = proba[np.arange(len(unit)), own_codes]
        kept[rows] = (
            (scores.argmax(axis=1) == own_codes)
            & (own[rows] >= threshold)
            & nonzero_rows(unit)
            & np.isfinite(unit).all(axis=1)
        )
    if k is not None:
        order = np.lexsort((-own, codes))
        order = order[kept[order]]
        rank = np.arange(len(order)) - np.searchsorted(codes[order], codes[order])
        kept[order[rank >= k]] = False
    return kept


@shows_one_half
class ZeroShotFilter(DocumentedMixin, OneToOneFeatureMixin, TransformerMixin, BaseEstimator):
    r"""Keep the rows whose label the zero-shot classifier agrees with.

    An image does not always show the class that its caption names. A row :math:`(x, y)` is kept if
    :math:`\arg\max_c x \cdot t_c = y` and the zero-shot probability of :math:`y` is at least the
    threshold.

    There are three ways to use it. A :class:`~sklearn.pipeline.Pipeline` cannot drop rows:
    ``fit_transform`` sets rejected rows to zero (every head ignores zero rows), and ``transform``
    passes rows through. In imbalanced-learn's pipeline, with ``step="resample"``, ``fit_resample``
    drops rejected rows. As the ``filter`` of :class:`~skclip.PrimedNCMClassifier`, it uses the
    classifier's text head.

    Parameters
    ----------
    zero_shot : ZeroShotClassifier or mapping of class name to vector, default=None
        The text head. If None, the text head of the enclosing classifier is used; without one,
        all rows are kept.

    threshold : float, default=0.0
        Minimum zero-shot probability of a row's label, in [0, 1]. With 0, it only has to be the
        largest.

    k : int, default=None
        Maximum number of rows per class. The rows of highest probability are kept.

    step : {"transform", "resample"}, default="transform"
        Whether pipelines use the estimator as a transformer (scikit-learn) or as a sampler
        (imbalanced-learn, which rejects steps that are both).

    Attributes
    ----------
    support_ : ndarray of shape (n_samples,) of bool
        Rows of the data seen in :term:`fit` that are kept.

    text_head_ : TextHead or None
        Text weights and their classes.

    n_features_in_ : int
        Number of features seen in :term:`fit`.

    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the features, when ``X`` has string column names.

    See Also
    --------
    skclip.PrimedNCMClassifier : Recall, filter and head in one estimator.
    skclip.recall.CaptionRetriever : Recalls the rows to filter.

    References
    ----------
    .. [1] Wallingford et al., "Neural Priming for Sample-Efficient Adaptation",
       `arXiv 2306.10191 <https://arxiv.org/abs/2306.10191>`_.

    Examples
    --------
    >>> import numpy as np
    >>> from skclip import ZeroShotFilter
    >>> text = {"cat": [1.0, 0.0], "dog": [0.0, 1.0]}
    >>> X = np.array([[0.9, 0.1], [0.2, 0.8], [0.7, 0.1]])
    >>> y = ["cat", "cat", "dog"]

    >>> ZeroShotFilter(text).fit_transform(X, y)
    array([[0.9, 0.1],
           [0. , 0. ],
           [0. , 0. ]])

    >>> ZeroShotFilter(text, step="resample").fit_resample(X, y)
    (array([[0.9, 0.1]]), array(['cat'], dtype='<U3'))
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "zero_shot": [HasMethods(["fit"]), Mapping, None],
        "threshold": [Interval(Real, 0, 1, closed="both")],
        "k": [Interval(Integral, 1, None, closed="left"), None],
        "step": STEP_CONSTRAINT,
    }

    def __init__(
        self,
        zero_shot: Any = None,
        *,
        threshold: float = 0.0,
        k: int | None = None,
        step: str = "transform",
    ) -> None:
        self.zero_shot = zero_shot
        self.threshold = threshold
        self.k = k
        self.step = step

    @fit_context(prefer_skip_nested_validation=False)
    def fit(self, X: ArrayLike, y: ArrayLike | None = None) -> Self:
        """Find the rows to keep.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Embeddings.

        y : array-like of shape (n_samples,), default=None
            Class labels. Required if there is a text head.

        Returns
        -------
        self : ZeroShotFilter
            The fitted filter.
        """
        self._fit(X, y)
        return self

    def fit_transform(self, X: ArrayLike, y: ArrayLike | None = None) -> NDArray[Any]:
        """Fit, then return the rows with rejected rows set to zero.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Embeddings.

        y : array-like of shape (n_samples,), default=None
            Class labels.

        Returns
        -------
        X : ndarray of shape (n_samples, n_features)
            Rejected rows are zero.
        """
        X, _ = self._fit(X, y)
        return np.where(self.support_[:, None], X, 0).astype(X.dtype, copy=False)

    def transform(self, X: ArrayLike) -> NDArray[Any]:
        """Return new rows unchanged, because their labels are not known.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Embeddings.

        Returns
        -------
        X : ndarray of shape (n_samples, n_features)
            As given.
        """
        check_is_fitted(self)
        return check_embeddings(self, X, reset=False)

    def fit_resample(self, X: ArrayLike, y: ArrayLike) -> tuple[NDArray[Any], NDArray[Any]]:
        """Fit, then return the kept rows.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Embeddings.

        y : array-like of shape (n_samples,)
            Class labels.

        Returns
        -------
        X : ndarray or data frame of shape (n_kept, n_features)
            Kept rows, in their original order.

        y : ndarray or series of shape (n_kept,)
            Their labels.
        """
        rows, labels = self._fit(X, y)
        kept = self.support_
        return as_given(rows[kept], X), as_given(labels[kept], y)

    def _fit(self, X: ArrayLike, y: ArrayLike | None) -> tuple[NDArray[Any], NDArray[Any]]:
        if y is None:
            if self.zero_shot is not None:
                raise ValueError(
                    "ZeroShotFilter requires y to be passed, but the target y is None: the "
                    "zero-shot labels are compared with it."
                )
            X = check_embeddings(self, X, reset=True)
            self.text_head_ = None
            self.support_ = np.ones(len(X), dtype=bool)
            return X, np.empty(0)
        X, y = check_labelled_embeddings(self, X, y)
        classes, _ = encode_labels(y)
        self.text_head_ = resolve_text_head(self.zero_shot, classes)
        self.support_ = self._keeps(X, y, self.text_head_)
        return X, y

    def support(
        self, X: NDArray[Any], y: NDArray[Any], text_head: TextHead | None
    ) -> NDArray[np.bool_]:
        """Return the rows to keep; called by classifiers that contain the filter.

        Parameters
        ----------
        X : ndarray of shape (n_samples, n_features)
            Embeddings.

        y : ndarray of shape (n_samples,)
            Class labels.

        text_head : TextHead or None
            The classifier's text head, used if the filter's ``zero_shot`` is None.

        Returns
        -------
        kept : ndarray of shape (n_samples,) of bool
            Rows to keep.
        """
        if self.zero_shot is not None:
            try:
                text_head = resolve_text_head(self.zero_shot, encode_labels(y)[0])
            except ValueError as error:
                raise ValueError(
                    f"The filter cannot use the labels of the pool: {error}"
                ) from error
        return self._keeps(X, y, text_head, source="The pool")

    def _keeps(
        self, X: NDArray[Any], y: NDArray[Any], text_head: TextHead | None, *, source: str = "y"
    ) -> NDArray[np.bool_]:
        if text_head is None:
            return np.ones(len(X), dtype=bool)
        check_same_width(X.shape[1], text_head)
        codes = encode_known(y, text_head.classes, source=source)
        return agreement(X, codes, text_head, threshold=self.threshold, k=self.k)

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.target_tags.required = self.zero_shot is not None
        return tags
