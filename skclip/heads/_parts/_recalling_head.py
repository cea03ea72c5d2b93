"""Heads of text, labelled and recalled images: their parameters, ``fit`` and updates."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from numbers import Real
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils.validation import check_is_fitted

from skclip._array_api import dtype_name, like
from skclip._compat import (
    ArrayAPIMixin,
    HasMethods,
    Interval,
    StrOptions,
    check_same_namespace,
    fit_context,
)
from skclip._text_head import TextHead, resolve_classes
from skclip.heads._parts._distinct_images import Images
from skclip.heads._parts._pool_images import common_width, pool_images, recall_pool
from skclip.heads._parts._sampled_images import MAX_KEPT
from skclip.heads._parts._weights_repr import WeightsReprMixin

if TYPE_CHECKING:
    from skclip.recall import PrimingPool

__all__ = ["RecallingHeadMixin"]


class RecallingHeadMixin(WeightsReprMixin, ArrayAPIMixin):
    """``fit``, ``partial_fit`` and ``forget`` of a head that recalls images of its classes.

    A subclass fits the first rows in ``_start``, and adds or removes others in ``_update``.
    """

    zero_shot: Any
    corpus: Any
    retriever: Any
    filter: Any
    classes: ArrayLike | None
    logit_scale: str | float

    text_head_: TextHead | None
    pool_: PrimingPool | None
    _pool: Images | None  # the images of pool_
    _is_sample: bool  # whether sums stand for labelled images beyond a sample

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "zero_shot": [HasMethods(["fit"]), Mapping, None],
        "corpus": [object],
        "retriever": [HasMethods(["recall"]), None],
        "filter": [HasMethods(["support"]), StrOptions({"passthrough"}), None],
        "classes": ["array-like", None],
        "logit_scale": [StrOptions({"auto"}), Interval(Real, 0, None, closed="neither")],
    }

    @abstractmethod
    def _start(
        self,
        X: ArrayLike | None,
        y: ArrayLike | None,
        sample_weight: ArrayLike | None,
        classes: ArrayLike | None = None,
        *,
        most: int | None = None,
    ) -> Self:
        """Recall images and fit the head; ``classes`` are used if the parameter is None.

        Of more than ``most`` labelled images a sample is kept; None keeps all.
        """

    @abstractmethod
    def _update(
        self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None, method: str
    ) -> Self:
        """Add or remove labelled images, for ``"partial_fit"`` or ``"forget"``."""

    @fit_context(prefer_skip_nested_validation=False)
    def fit(
        self,
        X: ArrayLike | None = None,
        y: ArrayLike | None = None,
        sample_weight: ArrayLike | None = None,
    ) -> Self:
        """Recall and filter images, and fit the head on them, on labelled images and on the text.

        Of more than 100 000 labelled images without weights, the class sums of all and a sample of
        5000 are kept, on which mixing weights are fitted. Single images can then neither be
        added nor removed.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features), default=None
            Embeddings of labelled images; zero rows are ignored. Not needed if the class names are
            known. Without labels, only its device and its number of features are used.

        y : array-like of shape (n_samples,), default=None
            Class labels; without ``X``, the class names.

        sample_weight : array-like of shape (n_samples,), default=None
            Weight of every labelled image.

        Returns
        -------
        self : estimator
            The fitted classifier.

        Raises
        ------
        ValueError
            If there are neither labels nor class names, a label has no text embedding, or images,
            pool and text differ in their number of features.
        ModelMismatchError
            If the pool was embedded by another model than the text.
        """
        return self._start(X, y, sample_weight, most=MAX_KEPT)

    @fit_context(prefer_skip_nested_validation=False)
    def partial_fit(
        self,
        X: ArrayLike,
        y: ArrayLike,
        classes: ArrayLike | None = None,
        sample_weight: ArrayLike | None = None,
    ) -> Self:
        """Add labelled images. The first call equals :meth:`fit`; later calls do not recall again.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Embeddings.

        y : array-like of shape (n_samples,)
            Labels among ``classes_``.

        classes : array-like of shape (n_classes,), default=None
            All classes. Needed in the first call if neither the parameter ``classes`` nor the text
            head names them, and ``y`` does not hold all of them.

        sample_weight : array-like of shape (n_samples,), default=None
            Weight of every image.

        Returns
        -------
        self : estimator
            The updated classifier.
        """
        if not hasattr(self, "coef_"):
            return self._start(X, y, sample_weight, classes)
        check_same_namespace(X, self, attribute="coef_", method="partial_fit")
        return self._update(X, y, sample_weight, "partial_fit")

    def forget(self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None) -> Self:
        """Remove labelled images; the head is as if fitted without them.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Embeddings, as they were given.

        y : array-like of shape (n_samples,)
            Their labels.

        sample_weight : array-like of shape (n_samples,), default=None
            Their weights, as they were given.

        Returns
        -------
        self : estimator
            The updated classifier.

        Raises
        ------
        ValueError
            If rows were not fitted, or weigh more than the fitted ones.
        """
        check_is_fitted(self)
        check_same_namespace(X, self, attribute="coef_", method="forget")
        return self._update(X, y, sample_weight, "forget")

    def _recall(
        self, X: Any, y: Any, labels: Any, classes: ArrayLike | None
    ) -> NDArray[np.int32] | None:
        """Resolve the classes and recall their images.

        Parameters
        ----------
        X, y : array or None
            Embeddings and labels, of any array library, as given.

        labels : array-like or None
            Labels of the classes.

        classes : array-like or None
            All classes, if the parameter does not name them.

        Returns
        -------
        codes : ndarray of shape (n_labels,) or None
            Position of each of ``labels`` in ``classes_``.
        """
        estimator = type(self).__name__
        declared = self.classes if self.classes is not None else classes
        resolved = resolve_classes(self.zero_shot, declared, labels, estimator=estimator)
        self.text_head_, names = resolved.text_head, resolved.names
        self.classes_ = like(names, y)
        self.pool_ = recall_pool(
            self.corpus, self.retriever, self.filter, self.text_head_, names, estimator=estimator
        )
        self._pool = pool_images(self.pool_, names)
        rows = [] if X is None else [X]
        rows += [] if self._pool is None else [self._pool.X]
        self.n_features_in_ = common_width(rows, self.text_head_)
        self._dtype = np.result_type("float32", *map(dtype_name, rows)).name
        return resolved.codes

    def _check_keeps_images(self, method: str) -> None:
        """Raise if only a sample of the labelled images was kept."""
        if self._is_sample:
            raise ValueError(
                f"{method} needs all labelled images, but this {type(self).__name__} was fitted on "
                f"a corpus or on more than {MAX_KEPT} images, and keeps a sample of them: fit it "
                "again."
            )

    def _check_evidence(self, *, has_images: bool) -> None:
        """Raise if there is neither text nor an image."""
        if self.text_head_ is None and not has_images:
            raise ValueError(
                "There is neither a text head nor an image: give `zero_shot`, `corpus` or "
                "`retriever`, or labelled images with nonzero rows and weights."
            )

    def _set_logits(self) -> float:
        """Set scale and bias of the probabilities; return the scale of the text, or 100."""
        scale, self.logit_bias_ = 100.0, None
        if self.text_head_ is not None:
            scale, self.logit_bias_ = self.text_head_.logit_scale, self.text_head_.logit_bias
        self.logit_scale_ = float(scale if self.logit_scale == "auto" else self.logit_scale)
        return float(scale)
