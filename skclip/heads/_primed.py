"""Neural Priming (arXiv 2306.10191): recall, filter, class means, mixed with the text head."""

from collections.abc import Mapping
from numbers import Real
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, clone
from sklearn.utils.validation import assert_all_finite

from skclip._base import CosineLinearMixin
from skclip._compat import HasMethods, Interval, StrOptions, check_sample_weight, fit_context
from skclip._linalg import unit_rows
from skclip._text_head import TextHead, check_labels_known, check_same_width, resolve_text_head
from skclip._validation import check_class_names, check_labelled_embeddings, encode_labels
from skclip.exceptions import ModelMismatchError
from skclip.heads._class_mean import class_sums
from skclip.heads._mixing import (
    CALIBRATIONS,
    COUNTS,
    SCHEDULES,
    Alpha,
    Scatter,
    calibrated,
    evidence,
    image_scale,
    mix,
    saturated,
    scatter,
    text_share,
)
from skclip.recall import CaptionRetriever, PrimingPool, ZeroShotFilter

__all__ = ["PrimedNCMClassifier"]

_Rows = tuple[NDArray[Any], NDArray[Any], NDArray[Any]]  # embeddings, labels, weights


class PrimedNCMClassifier(CosineLinearMixin, BaseEstimator):
    r"""Classify by text and by the mean of recalled and labelled images (Neural Priming).

    For every class, images whose captions name it are recalled from a captioned collection; those
    that the zero-shot classifier agrees with join the labelled images, if there are any; their
    mean direction is mixed with the text embedding of the class name:

    .. math:: \mu_c = \mathrm{normalize}\Big(\sum_{i: y_i = c} w_i x_i\Big), \qquad
              W_c = \alpha_c t_c + (1 - \alpha_c) \mu_c, \qquad
              \hat y(x) = \arg\max_c\; x \cdot W_c

    No label is needed: ``PrimedNCMClassifier(zero_shot, corpus=..., classes=names).fit()``.

    Parameters
    ----------
    zero_shot : ZeroShotClassifier or mapping of class name to vector, default=None
        The text head. Without one the class means stand alone.

    corpus : path or Corpus, default=None
        Captioned collection to recall from, with a default
        :class:`~skclip.recall.CaptionRetriever`. Give this or ``retriever``.

    retriever : object with ``recall``, default=None
        Anything whose ``recall(names)`` returns a :class:`~skclip.recall.PrimingPool`, for
        instance a ``CaptionRetriever`` with its own ``k`` and ``synonyms``, or a pool itself. It
        is cloned; wrap one that was fitted on captions in
        :class:`~sklearn.frozen.FrozenEstimator`. Without ``corpus`` and ``retriever`` there are
        the labelled images only.

    filter : ZeroShotFilter or "passthrough", default=None
        Which recalled images stay. None is ``ZeroShotFilter()``: those whose zero-shot label is
        the class they were recalled for. The filter uses this classifier's text head unless it
        has its own. ``"passthrough"`` keeps all.

    classes : array-like of shape (n_classes,), default=None
        Classes to know, whether labelled images of them are given or not. By default those of
        the text head where it names them, else the labels in ``y``.

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

    count : {"per_class", "mean", "total", "shots"}, default="per_class"
        What :math:`n` counts: each class's images, their mean over classes, all, or each class's
        labelled images alone. The paper's :math:`|P|` leaves this open.

    pool_weight : float, default=1.0
        Weight of a recalled image.

    pool_limit : float, default=1.0
        How many labelled images the recalled images of a class can be worth together: :math:`n`
        of them count as :math:`n / (1 + n / \kappa)`. Recalled images show a class as the
        collection does, a bias that does not average out; without a limit a thousand of them
        drown the labelled ones. None sets no limit, as in the paper.

    calibration : {"none", "center", "zscore", "regression"}, default="regression"
        How the class means are put on the text head's scale before the two are mixed: not at all
        (the paper); by the mean over classes; by mean and spread; or by mean and the slope of
        class means on text rows, which leaves a text head without a voice where it says nothing
        about the images. ``alpha=0.9, calibration="none", pool_limit=None`` is the published
        method to the letter; with it, a class that has no images is never predicted where others
        have, since image-image cosines are larger than image-text cosines.

    logit_scale : "auto" or float, default="auto"
        Scale of the probabilities; ``"auto"`` is the text head's, 100 without one.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        Class names, sorted.

    coef_ : ndarray of shape (n_classes, n_features)
        Mixed weights :math:`W`, not normalised. One row a class, also for two.

    intercept_ : ndarray of shape (n_classes,)
        Zeros; :math:`-\infty` for a class without text and images.

    alpha_ : ndarray of shape (n_classes,)
        Share of the text head.

    class_mean_ : ndarray of shape (n_classes, n_features)
        Class means :math:`\mu`, unit rows; zero for a class without images.

    class_count_ : ndarray of shape (n_classes,)
        Weight of each class's images: labelled, and recalled up to ``pool_limit``.

    shot_count_, pool_count_ : ndarray of shape (n_classes,)
        Weight of each class's labelled, and of its recalled images.

    shot_sum_, pool_sum_ : ndarray of shape (n_classes, n_features)
        Weighted sums of their unit rows, float64.

    pool_ : PrimingPool or None
        The recalled images that the filter kept.

    text_head_ : TextHead or None
        Text weights, aligned with ``classes_``.

    logit_scale_ : float
        Scale of the probabilities.

    n_features_in_ : int
        Number of features of the embeddings.

    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the features, when ``X`` was given with string column names.

    See Also
    --------
    MixedHeadClassifier : Any head beside the text head.
    NearestClassMean : The image part alone.
    skclip.recall.CaptionRetriever : Recall by exact phrase search on captions.
    skclip.recall.ZeroShotFilter : The filter.

    Notes
    -----
    The pool is recalled once in ``fit`` and is never split by cross-validation: folds divide the
    labelled images only. Recall is kept per collection, so the clones of a grid search that
    differ in ``alpha`` or ``sigma`` do not search again.

    References
    ----------
    .. [1] Wallingford et al., "Neural Priming for Sample-Efficient Adaptation",
       `arXiv 2306.10191 <https://arxiv.org/abs/2306.10191>`_.

    Examples
    --------
    >>> from skclip import PrimedNCMClassifier
    >>> from skclip.recall import PrimingPool
    >>> text = {"cat": [0.8, 0.6], "dog": [0.6, 0.8]}
    >>> pool = PrimingPool(["cat", "cat", "dog"], [[1.0, 0.0], [0.0, 1.0], [0.2, 1.0]])

    Names only; the second "cat" looks like a dog and is filtered out:

    >>> head = PrimedNCMClassifier(text, retriever=pool).fit()
    >>> head.pool_count_
    array([1., 1.])
    >>> head.predict([[0.9, 0.3]])
    array(['cat'], dtype='<U3')

    With labelled images; the recalled one counts for half an image beside them:

    >>> head.fit([[0.3, 0.9], [0.4, 0.8]], ["dog", "dog"]).class_count_
    array([0.5, 2.5])

    The published form:

    >>> paper = PrimedNCMClassifier(
    ...     text, retriever=pool, alpha=0.9, calibration="none", pool_limit=None
    ... ).fit()
    >>> paper.coef_.round(2)
    array([[0.82, 0.54],
           [0.56, 0.82]], dtype=float32)
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "zero_shot": [HasMethods(["fit"]), Mapping, None],
        "corpus": "no_validation",
        "retriever": [HasMethods(["recall"]), None],
        "filter": [HasMethods(["support"]), StrOptions({"passthrough"}), None],
        "classes": ["array-like", None],
        "alpha": [Interval(Real, 0, 1, closed="both"), StrOptions(set(SCHEDULES)), callable],
        "sigma": [Interval(Real, 0, None, closed="neither"), None],
        "count": [StrOptions(COUNTS)],
        "pool_weight": [Interval(Real, 0, None, closed="left")],
        "pool_limit": [Interval(Real, 0, None, closed="neither"), None],
        "calibration": [StrOptions(CALIBRATIONS)],
        "logit_scale": [StrOptions({"auto"}), Interval(Real, 0, None, closed="neither")],
    }

    def __init__(
        self,
        zero_shot: Any = None,
        *,
        corpus: Any = None,
        retriever: Any = None,
        filter: Any = None,
        classes: ArrayLike | None = None,
        alpha: Alpha = "variance",
        sigma: float | None = None,
        count: str = "per_class",
        pool_weight: float = 1.0,
        pool_limit: float | None = 1.0,
        calibration: str = "regression",
        logit_scale: str | float = "auto",
    ) -> None:
        self.zero_shot = zero_shot
        self.corpus = corpus
        self.retriever = retriever
        self.filter = filter
        self.classes = classes
        self.alpha = alpha
        self.sigma = sigma
        self.count = count
        self.pool_weight = pool_weight
        self.pool_limit = pool_limit
        self.calibration = calibration
        self.logit_scale = logit_scale

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
            names are known without labels.

        y : array-like of shape (n_samples,), default=None
            Class labels.

        sample_weight : array-like of shape (n_samples,), default=None
            Weight of every labelled image.

        Returns
        -------
        self : PrimedNCMClassifier
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
        self._mix(self.alpha, self.sigma)
        return self

    def _accumulate(
        self, X: ArrayLike | None, y: ArrayLike | None, sample_weight: ArrayLike | None
    ) -> _Rows | None:
        """Recall, filter and sum; return the validated labelled rows."""
        shots = None
        if X is not None and y is not None:
            X, y = check_labelled_embeddings(self, X, y, ensure_all_finite=False)
            shots = X, y, check_sample_weight(sample_weight, X, dtype=X.dtype)
        self.text_head_, self.classes_ = self._resolve_classes(y)
        self.pool_ = self._recall()
        pool = self._pool_rows()
        self.n_features_in_ = self._common_width(shots, pool)
        self.shot_sum_, self.shot_count_ = self._sums(shots)
        if not np.isfinite(self.shot_sum_).all():
            assert_all_finite(X, input_name="X", estimator_name=type(self).__name__)
        self.pool_sum_, self.pool_count_ = self._sums(pool)
        if self.text_head_ is None and not (self.shot_count_.any() or self.pool_count_.any()):
            raise ValueError(
                "There is neither a text head nor an image that carries evidence: give "
                "`zero_shot`, a pool, or labelled images that are not zero."
            )
        dtypes = [rows[0].dtype for rows in (shots, pool) if rows is not None]
        self._dtype = np.result_type(np.float32, *dtypes)
        return shots

    def _resolve_classes(self, y: NDArray[Any] | None) -> tuple[TextHead | None, NDArray[Any]]:
        """Return the text head and the sorted classes to predict."""
        if self.classes is not None:
            names = np.unique(np.asarray(check_class_names(self.classes, parameter="classes")))
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
        if self.classes is not None:
            # of all the classes the text head may know, those asked for
            text_head = text_head.restricted(names)
        return text_head, text_head.classes

    def _recall(self) -> PrimingPool | None:
        """Recall images of the classes and keep those that pass the filter."""
        classes, text_head = self.classes_, self.text_head_
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
        models = {pool.model_id, None if text_head is None else text_head.model_id} - {None}
        if len(models) > 1:
            raise ModelMismatchError(
                f"The pool was embedded by {pool.model_id!r}, the class names by "
                f"{text_head.model_id!r}: embed both with one model."
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

    def _common_width(self, shots: _Rows | None, pool: _Rows | None) -> int:
        """Return the number of features that labelled images, pool and text share."""
        widths = [rows[0].shape[1] for rows in (shots, pool) if rows is not None]
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
        n_classes = len(self.classes_)
        if rows is None:
            return np.zeros((n_classes, self.n_features_in_)), np.zeros(n_classes)
        X, y, weight = rows
        codes = np.searchsorted(self.classes_, y).astype(np.int32)
        return class_sums(X, codes, n_classes, weight)

    def _worth(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return sums and weights of labelled images and of recalled ones up to the limit."""
        count = saturated(self.pool_count_, self.pool_limit)
        worth = count / np.where(self.pool_count_ > 0, self.pool_count_, 1)
        return self.shot_sum_ + worth[:, None] * self.pool_sum_, self.shot_count_ + count

    def _scatter(self, text: TextHead) -> Scatter:
        """Return the variances: labelled images tell those of the images to be classified."""
        if np.count_nonzero(self.shot_count_) >= 2:
            return scatter(text.weights, self.shot_sum_, self.shot_count_)
        return scatter(text.weights, self.pool_sum_, self.pool_count_)

    def _mix(self, alpha: Alpha, sigma: float | None) -> None:
        """Write the mixture as one linear head, from sums and counts alone."""
        sums, self.class_count_ = self._worth()
        known = self.class_count_ > 0
        means = unit_rows(sums)
        self.class_mean_ = means.astype(self._dtype)
        self.intercept_ = np.zeros(len(known), dtype=self._dtype)
        text = self.text_head_
        if text is None:
            self.alpha_ = np.where(known, 0.0, 1.0)
            self.coef_ = self.class_mean_
            self.intercept_[~known] = -np.inf
            self.logit_scale_ = 100.0 if self.logit_scale == "auto" else float(self.logit_scale)
            return
        share = text_share(
            alpha,
            evidence(self.class_count_, self.count, self.shot_count_),
            sigma=sigma,
            scatter=self._scatter(text),
        )
        self.alpha_ = np.where(known, share, 1.0)
        scale = image_scale(self.calibration, text.weights[known], means[known])
        image = calibrated(self.calibration, scale, text.weights, means, known)
        self.coef_ = mix(text.weights, image, self.alpha_).astype(self._dtype)
        self.logit_scale_ = (
            text.logit_scale if self.logit_scale == "auto" else float(self.logit_scale)
        )
