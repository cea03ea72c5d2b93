"""The steps of Neural Priming (arXiv 2306.10191) over class sums: recall, filter, sum, mix.

PrimedNCMClassifier takes them with a given share of text, PrimedNCMClassifierCV chooses one.
"""

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, clone
from sklearn.utils import Tags
from sklearn.utils.validation import assert_all_finite, check_is_fitted

from skclip._array_api import dtype_name, like, take_rows, to_numpy
from skclip._base import CosineLinearMixin
from skclip._compat import (
    SUPPORTS_ARRAY_API,
    check_same_namespace,
    check_sample_weight,
    fit_context,
)
from skclip._linalg import unit_rows
from skclip._text_head import TextHead, check_labels_known, check_same_width, resolve_text_head
from skclip._validation import (
    check_class_names,
    check_embeddings,
    check_labelled_embeddings,
    encode_labels,
    sample_of,
)
from skclip.exceptions import ModelMismatchError
from skclip.heads._class_sums import class_sums
from skclip.heads._mixing import (
    Alpha,
    calibrated,
    evidence,
    image_scale,
    mix,
    saturated,
    scatter,
    text_share,
)
from skclip.heads._transduction import near_any
from skclip.recall import CaptionRetriever, PrimingPool, ZeroShotFilter

__all__ = ["BasePrimedNCM"]

_Rows = tuple[Any, NDArray[Any], Any]  # embeddings, labels (in numpy), weights


