"""Mix any head with the text head, in weights, scores or probabilities."""

from collections.abc import Mapping
from numbers import Real
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn import get_config
from sklearn.base import BaseEstimator, clone
from sklearn.utils import Tags, get_tags
from sklearn.utils.metadata_routing import MetadataRouter, MethodMapping, process_routing
from sklearn.utils.validation import has_fit_parameter

from skclip._array_api import cast, is_elsewhere, labels_like, like, take_rows, to_numpy
from skclip._base import ScoreClassifierMixin
from skclip._compat import (
    SUPPORTS_ARRAY_API,
    HasMethods,
    Interval,
    StrOptions,
    check_sample_weight,
    fit_context,
    get_namespace_and_device,
)
from skclip._linalg import unit_rows
from skclip._text_head import check_same_width, resolve_text_head
from skclip._validation import check_labelled_embeddings, encode_labels
from skclip.heads._class_mean import NearestClassMean
from skclip.heads._class_sums import class_sums
from skclip.heads._mixing import (
    CALIBRATIONS,
    SCHEDULES,
    Alpha,
    Scatter,
    calibrated,
    evidence,
    image_scale,
    mix,
    scatter,
    text_share,
)

__all__ = ["MixedHeadClassifier"]


def class_rows(head: Any) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return ``coef_`` and ``intercept_`` in numpy, with one row a class.

    scikit-learn's linear classifiers keep one row for two classes: half of it, with either sign,
    gives the same difference.
    """
    coef = np.atleast_2d(to_numpy(head.coef_))
    intercept = np.atleast_1d(to_numpy(getattr(head, "intercept_", 0.0)))
    if len(coef) == 1 and head.classes_.shape[0] == 2:
        coef = np.concatenate([-coef, coef]) / 2
        intercept = np.concatenate([-intercept, intercept]) / 2
    return coef, np.broadcast_to(intercept, len(coef))


def class_scores(head: Any, X: NDArray[Any], space: str) -> NDArray[Any]:
    """Return ``(n_samples, n_classes)`` scores or probabilities, also for two classes."""
    scores: NDArray[Any] = (head.predict_proba if space == "proba" else head.decision_function)(X)
    if scores.ndim == 1:
        xp, _, _ = get_namespace_and_device(scores)
        scores = xp.stack([-scores, scores], axis=1) / 2
    return scores


def rows_for(head: Any, X: Any) -> Any:
    """Return rows where the head can read them: in numpy, unless it supports the array API."""
    return to_numpy(X) if is_elsewhere(X) and not get_tags(head).array_api_support else X


class BaseMixedHead(ScoreClassifierMixin, BaseEstimator):
    """The steps of mixing; subclasses say how much text there is in the mixture."""

    _placed: ClassVar[str] = "alpha_"  # there is no coef_ but in the space of weights

    zero_shot: Any
    head: Any
    count: str
    space: str
    calibration: str
    logit_scale: Any
    text_head_: Any

    def _prepare(
        self, X: Any, y: Any, sample_weight: ArrayLike | None
    ) -> tuple[Any, NDArray[Any], Any]:
        """Fit the image head and measure its scale; return unit rows that are not zero."""
        X, y = check_labelled_embeddings(self, X, y)
        weight = check_sample_weight(sample_weight, X, dtype=X.dtype)
        labels, _ = encode_labels(y)
        text_head = resolve_text_head(self.zero_shot, labels)
        classes = labels if text_head is None else text_head.classes
        self.classes_ = like(classes, y)
        X, y = unit_rows(X), to_numpy(y)
        evident = np.flatnonzero(to_numpy(get_namespace_and_device(X)[0].any(X != 0, axis=1)))
        if not len(evident):
            raise ValueError("X holds only zero rows, which carry no evidence.")
        if len(evident) < len(y):
            X, y, weight = take_rows(X, evident), y[evident], take_rows(weight, evident)
        self._fit_head(X, y, None if sample_weight is None else weight)
        codes = np.searchsorted(classes, y).astype(np.int32)
        sums, counts = class_sums(X, codes, len(classes), weight)
        known = np.isin(classes, to_numpy(self.head_.classes_)) & (counts > 0)
        self.class_count_, self._known = like(counts, X), like(known, X)
        self._within, self._offset = 1.0, 1.0
        self._kind, self._scale = "none", 1.0
        self.text_head_ = text_head
        if text_head is not None:
            check_same_width(X.shape[1], text_head)
            self._within, self._offset = scatter(text_head.weights, sums, counts)
            self._kind = "none" if self.space == "proba" else self.calibration
            self.text_head_ = text_head._replace(weights=like(text_head.weights, X, X.dtype))
            means = like(unit_rows(sums)[known], X, X.dtype)
            self._scale = image_scale(self._kind, *self._comparable_rows(means))
        self.logit_scale_ = self._resolved_scale()
        return X, y, weight

    def _text_share(self, alpha: Alpha, sigma: float | None) -> NDArray[np.float64]:
        """Return the share of the text head for every class: 1 where there are no images."""
        known = to_numpy(self._known)
        if self.text_head_ is None:
            return np.where(known, 0.0, 1.0)
        counts = evidence(to_numpy(self.class_count_), self.count)
        share = text_share(alpha, counts, sigma=sigma, scatter=Scatter(self._within, self._offset))
        return np.where(known, share, 1.0)

    def _mix(self, alpha: Alpha, sigma: float | None, X: Any) -> None:
        """Mix for good, where the rows ``X`` lie."""
        share = self._text_share(alpha, sigma)
        self.alpha_ = like(share, X)
        if self.space == "weights":
            coef, intercept = self._mixed_weights(share)
            self.coef_, self.intercept_ = like(coef, X, X.dtype), like(intercept, X, X.dtype)

    def get_metadata_routing(self) -> MetadataRouter:
        """Return what metadata goes where: ``sample_weight`` to this estimator and to its head.

        Returns
        -------
        routing : MetadataRouter
            See scikit-learn's user guide on metadata routing.
        """
        return (
            MetadataRouter(owner=self)
            .add_self_request(self)
            .add(
                head=self._new_head(),
                method_mapping=MethodMapping().add(caller="fit", callee="fit"),
            )
        )

    def _new_head(self) -> Any:
        if self.head is not None:
            return clone(self.head)
        head = NearestClassMean()
        if get_config()["enable_metadata_routing"]:
            head.set_fit_request(sample_weight=True)
        return head

    def _comparable_rows(self, means: Any) -> tuple[NDArray[Any], NDArray[Any]]:
        """Return what both heads hold for the known classes: weights, or scores of their means."""
        known = to_numpy(self._known)
        if hasattr(self.head_, "coef_"):
            return to_numpy(self.text_head_.weights)[known], self._own_weights()[0][known]
        text, image = (to_numpy(of(means)) for of in (self._text_scores, self._image_scores))
        return text[:, known].T, image[:, known].T

    def _columns(self) -> NDArray[np.intp]:
        """Return where the image head's classes stand among all."""
        classes, own = to_numpy(self.classes_), to_numpy(self.head_.classes_)
        columns: NDArray[np.intp] = np.searchsorted(classes, own)
        return columns

    def _fit_head(self, X: Any, y: NDArray[Any], weight: Any | None) -> None:
        head = self._new_head()
        needed = "predict_proba" if self.space == "proba" else "decision_function"
        if not hasattr(head, needed):
            raise ValueError(
                f"space={self.space!r} needs a head with {needed}, got {head!r}: choose another "
                "space, or wrap the head in CalibratedClassifierCV for space='proba'."
            )
        X = rows_for(head, X)
        y, weight = labels_like(y, X), None if weight is None else like(weight, X)
        if weight is None:
            self.head_ = head.fit(X, y)
        elif get_config()["enable_metadata_routing"]:
            routed = process_routing(self, "fit", sample_weight=weight)
            self.head_ = head.fit(X, y, **routed.head.fit)
        elif has_fit_parameter(head, "sample_weight"):
            self.head_ = head.fit(X, y, sample_weight=weight)
        else:
            raise ValueError(
                f"sample_weight was given, but the head {head!r} takes none: leave the weights "
                "out or choose a head whose fit has sample_weight."
            )
        if self.space == "weights" and not hasattr(self.head_, "coef_"):
            raise ValueError(
                f"space='weights' needs a linear head with coef_, got {head!r}: use "
                "space='logits' or 'proba'."
            )

    def _resolved_scale(self) -> float:
        if self.logit_scale != "auto":
            return float(self.logit_scale)
        if self.text_head_ is not None:
            return float(self.text_head_.logit_scale)
        return float(getattr(self.head_, "logit_scale_", 1.0))

    def _text_scores(self, X: Any) -> Any:
        """Return the text head's scores, or probabilities, of unit rows."""
        if self.text_head_ is None:
            # classes without any evidence are never predicted
            never = 0.0 if self.space == "proba" else -np.inf
            row = like(np.where(to_numpy(self._known), 0.0, never), X, X.dtype)
            return get_namespace_and_device(X)[0].broadcast_to(row, (X.shape[0], row.shape[0]))
        return (self.text_head_.proba if self.space == "proba" else self.text_head_.scores)(X)

    def _image_scores(self, X: Any) -> Any:
        """Return the image head's scores, or probabilities; 0 for classes it does not know."""
        space = "proba" if self.space == "proba" else "logits"
        own = like(class_scores(self.head_, rows_for(self.head_, X), space), X)
        columns, n_classes = self._columns(), self.classes_.shape[0]
        if len(columns) == n_classes:
            return own
        # every other class takes the column of zeros at the end
        xp, _, _ = get_namespace_and_device(own)
        padded = xp.concat([own, xp.zeros_like(own[:, :1])], axis=1)
        source = np.full(n_classes, len(columns))
        source[columns] = np.arange(len(columns))
        return xp.take(padded, like(source, own), axis=1)

    def _own_weights(self) -> tuple[NDArray[Any], NDArray[Any]]:
        """Return the image head's weights and intercepts; 0 for classes it does not know."""
        own_coef, own_intercept = class_rows(self.head_)
        n_classes = self.classes_.shape[0]
        coef, intercept = np.zeros((n_classes, own_coef.shape[1])), np.zeros(n_classes)
        coef[self._columns()], intercept[self._columns()] = own_coef, own_intercept
        return coef, intercept

    def _mixed_weights(self, share: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
        """Return the mixture as one linear head."""
        coef, intercept = self._own_weights()
        if self.text_head_ is None:
            return coef, np.where(to_numpy(self._known), intercept, -np.inf)
        coef = self._mixed(to_numpy(self.text_head_.weights), coef, share)
        return coef, self._mixed(np.zeros_like(intercept), intercept, share)

    def _mixed(self, text: Any, image: Any, share: NDArray[Any]) -> Any:
        """Calibrate and mix two heads with classes on axis 0."""
        image = calibrated(self._kind, self._scale, text, image, to_numpy(self._known))
        return mix(text, image, share)

    def _class_scores(self, X: NDArray[Any]) -> NDArray[Any]:
        X = unit_rows(X)
        if self.space == "weights":
            linear: NDArray[Any] = X @ cast(self.coef_, X.dtype).T
            linear += cast(self.intercept_, X.dtype)
            return linear
        text, image = self._text_scores(X), self._image_scores(X)
        scores: NDArray[Any] = self._mixed(text.T, image.T, to_numpy(self.alpha_)).T
        if self.space == "proba":
            scores /= get_namespace_and_device(X)[0].sum(scores, axis=1, keepdims=True)
        return scores

    def predict_proba(self, X: ArrayLike) -> NDArray[Any]:
        """Predict probabilities.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Embeddings.

        Returns
        -------
        proba : ndarray of shape (n_samples, n_classes)
            The mixture itself for ``space="proba"``, else the softmax of the scores at the
            logit scale. Columns follow ``classes_``.
        """
        if self.space == "proba":
            return self._validated_scores(X, "predict_proba")
        return super().predict_proba(X)

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.array_api_support = SUPPORTS_ARRAY_API
        return tags


class MixedHeadClassifier(BaseMixedHead):
    r"""Mix a classifier trained on images with the text head.

    .. math:: \mathrm{score}_c(x) = \alpha_c\, x \cdot t_c + (1 - \alpha_c)\, f'_c(x)

    with the share :math:`\alpha_c` of the text head and the image head :math:`f'` on the text
    head's scale. For a linear head this is one linear head with weights
    :math:`W = \alpha T + (1 - \alpha) M`, as in Neural Priming.

    Parameters
    ----------
    zero_shot : ZeroShotClassifier or mapping of class name to vector, default=None
        The text head. Without one the image head stands alone.

    head : classifier, default=None
        The image head; it is cloned and fitted on unit rows. None is
        :class:`NearestClassMean`. Wrap a fitted classifier in
        :class:`~sklearn.frozen.FrozenEstimator` to use it as it is.

    alpha : float, {"variance", "shrinkage", "exponential"} or callable, default="variance"
        Share of the text head: a number in [0, 1]; a schedule of the class counts :math:`n`; or
        a function of the counts that returns shares. A class without images has share 1.

        - ``"variance"``: :math:`\sigma v / (\sigma v + n \delta^2)` with the variance :math:`v`
          of images about their class mean and :math:`\delta^2` of class means about their text,
          both estimated from the images: the text's share in the posterior mean;
        - ``"shrinkage"``: :math:`\sigma / (\sigma + n)`;
        - ``"exponential"``: :math:`e^{-n^2/\sigma}`, the paper's.

    sigma : float, default=None
        Constant :math:`\sigma` of the schedule. None is 1 for ``"variance"``, 5 images for
        ``"shrinkage"`` and 100 images squared for ``"exponential"``.

    count : {"per_class", "mean", "total"}, default="per_class"
        What :math:`n` counts: each class's images, their mean over classes, or all.

    space : {"weights", "logits", "proba"}, default="logits"
        Where to mix: weight rows (linear heads only), scores of ``decision_function``, or
        probabilities.

    calibration : {"none", "center", "zscore", "regression"}, default="regression"
        How the image head is put on the text head's scale before the two are mixed: not at all
        (the paper); by the mean over classes; by mean and spread; or by mean and the slope of
        image weights on text weights, which leaves a text head without a voice where it says
        nothing about the images. Has no part in ``space="proba"``.

    logit_scale : "auto" or float, default="auto"
        Scale of the probabilities; ``"auto"`` is the text head's, 100 without one.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        Classes of the text head, sorted; those in ``y`` without one.

    alpha_ : ndarray of shape (n_classes,)
        Share of the text head.

    class_count_ : ndarray of shape (n_classes,)
        Weight of each class's images.

    head_ : classifier
        The fitted image head.

    text_head_ : TextHead or None
        Text weights aligned with ``classes_``.

    coef_ : ndarray of shape (n_classes, n_features)
        Mixed weights, for ``space="weights"``. One row a class, also for two.

    intercept_ : ndarray of shape (n_classes,)
        Intercepts, for ``space="weights"``.

    logit_scale_ : float
        Scale of the probabilities.

    n_features_in_ : int
        Number of features seen in :term:`fit`.

    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the features, when ``X`` has string column names.

    See Also
    --------
    PrimedNCMClassifier : Class means of labelled and recalled images beside the text head.
    ZeroShotClassifier : The text head.

    Notes
    -----
    Rows are normalised before anything else, so that both heads see directions only. Classes
    that the text head knows and ``y`` lacks keep their text score and can be predicted.

    With ``sklearn.set_config(array_api_dispatch=True)`` embeddings may be arrays of other
    libraries, such as torch tensors on any device. An image head that supports them, as
    :class:`~sklearn.discriminant_analysis.LinearDiscriminantAnalysis` does, is fitted where they
    lie; any other reads them in numpy. Scores and predictions lie where ``X`` lies.

    References
    ----------
    .. [1] Wallingford et al., "Neural Priming for Sample-Efficient Adaptation",
       `arXiv 2306.10191 <https://arxiv.org/abs/2306.10191>`_.

    Examples
    --------
    >>> from sklearn.linear_model import LogisticRegression
    >>> from skclip import MixedHeadClassifier
    >>> text = {"cat": [1.0, 0.0], "dog": [0.0, 1.0], "fox": [-1.0, 0.0]}
    >>> X, y = [[0.9, 0.1], [0.8, 0.3], [0.3, 0.8], [0.1, 0.9]], ["cat", "cat", "dog", "dog"]
    >>> mixed = MixedHeadClassifier(text, LogisticRegression(), alpha=0.5).fit(X, y)
    >>> mixed.predict([[0.9, 0.2], [-0.9, 0.1]])
    array(['cat', 'fox'], dtype='<U3')
    >>> mixed.alpha_
    array([0.5, 0.5, 1. ])
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "zero_shot": [HasMethods(["fit"]), Mapping, None],
        "head": [HasMethods(["fit", "predict"]), None],
        "alpha": [Interval(Real, 0, 1, closed="both"), StrOptions(set(SCHEDULES)), callable],
        "sigma": [Interval(Real, 0, None, closed="neither"), None],
        "count": [StrOptions({"per_class", "mean", "total"})],
        "space": [StrOptions({"weights", "logits", "proba"})],
        "calibration": [StrOptions(CALIBRATIONS)],
        "logit_scale": [StrOptions({"auto"}), Interval(Real, 0, None, closed="neither")],
    }

    def __init__(
        self,
        zero_shot: Any = None,
        head: Any = None,
        *,
        alpha: Alpha = "variance",
        sigma: float | None = None,
        count: str = "per_class",
        space: str = "logits",
        calibration: str = "regression",
        logit_scale: str | float = "auto",
    ) -> None:
        self.zero_shot = zero_shot
        self.head = head
        self.alpha = alpha
        self.sigma = sigma
        self.count = count
        self.space = space
        self.calibration = calibration
        self.logit_scale = logit_scale

    @fit_context(prefer_skip_nested_validation=False)
    def fit(self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None) -> Self:
        """Fit the image head and mix it with the text head.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Embeddings; zero rows are ignored.

        y : array-like of shape (n_samples,)
            Class labels.

        sample_weight : array-like of shape (n_samples,), default=None
            Weight of every row, passed on to the head.

        Returns
        -------
        self : MixedHeadClassifier
            The fitted classifier.
        """
        X, _, _ = self._prepare(X, y, sample_weight)
        self._mix(self.alpha, self.sigma, X)
        return self
