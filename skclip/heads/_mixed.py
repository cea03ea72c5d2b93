"""Mix any classifier with the text head."""

from __future__ import annotations

from collections.abc import Mapping
from numbers import Real
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn import get_config
from sklearn.base import BaseEstimator, clone
from sklearn.utils import get_tags
from sklearn.utils.metadata_routing import MetadataRouter, MethodMapping, process_routing

from skclip._array_api import is_elsewhere, labels_like, like, take_rows, to_numpy
from skclip._base import ScoreClassifierMixin, linear_scores
from skclip._compat import (
    ArrayAPIMixin,
    HasMethods,
    Interval,
    StrOptions,
    check_sample_weight,
    fit_context,
    get_namespace_and_device,
)
from skclip._linalg import unit_rows
from skclip._text_head import check_same_width, resolve_classes
from skclip._validation import check_labelled_embeddings, encode_known
from skclip.heads._class_mean import NearestClassMean
from skclip.heads._parts import (
    SCHEDULES,
    Alpha,
    FittedHead,
    Images,
    WeightsReprMixin,
    as_images,
    class_logits,
    fill_by_text,
    filled_rows,
    fit_on,
    linear_rows,
    mix,
    outside_scores,
    over_all_classes,
    part_of,
    text_weight,
    weigh,
)

__all__ = ["MixedHeadClassifier"]


def rows_for(head: Any, X: Any) -> Any:
    """Return rows as the head accepts them: in numpy, unless it supports the array API."""
    return to_numpy(X) if is_elsewhere(X) and not get_tags(head).array_api_support else X