class BasePrimedNCM(CosineLinearMixin, BaseEstimator):
    """Recall, filter, class sums and mixture; subclasses say how much text there is in it."""

    zero_shot: Any
    corpus: Any
    retriever: Any
    filter: Any
    classes: Any
    count: str
    pool_weight: float
    pool_limit: float | None
    calibration: str
    logit_scale: Any
    unlabeled: Any
    n_neighbors: int
    text_head_: Any
    shot_sum_: NDArray[np.float64]
    shot_count_: NDArray[np.float64]

    @abstractmethod
    def _share(self) -> tuple[Alpha, float | None]:
        """Return the share of the text head and the constant of its schedule."""

    @fit_context(prefer_skip_nested_validation=False)
    def fit(
        self,
        X: ArrayLike | None = None,
        y: ArrayLike | None = None,
        sample_weight: ArrayLike | None = None,
    ) -> Self:
        """Recall, filter, average and mix.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features), default=None
            Embeddings of labelled images; zero rows are ignored. May be left out where class
            names are known without labels. Without labels, only its width and where it lies are
            looked at.

        y : array-like of shape (n_samples,), default=None
            Class labels; without ``X`` the names of the classes.

        sample_weight : array-like of shape (n_samples,), default=None
            Weight of every labelled image.

        Returns
        -------
        self : estimator
            The fitted classifier.

        Raises
        ------
        ValueError
            If there are neither labels nor class names, a label has no text embedding, or the
            widths of images, pool and text differ.
        ModelMismatchError
            If the pool was embedded by another model than the text.
        """
        self._accumulate(X, y, sample_weight)
        self._mix(*self._share())
        return self

    @fit_context(prefer_skip_nested_validation=False)
    def partial_fit(
        self,
        X: ArrayLike,
        y: ArrayLike,
        classes: ArrayLike | None = None,
        sample_weight: ArrayLike | None = None,
    ) -> Self:
        """Add labelled images; the first call is :meth:`fit`, later ones do not recall again.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Embeddings.

        y : array-like of shape (n_samples,)
            Labels among ``classes_``.

        classes : array-like of shape (n_classes,), default=None
            All classes, in the first call, where neither the ``classes`` parameter nor the text
            head names them and not all are in ``y`` yet.

        sample_weight : array-like of shape (n_samples,), default=None
            Weight of every image.

        Returns
        -------
        self : estimator
            The updated classifier.
        """
        if not hasattr(self, "shot_sum_"):
            self._accumulate(X, y, sample_weight, classes)
            self._mix(*self._share())
            return self
        return self._update(X, y, sample_weight, sign=1)

    def forget(self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None) -> Self:
        """Take labelled images away, as if they had never been seen.

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
        """
        check_is_fitted(self)
        return self._update(X, y, sample_weight, sign=-1)

    def prime(self, X: ArrayLike) -> Self:
        """Let the images to be classified choose the recalled images (transductive priming).

        Of the recalled images, only those take part that are among the ``n_neighbors`` nearest of
        at least one target; each keeps the class it was recalled for. No label of a target is
        looked at. Results on the targets themselves are transductive: they cannot be compared with
        those of a classifier that has not seen its test images.

        Parameters
        ----------
        X : array-like of shape (n_targets, n_features)
            Embeddings of the images to be classified.

        Returns
        -------
        self : estimator
            The updated classifier. A further call chooses anew from all recalled images.
        """
        check_is_fitted(self)
        self._choose_pool(check_embeddings(self, X, reset=False))
        self._mix(*self._share())
        return self

    def score(self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None) -> float:
        """Return the accuracy.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Embeddings.

        y : array-like of shape (n_samples,)
            True labels.

        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows.

        Returns
        -------
        accuracy : float
            Share of right labels.

        Raises
        ------
        ValueError
            If unlabelled rows are among them, as in a cross-validation that splits targets.
        """
        if self._is_target(to_numpy(y)).any():
            raise ValueError(
                f"y holds {self.unlabeled!r}, the mark of unlabelled rows: score only labelled "
                "rows, and split only those in a cross-validation."
            )
        return float(super().score(X, y, sample_weight))

    def _is_target(self, y: NDArray[Any]) -> NDArray[np.bool_]:
        if self.unlabeled is None:
            return np.zeros(len(y), dtype=bool)
        return np.asarray(y == self.unlabeled)

    def _update(
        self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None, *, sign: int
    ) -> Self:
        method = "partial_fit" if sign > 0 else "forget"
        check_same_namespace(X, self, attribute="coef_", method=method)
        X, y = check_labelled_embeddings(self, X, y, reset=False)
        classes = to_numpy(self.classes_)
        check_labels_known(encode_labels(y)[0], classes)
        weight = check_sample_weight(sample_weight, X, dtype=X.dtype)
        sums, counts = self._sums((X, to_numpy(y), weight))
        seen_sum, seen_count = to_numpy(self.shot_sum_), to_numpy(self.shot_count_)
        count = seen_count + sign * counts
        # what is left of a weight after sums of rounded terms is not evidence
        count[np.abs(count) <= 1e-9 * np.maximum(1, seen_count)] = 0
        if (count < 0).any():
            raise ValueError(
                "More images were to be forgotten than were fitted, of the classes "
                f"{sample_of(classes[count < 0])}. Forget each at most once."
            )
        self._set_shots(np.where(count[:, None] > 0, seen_sum + sign * sums, 0), count, X)
        self._mix(*self._share())
        return self

    def _accumulate(
        self,
        X: ArrayLike | None,
        y: ArrayLike | None,
        sample_weight: ArrayLike | None,
        classes: ArrayLike | None = None,
    ) -> _Rows | None:
        """Recall, filter and sum; return the validated labelled rows."""
        declared = self.classes if self.classes is not None else classes
        shots = targets = None
        if X is not None and y is not None:
            X, y = check_labelled_embeddings(self, X, y, ensure_all_finite=False)
            weight = check_sample_weight(sample_weight, X, dtype=X.dtype)
            shots, targets = self._split_off_targets(X, to_numpy(y), weight)
        elif X is not None:
            X = check_embeddings(self, X, reset=True)
        labels = y if X is None else None if shots is None else shots[1]
        self.text_head_, names = self._resolve_classes(labels, declared)
        self.classes_ = like(names, y)
        self.pool_ = self._recall(names)
        recalled = self._pool_rows()
        embedded = [rows for rows in (X, recalled and recalled[0]) if rows is not None]
        self.n_features_in_ = self._common_width(embedded)
        self._dtype = np.result_type("float32", *map(dtype_name, embedded)).name
        sums, counts = self._sums(shots)
        if not np.isfinite(sums).all():
            assert_all_finite(X, input_name="X", estimator_name=type(self).__name__)
        self._set_shots(sums, counts, X)
        self._set_primed(np.ones(0 if self.pool_ is None else len(self.pool_), dtype=bool))
        if self.text_head_ is None and not self._worth()[1].any():
            raise ValueError(
                "There is neither a text head nor an image that carries evidence: give "
                "`zero_shot`, a pool, or labelled images that are not zero."
            )
        if targets is not None:
            self._choose_pool(targets)
        return shots

    def _split_off_targets(
        self, X: Any, y: NDArray[Any], weight: Any
    ) -> tuple[_Rows | None, Any | None]:
        """Return the labelled rows, and the embeddings of those without a label."""
        is_target = self._is_target(y)
        if not is_target.any():
            return (X, y, weight), None
        targets, labelled = take_rows(X, np.flatnonzero(is_target)), np.flatnonzero(~is_target)
        if not len(labelled):
            return None, targets
        return (take_rows(X, labelled), y[labelled], take_rows(weight, labelled)), targets

    def _resolve_classes(self, y: Any, declared: Any) -> tuple[TextHead | None, NDArray[Any]]:
        """Return the text head and the sorted classes to predict."""
        names: Any
        if declared is not None:
            names = np.unique(np.asarray(check_class_names(declared, parameter="classes")))
            if y is not None:
                check_labels_known(encode_labels(y)[0], names)
        elif y is not None:
            names = encode_labels(y)[0]
        elif self.zero_shot is not None:
            names = None  # the text head names them, or says that it cannot
        else:
            raise ValueError(
                "PrimedNCMClassifier requires y to be passed, but the target y is None, and "
                "neither `classes` nor a text head names the classes."
            )
        text_head = resolve_text_head(self.zero_shot, names)
        if text_head is None:
            return None, names
        if declared is not None:
            # of all the classes the text head may know, those asked for
            text_head = text_head.restricted(names)
        return text_head, text_head.classes

    def _recall(self, classes: NDArray[Any]) -> PrimingPool | None:
        """Recall images of the classes and keep those that pass the filter."""
        text_head = self.text_head_
        if self.corpus is not None and self.retriever is not None:
            raise ValueError(
                "Give either `corpus` or `retriever`, not both: a retriever has a corpus of its "
                "own."
            )
        if self.corpus is None and self.retriever is None:
            return None
        retriever = (
            CaptionRetriever(self.corpus)
            if self.retriever is None
            else clone(self.retriever, safe=False)
        )
        pool: PrimingPool = retriever.recall(check_class_names(classes, parameter="classes"))
        if pool.embeddings is None:
            raise ValueError(
                f"The {len(pool)} recalled images have no embeddings: build the corpus with an "
                "embedder, or give the retriever one."
            )
        text_model = None if text_head is None else text_head.model_id
        if None not in (pool.model_id, text_model) and pool.model_id != text_model:
            raise ModelMismatchError(
                f"The pool was embedded by {pool.model_id!r}, the class names by "
                f"{text_model!r}: embed both with one model."
            )
        if not len(pool) or isinstance(self.filter, str):
            return pool
        pool_filter = ZeroShotFilter() if self.filter is None else clone(self.filter)
        return pool[pool_filter.support(pool.embeddings, pool.labels, text_head)]

    def _pool_rows(self) -> _Rows | None:
        pool = self.pool_
        if pool is None or pool.embeddings is None or not len(pool):
            return None
        weight = np.full(len(pool), float(self.pool_weight))
        if pool.sample_weight is not None:
            weight *= pool.sample_weight
        return pool.embeddings, pool.labels, weight.astype(pool.embeddings.dtype)

    def _choose_pool(self, targets: Any) -> None:
        """Let those recalled images take part that are near a target."""
        pool = self.pool_
        if pool is None or pool.embeddings is None:
            raise ValueError(
                "Targets choose among recalled images, but nothing was recalled: give `corpus` "
                "or `retriever`."
            )
        # recalled images lie in numpy, and so the targets join them there
        self._set_primed(near_any(pool.embeddings, to_numpy(targets), self.n_neighbors))

    def _common_width(self, embedded: list[Any]) -> int:
        """Return the number of features that labelled images, pool and text share."""
        widths = [rows.shape[1] for rows in embedded]
        if len(set(widths)) > 1:
            raise ValueError(
                f"X has {widths[0]} features, but the recalled images have {widths[1]}: both must "
                "be embedded by the same model."
            )
        if self.text_head_ is None:
            return widths[0] if widths else 0
        for width in widths:
            check_same_width(width, self.text_head_)
        return int(self.text_head_.weights.shape[1])

    def _sums(self, rows: _Rows | None) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        n_classes = self.classes_.shape[0]
        if rows is None:
            return np.zeros((n_classes, self.n_features_in_)), np.zeros(n_classes)
        X, y, weight = rows
        codes = np.searchsorted(to_numpy(self.classes_), y).astype(np.int32)
        return class_sums(X, codes, n_classes, weight)

    def _set_shots(self, sums: NDArray[Any], counts: NDArray[Any], X: Any) -> None:
        """Keep the sums of labelled images where they lie."""
        self.shot_sum_, self.shot_count_ = like(sums, X), like(counts, X)

    def _set_primed(self, primed: NDArray[np.bool_]) -> None:
        """Sum the recalled images that take part, and keep the sums with the others."""
        rows = self._pool_rows()
        if rows is not None:
            X, y, weight = rows
            rows = X, y, weight * primed
        sums, counts = self._sums(rows)
        place = self.shot_sum_
        self.primed_, self.pool_sum_ = like(primed, place), like(sums, place)
        self.pool_count_ = like(counts, place)

    def _worth(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return sums and weights of labelled images and of recalled ones up to the limit."""
        recalled = to_numpy(self.pool_count_)
        count = saturated(recalled, self.pool_limit)
        worth = count / np.where(recalled > 0, recalled, 1)
        sums = to_numpy(self.shot_sum_) + worth[:, None] * to_numpy(self.pool_sum_)
        return sums, to_numpy(self.shot_count_) + count

    def _text_shares(
        self, candidates: Sequence[tuple[Alpha, float | None]]
    ) -> list[NDArray[np.float64]]:
        """Return the share of the text head for every class: 1 where there are no images."""
        # labelled images tell the variances of the images to be classified, others their own
        shots = to_numpy(self.shot_count_)
        source = "shot" if np.count_nonzero(shots) >= 2 else "pool"
        sums, counts = (to_numpy(getattr(self, f"{source}_{part}_")) for part in ("sum", "count"))
        measured = scatter(self.text_head_.weights, sums, counts)
        total = self._worth()[1]
        n = evidence(total, self.count, shots)
        shares = (text_share(a, n, sigma=s, scatter=measured) for a, s in candidates)
        return [np.where(total > 0, share, 1.0) for share in shares]

    def _mix(self, alpha: Alpha, sigma: float | None) -> None:
        """Write the mixture as one linear head, from sums and counts alone."""
        sums, counts = self._worth()
        known, means = counts > 0, unit_rows(sums)
        intercept, own_scale = np.zeros(len(known)), 100.0
        text = self.text_head_
        if text is None:
            share, coef = np.where(known, 0.0, 1.0), means
            intercept[~known] = -np.inf
        else:
            share, own_scale = self._text_shares([(alpha, sigma)])[0], text.logit_scale
            scale = image_scale(self.calibration, text.weights[known], means[known])
            image = calibrated(self.calibration, scale, text.weights, means, known)
            coef = mix(text.weights, image, share)
        self.logit_scale_ = own_scale if self.logit_scale == "auto" else float(self.logit_scale)
        place = self.shot_sum_
        self.alpha_, self.class_count_ = like(share, place), like(counts, place)
        self.class_mean_ = like(means, place, self._dtype)
        self.coef_ = like(coef, place, self._dtype)
        self.intercept_ = like(intercept, place, self._dtype)

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.array_api_support = SUPPORTS_ARRAY_API
        return tags