class MixedHeadClassifier(WeightsReprMixin, ArrayAPIMixin, ScoreClassifierMixin, BaseEstimator):
    r"""Mix a classifier trained on images with the text head.

    .. math:: \mathrm{score}_c(x) = b_0\, t_c \cdot x + b_1\, f_c(x)

    with the text embedding :math:`t_c` of the class name and the scores :math:`f` of the image
    head. By default the mixing weights :math:`b` maximise the likelihood of the labels, with
    left-out scores of every image. Classes of the text head that ``y`` lacks get the score
    predicted from the text, and can be predicted.

    Parameters
    ----------
    zero_shot : ZeroShotClassifier or mapping of class name to vector, default=None
        The text head. None uses the image head alone.

    head : classifier, default=None
        The image head; a clone of it is fitted on unit rows. None is :class:`NearestClassMean`.
        Wrap a classifier that was fitted on other images in
        :class:`~sklearn.frozen.FrozenEstimator` to use it without fitting.

    alpha : "auto", float, {"exponential", "shrinkage"} or callable, default="auto"
        Mixing weight of the text.

        - ``"auto"``: mixing weights by left-out likelihood. Left-out scores of
          :class:`NearestClassMean` and :class:`GaussianDiscriminantClassifier` with default
          parameters have a closed form; any other head is fitted once more for each of five folds;
        - a number in [0, 1]: weight :math:`\alpha` for the scores of the text and
          :math:`1 - \alpha` for those of the head;
        - a schedule of the number of images per class :math:`n`: ``"exponential"``, the
          :math:`e^{-n^2/\sigma}` of Neural Priming, or ``"shrinkage"``,
          :math:`\sigma / (\sigma + n)`;
        - a function of these numbers that returns one :math:`\alpha` per class.

    sigma : float, default=None
        Constant :math:`\sigma` of the schedule. None is 100 images squared for
        ``"exponential"`` and 5 images for ``"shrinkage"``.

    space : {"weights", "logits", "proba"}, default="logits"
        What is mixed. ``"logits"``: the scores of each head, times its own logit scale.
        ``"weights"``: the same for the rows of ``coef_``, with a linear image head. ``"proba"``:
        probabilities, not with ``alpha="auto"``.

    logit_scale : "auto" or float, default="auto"
        Scale of the probabilities. ``"auto"`` is that of the text head; without one, that of the
        image head, or 1 if it has none.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        Classes of the text head, sorted; without one, those in ``y``.

    head_weights_ : dict of str to float
        Mixing weights of ``"text"`` and ``"head"``. Only for ``alpha="auto"`` with a text head.

    alpha_ : ndarray of shape (n_classes,)
        Mixing weight of the text: 1 for classes that the image head does not know. Not for
        ``alpha="auto"`` with a text head.

    class_count_ : ndarray of shape (n_classes,)
        Sum of the weights of the images of each class.

    head_ : classifier
        The fitted image head.

    text_head_ : TextHead or None
        Text weights aligned with ``classes_``.

    coef_ : ndarray of shape (n_classes, n_features)
        Weights of the mixture; two rows for two classes. Only for ``alpha="auto"`` with a linear
        head and for ``space="weights"``.

    intercept_ : ndarray of shape (n_classes,)
        Intercepts, if there is ``coef_``.

    logit_scale_ : float
        Scale of the probabilities.

    logit_bias_ : float or None
        Bias of the probabilities, for a text head trained with a sigmoid per pair.

    n_features_in_ : int
        Number of features seen in :term:`fit`.

    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the features, when ``X`` has string column names.

    See Also
    --------
    StackedHeadClassifier : Text and any number of heads.
    PrimedNCMClassifier : Text head and class means of labelled and recalled images.
    ZeroShotClassifier : The text head.

    Notes
    -----
    Rows are normalised first, for both heads. The Notes of :class:`PrimedNCMClassifier` have the
    formulas of the mixing weights.

    A zero row gets the scores ``intercept_`` if there is one, else the mixture of the scores that
    the two heads give it.

    With ``sklearn.set_config(array_api_dispatch=True)`` embeddings may be arrays of other
    libraries, such as torch tensors on any device. An image head that supports them, such as
    :class:`~sklearn.discriminant_analysis.LinearDiscriminantAnalysis`, is fitted on that device;
    any other is fitted in numpy. Scores and predictions are on the device of ``X``.

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
    >>> mixed = MixedHeadClassifier(text, LogisticRegression()).fit(X, y)
    >>> mixed.predict([[0.9, 0.2], [-0.9, 0.1]])
    array(['cat', 'fox'], dtype='<U3')
    >>> mixed.set_params(alpha=0.5).fit(X, y).alpha_
    array([0.5, 0.5, 1. ])
    """

    text_head_: Any
    # a fitted array on the device of the X given to fit; there is not always a coef_
    _placed: ClassVar[str] = "class_count_"

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "zero_shot": [HasMethods(["fit"]), Mapping, None],
        "head": [HasMethods(["fit", "predict"]), None],
        "alpha": [
            Interval(Real, 0, 1, closed="both"),
            StrOptions({"auto"} | set(SCHEDULES)),
            callable,
        ],
        "sigma": [Interval(Real, 0, None, closed="neither"), None],
        "space": [StrOptions({"weights", "logits", "proba"})],
        "logit_scale": [StrOptions({"auto"}), Interval(Real, 0, None, closed="neither")],
    }

    def __init__(
        self,
        zero_shot: Any = None,
        head: Any = None,
        *,
        alpha: Alpha = "auto",
        sigma: float | None = None,
        space: str = "logits",
        logit_scale: str | float = "auto",
    ) -> None:
        self.zero_shot = zero_shot
        self.head = head
        self.alpha = alpha
        self.sigma = sigma
        self.space = space
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
            Weight of every row, passed to the head.

        Returns
        -------
        self : MixedHeadClassifier
            The fitted classifier.
        """
        X, y = check_labelled_embeddings(self, X, y)
        weight = check_sample_weight(sample_weight, X, dtype=X.dtype)
        resolved = resolve_classes(self.zero_shot, None, y, estimator=type(self).__name__)
        self.text_head_, classes = resolved.text_head, resolved.names
        codes = np.asarray(resolved.codes)
        self.classes_ = like(classes, y)
        if self.text_head_ is not None:
            check_same_width(X.shape[1], self.text_head_)
            if self.space == "proba" and self.alpha == "auto":
                raise ValueError(
                    "MixedHeadClassifier cannot fit alpha='auto' to probabilities: with "
                    "space='proba' give `alpha` as a number or a schedule, or choose "
                    "space='logits'."
                )
        X = unit_rows(X)
        evident = np.flatnonzero(to_numpy(get_namespace_and_device(X)[0].any(X != 0, axis=1)))
        if not len(evident):
            raise ValueError("X holds only zero rows: give at least one row that is not zero.")
        if len(evident) < len(codes):
            X, codes, weight = take_rows(X, evident), codes[evident], take_rows(weight, evident)
        self._fit_head(X, classes[codes], None if sample_weight is None else weight)
        counts = np.bincount(codes, to_numpy(weight), minlength=len(classes))
        self.class_count_ = like(counts.astype(np.float64), X)
        known = encode_known(to_numpy(self.head_.classes_), classes, source="The head")
        self._codes = known.tolist()
        return self._mix(X, as_images(X, codes, weight))

    def _mix(self, X: Any, shots: Images) -> Self:
        """Compute the mixture, on the device of ``X``."""
        for name in ("alpha_", "head_weights_", "coef_", "intercept_", "_outside"):
            if hasattr(self, name):
                delattr(self, name)
        text, classes, own_scale = self.text_head_, to_numpy(self.classes_), 1.0
        self.logit_bias_ = None if text is None else text.logit_bias
        if text is not None:
            own_scale = float(text.logit_scale)
            self.text_head_ = text._replace(weights=like(text.weights, X, X.dtype))
        elif self.space != "proba":
            own_scale = float(getattr(self.head_, "logit_scale_", 1.0))
        self._scale = own_scale
        self.logit_scale_ = own_scale if self.logit_scale == "auto" else float(self.logit_scale)
        if text is not None and self.alpha == "auto":
            # images are left out in numpy: a head fitted on another device is fitted again
            fitted = None if is_elsewhere(X) else self.head_
            part = part_of(self._new_head(), shots, classes, fitted=fitted)
            weighed = weigh(
                text, classes, scale=own_scale, shots=shots, pool=None, parts={"head": part}
            )
            self.head_weights_, self._outside = weighed.weights, weighed.outside
            rows = weighed.coef / own_scale, weighed.intercept / own_scale
            if not weighed.outside:
                self.coef_, self.intercept_ = (like(values, X, X.dtype) for values in rows)
            elif self.space == "weights":
                raise ValueError(self._not_linear())
            else:
                self._rows = [like(values, X, X.dtype) for values in rows]
            return self
        known = self._known()
        alpha = np.where(known, 0.0, 1.0)
        if text is not None:
            alpha = text_weight(self.alpha, to_numpy(self.class_count_), sigma=self.sigma)
            alpha = np.where(known, alpha, 1.0)
        self.alpha_ = like(alpha, X)
        if self.space == "weights":
            coef, intercept = self._mixed_rows(alpha, rows_for(self.head_, X))
            self.coef_, self.intercept_ = like(coef, X, X.dtype), like(intercept, X, X.dtype)
        return self

    def _known(self) -> NDArray[np.bool_]:
        """Return a mask of the classes that the image head knows."""
        known = np.zeros(self.classes_.shape[0], dtype=bool)
        known[self._codes] = True
        return known & (to_numpy(self.class_count_) > 0)

    def _mixed_rows(self, alpha: NDArray[Any], X: Any) -> tuple[NDArray[Any], NDArray[Any]]:
        """Return the mixture of the weight rows of both heads, each times its logit scale."""
        fitted = linear_rows(FittedHead(self.head_, self.head_, np.array(self._codes)), X)
        if fitted is None:
            raise ValueError(self._not_linear())
        coef, intercept = fitted[0] / self._scale, fitted[1] / self._scale
        n_classes = self.classes_.shape[0]
        if self.text_head_ is None:
            return coef, intercept
        text = to_numpy(self.text_head_.weights).astype(np.float64)
        if len(self._codes) < n_classes:
            # a class that the head does not know has its text row, relative to the known ones
            coef, intercept = filled_rows(coef, intercept, np.array(self._codes), text, 1.0)
            text = text - text[self._codes].mean(axis=0)
        return mix(text, coef, alpha), mix(np.zeros(n_classes), intercept, alpha)

    def _not_linear(self) -> str:
        return (
            f"space='weights' needs a linear head with coef_, got {self.head_!r}: use "
            "space='logits' or 'proba'."
        )

    def _class_scores(self, X: NDArray[Any]) -> NDArray[Any]:
        X = unit_rows(X)
        if hasattr(self, "coef_"):
            return linear_scores(X, self.coef_, self.intercept_)
        if hasattr(self, "_outside"):
            n_classes = self.classes_.shape[0]
            mixed = linear_scores(X, *self._rows)
            mixed += outside_scores(
                self._outside, X, self.text_head_, scale=self._scale, n_classes=n_classes
            )
            return mixed
        if self.space == "proba":
            return self._mixed_proba(X)
        own = class_logits(self.head_, rows_for(self.head_, X)) / self._scale
        if self.text_head_ is None:
            alone: NDArray[Any] = like(own, X, X.dtype)
            return alone
        text = to_numpy(self.text_head_.scores(X)).astype(np.float64)
        scores, known = over_all_classes(own, self._codes, text.shape[1])
        if not known.all():  # the text scores classes that the head does not know
            scores = fill_by_text(scores, known, text, 1.0)
            text = fill_by_text(text, known, text, 1.0)
        published: NDArray[Any] = like(mix(text.T, scores.T, to_numpy(self.alpha_)).T, X, X.dtype)
        return published

    def _mixed_proba(self, X: Any) -> NDArray[Any]:
        """Return the mixture of probabilities; those of the head are 0 for unknown classes."""
        own = to_numpy(self.head_.predict_proba(rows_for(self.head_, X)))
        proba, _ = over_all_classes(own, self._codes, self.classes_.shape[0])
        if self.text_head_ is not None:
            of_text = to_numpy(self.text_head_.proba(X))
            proba = mix(of_text.T, proba.T, to_numpy(self.alpha_)).T
            proba /= proba.sum(axis=1, keepdims=True)
        mixed: NDArray[Any] = like(proba, X, X.dtype)
        return mixed

    def predict_proba(self, X: ArrayLike) -> NDArray[Any]:
        """Predict probabilities.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Embeddings.

        Returns
        -------
        proba : ndarray of shape (n_samples, n_classes)
            The mixture itself for ``space="proba"``, else the softmax of the scores times the
            logit scale. Columns follow ``classes_``.
        """
        if self.space == "proba":
            return self._validated_scores(X, "predict_proba")
        return super().predict_proba(X)

    def get_metadata_routing(self) -> MetadataRouter:
        """Return the metadata routing: ``sample_weight`` to this estimator and to its head.

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

    def _fit_head(self, X: Any, y: NDArray[Any], weight: Any | None) -> None:
        head = self._new_head()
        if self.head is None and self.text_head_ is not None:
            head.set_params(logit_scale=self.text_head_.logit_scale)
        needed = ["decision_function", "predict_proba"]
        needed = needed[1:] if self.space == "proba" else needed
        if not any(hasattr(head, method) for method in needed):
            raise ValueError(
                f"space={self.space!r} needs a head with {' or '.join(needed)}, got {head!r}: "
                "choose another space, or wrap the head in CalibratedClassifierCV."
            )
        X = rows_for(head, X)
        y, weight = labels_like(y, X), None if weight is None else like(weight, X)
        if weight is None:
            self.head_ = head.fit(X, y)
        elif get_config()["enable_metadata_routing"]:
            routed = process_routing(self, "fit", sample_weight=weight)
            self.head_ = head.fit(X, y, **routed.head.fit)
        else:
            self.head_ = fit_on(head, X, y, weight, must_weigh=True)
