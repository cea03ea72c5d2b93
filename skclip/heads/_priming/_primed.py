"""Neural Priming (arXiv 2306.10191): class means of recalled images, mixed with the text head.

The published mixture needs class sums; ``alpha="auto"`` fits mixing weights by left-out likelihood
(:mod:`skclip.heads._parts`).
"""

from __future__ import annotations

from numbers import Integral, Real
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator
from sklearn.utils.validation import assert_all_finite, check_is_fitted

from skclip._array_api import like, take_rows, to_numpy
from skclip._base import CosineLinearMixin
from skclip._compat import Interval, StrOptions, check_sample_weight
from skclip._linalg import nonzero_rows, unit_rows, working_dtype
from skclip._validation import (
    check_embeddings,
    check_labelled_embeddings,
    check_optional_embeddings,
    encode_known,
)
from skclip.heads._class_sums import ClassSums
from skclip.heads._parts import (
    MEANS,
    N_SAMPLED,
    SCHEDULES,
    Alpha,
    Images,
    RecallingHeadMixin,
    add_images,
    as_images,
    may_sample,
    sample_rows,
    take_away,
    weigh,
)
from skclip.heads._priming._published_mixture import published_mixture
from skclip.neighbors import nearest_rows

__all__ = ["PrimedNCMClassifier"]


class PrimedNCMClassifier(RecallingHeadMixin, CosineLinearMixin, BaseEstimator):
    r"""Classify by text and by the mean of recalled and labelled images (Neural Priming).

    Images whose captions name a class are recalled from a captioned collection, and those that the
    zero-shot classifier assigns to the class are kept. The scores of the class means of labelled
    and of recalled images are added to the score of the text embedding :math:`t_c` of the class
    name:

    .. math:: \mathrm{score}_c(x) = b_0\, t_c \cdot x + b_1\, z^{\text{labelled}}_c(x)
              + b_2\, z^{\text{recalled}}_c(x), \qquad \hat y(x) = \arg\max_c \mathrm{score}_c(x)

    By default the mixing weights :math:`b` maximise the likelihood of the labels, with left-out
    scores of the labelled images. Labels are optional:
    ``PrimedNCMClassifier(zero_shot, corpus=..., classes=names).fit()``.

    Parameters
    ----------
    zero_shot : ZeroShotClassifier or mapping of class name to vector, default=None
        The text head. None uses the class means alone.

    corpus : path or Corpus, default=None
        Captioned collection to recall from, with a default
        :class:`~skclip.recall.CaptionRetriever`. Give this or ``retriever``.

    retriever : object with ``recall``, default=None
        An object whose ``recall(names)`` returns a :class:`~skclip.recall.PrimingPool`, such as a
        ``CaptionRetriever`` with its own ``k`` and ``synonyms``, or a pool. It is cloned; wrap a
        retriever that was fitted on captions in :class:`~sklearn.frozen.FrozenEstimator`. Without
        ``corpus`` and ``retriever``, only labelled images are used.

    filter : ZeroShotFilter or "passthrough", default=None
        Selects the recalled images to keep. None is ``ZeroShotFilter()``, which keeps those whose
        zero-shot label is the class they were recalled for. A filter without a text head uses
        ``zero_shot``. ``"passthrough"`` keeps all.

    classes : array-like of shape (n_classes,), default=None
        All classes, including those without labelled images. None takes the classes of the text
        head if it names them, else the labels in ``y``.

    alpha : "auto", float, {"exponential", "shrinkage"} or callable, default="auto"
        Mixing weight of the text.

        - ``"auto"``: mixing weights of text, labelled and recalled images by exact left-out
          likelihood. Class means are corrected for noise and shrunk, and classes without images
          are predicted from the text; see the Notes;
        - a number in [0, 1]: the published mixture
          :math:`W_c = \alpha t_c + (1 - \alpha) \mu_c` with
          :math:`\mu_c = \mathrm{normalize}(\sum_{i: y_i = c} w_i x_i)` over labelled and
          recalled images together; a class without images has its text row;
        - a schedule of the number of images per class :math:`n`: ``"exponential"``, the paper's
          :math:`e^{-n^2/\sigma}`, or ``"shrinkage"``, :math:`\sigma / (\sigma + n)`;
        - a function of these numbers that returns one :math:`\alpha` per class.

    sigma : float, default=None
        Constant :math:`\sigma` of the schedule. None is 100 images squared for
        ``"exponential"`` and 5 images for ``"shrinkage"``.

    logit_scale : "auto" or float, default="auto"
        Scale of the probabilities; ``"auto"`` is that of the text head, or 100 without one.

    unlabeled : label, default=None
        Label that marks unlabelled rows, for instance -1. These rows are targets, images to be
        classified, and select the recalled images to use; see :meth:`prime`.

    n_neighbors : int, default=10
        Number of nearest recalled images that each target selects.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        Class labels, sorted.

    head_weights_ : dict of str to float
        Mixing weights :math:`b` of ``"text"``, ``"labelled"`` and ``"recalled"`` images, without
        parts that are not used. Only for ``alpha="auto"`` with a text head.

    alpha_ : ndarray of shape (n_classes,)
        Mixing weight of the text. Not for ``alpha="auto"`` with a text head.

    coef_ : ndarray of shape (n_classes, n_features)
        Weights of the mixture, not normalised; two rows for two classes.

    intercept_ : ndarray of shape (n_classes,)
        Intercepts; :math:`-\infty` for a class without text and images.

    class_mean_ : ndarray of shape (n_classes, n_features)
        Class means :math:`\mu` of all images, unit rows; zero for a class without images.

    class_count_ : ndarray of shape (n_classes,)
        Sum of the weights of the labelled and recalled images of each class.

    shot_count_, pool_count_ : ndarray of shape (n_classes,)
        The same for labelled and for recalled images alone.

    shot_sum_, pool_sum_ : ndarray of shape (n_classes, n_features)
        Weighted sums of the unit rows of labelled and of recalled images, float64.

    pool_ : PrimingPool or None
        The recalled images that the filter kept.

    primed_ : ndarray of shape (n_pool,) of bool
        Mask of the images in ``pool_`` that are used: all, unless targets selected some.

    text_head_ : TextHead or None
        Text weights, aligned with ``classes_``.

    logit_scale_ : float
        Scale of the probabilities.

    logit_bias_ : float or None
        Bias of the probabilities, for a text head trained with a sigmoid per pair.

    n_features_in_ : int
        Number of features of the embeddings.

    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the features, when ``X`` was given with string column names.

    See Also
    --------
    StackedHeadClassifier : Adds a discriminant and any other classifiers.
    MixedHeadClassifier : Text head and any other classifier.
    NearestClassMean : Class means alone.
    skclip.recall.CaptionRetriever : Recall by exact phrase search on captions.
    skclip.recall.ZeroShotFilter : Filter of recalled images.

    Notes
    -----
    With ``alpha="auto"`` and the logit scale :math:`s`, image parts score
    :math:`s[(x - \bar x) \cdot (m_c - \bar x) - \ell_c / 2]` about the centre :math:`\bar x`
    of the class means. :math:`\ell_c` is the squared distance of a class from the centre, without
    the noise of its mean, so that scores do not depend on the number of images of a class.
    Distances and directions are shrunk by their fraction of noise. A class without images is
    predicted from its text. The mixing weights minimise

    .. math:: \sum_i w_i \big[\log \textstyle\sum_c e^{\mathrm{score}_c(x_i)}
              - \mathrm{score}_{y_i}(x_i)\big]
              + \tfrac12 ((b_0 - 1) / 2)^2 + \tfrac12 (b_1 / \sigma_1)^2
              + \tfrac12 ((b_2 - 0.1) / 0.3)^2

    over :math:`b \ge 0`, with left-out scores of every image. A fraction of the labels, fitted by
    maximum likelihood, is treated as random: labels that no part predicts have less influence. All
    classes have the same weight. Copies of an image (cosine of at least 0.99; in a class of more
    than 1024 images, equal rows) count as one image. For a class with one image, the left-out score
    of the class is predicted from the similarities of the other classes. Without labels the mixing
    weights are 1 for the text and 0.1 for recalled images. The fitted head keeps the labelled
    images, since every update fits the mixing weights again; with a number or a schedule it keeps
    sums only.

    The pool is recalled once in ``fit``. Cross-validation splits the labelled images only, and
    never the pool. Recalls are cached per collection, so clones that differ in ``alpha`` or
    ``sigma`` do not search again.

    A zero row gets the scores ``intercept_``.

    With ``sklearn.set_config(array_api_dispatch=True)`` embeddings may be arrays of other
    libraries, such as torch tensors on any device. Rows are summed and scored on their device, and
    fitted arrays are moved there. Recalled images and left-out scores are in numpy. Without labels,
    fitted arrays are on the device of the ``X`` given to ``fit(X)``, or in numpy without ``X``.

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

    Without labels. The zero-shot label of the second "cat" is "dog", so it is filtered out:

    >>> head = PrimedNCMClassifier(text, retriever=pool).fit()
    >>> head.pool_count_
    array([1., 1.])
    >>> head.predict([[0.9, 0.3]])
    array(['cat'], dtype='<U3')
    >>> head.head_weights_
    {'text': 1.0, 'recalled': 0.1}

    The published mixture:

    >>> paper = PrimedNCMClassifier(text, retriever=pool, alpha=0.9).fit()
    >>> paper.coef_.round(2)
    array([[0.82, 0.54],
           [0.56, 0.82]], dtype=float32)
    """

    _shots: Images | None  # labelled images, for alpha="auto"
    _primed: Images | None  # recalled images that are used

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **RecallingHeadMixin._parameter_constraints,
        "alpha": [
            Interval(Real, 0, 1, closed="both"),
            StrOptions({"auto"} | set(SCHEDULES)),
            callable,
        ],
        "sigma": [Interval(Real, 0, None, closed="neither"), None],
        "unlabeled": [object],
        "n_neighbors": [Interval(Integral, 1, None, closed="left")],
    }

    def __init__(
        self,
        zero_shot: Any = None,
        *,
        corpus: Any = None,
        retriever: Any = None,
        filter: Any = None,
        classes: ArrayLike | None = None,
        alpha: Alpha = "auto",
        sigma: float | None = None,
        logit_scale: str | float = "auto",
        unlabeled: Any = None,
        n_neighbors: int = 10,
    ) -> None:
        self.zero_shot = zero_shot
        self.corpus = corpus
        self.retriever = retriever
        self.filter = filter
        self.classes = classes
        self.alpha = alpha
        self.sigma = sigma
        self.logit_scale = logit_scale
        self.unlabeled = unlabeled
        self.n_neighbors = n_neighbors

    def prime(self, X: ArrayLike) -> Self:
        """Select the recalled images by the images to be classified (transductive priming).

        Only recalled images among the ``n_neighbors`` nearest of at least one target are used.
        Each keeps the class it was recalled for. Labels of targets are not used. Results on the
        targets are transductive: they are not comparable with those of a classifier that has not
        seen its test images.

        Parameters
        ----------
        X : array-like of shape (n_targets, n_features)
            Embeddings of the images to be classified.

        Returns
        -------
        self : PrimedNCMClassifier
            The updated classifier. Each call selects from all recalled images.
        """
        check_is_fitted(self)
        self._choose_pool(check_embeddings(self, X, reset=False))
        return self._mix()

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
            Fraction of correct predictions.

        Raises
        ------
        ValueError
            If ``y`` holds unlabelled rows, as in a cross-validation that splits targets.
        """
        if self._is_target(to_numpy(y)).any():
            raise ValueError(
                f"y holds {self.unlabeled!r}, the mark of unlabelled rows: score only labelled "
                "rows, and split only labelled rows in a cross-validation."
            )
        return float(super().score(X, y, sample_weight))

    def _is_target(self, y: NDArray[Any]) -> NDArray[np.bool_]:
        if self.unlabeled is None:
            return np.zeros(len(y), dtype=bool)
        return np.asarray(y == self.unlabeled)

    def _update(
        self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None, method: str
    ) -> Self:
        self._check_keeps_images(method)
        adds = method == "partial_fit"
        X, y = check_labelled_embeddings(self, X, y, reset=False, keep_half=True)
        classes = to_numpy(self.classes_)
        codes = encode_known(to_numpy(y), classes)
        weight = check_sample_weight(sample_weight, X, dtype=working_dtype(X))
        seen = ClassSums(classes, to_numpy(self.shot_sum_), to_numpy(self.shot_count_))
        new = ClassSums.of_rows(X, codes, classes, weight)
        sums = seen + new if adds else seen - new
        if self._weighs and self._shots is None and seen.known.any():
            raise ValueError(
                "alpha='auto' needs single images, but this PrimedNCMClassifier was fitted with "
                "another alpha and kept only their sums: call fit with all images."
            )
        if self._weighs or self._shots is not None:
            images = as_images(X, codes, weight)
            if adds:
                self._shots = add_images(self._shots, images)
            elif self._shots is not None:
                self._shots = take_away(self._shots, images, classes)
        self._set_shots(sums, X)
        return self._mix()

    def _start(
        self,
        X: ArrayLike | None,
        y: ArrayLike | None,
        sample_weight: ArrayLike | None,
        classes: ArrayLike | None = None,
        *,
        most: int | None = None,
    ) -> Self:
        X, y = check_optional_embeddings(self, X, y, ensure_all_finite=False, keep_half=True)
        weight = targets = labels = None
        if X is not None and y is not None:
            weight = check_sample_weight(sample_weight, X, dtype=working_dtype(X))
            labels = to_numpy(y)
        shots = X if labels is not None else None
        if labels is not None and (is_target := self._is_target(labels)).any():
            targets, labelled = take_rows(X, np.flatnonzero(is_target)), np.flatnonzero(~is_target)
            shots = labels = None
            if len(labelled):
                shots, labels = take_rows(X, labelled), to_numpy(y)[labelled]
                weight = take_rows(weight, labelled)
        codes = self._recall(X, y, y if X is None else labels, classes)
        names = to_numpy(self.classes_)
        sums, self._shots = ClassSums.empty(names, self.n_features_in_), None
        self._is_sample = False
        if shots is not None and weight is not None and codes is not None:
            sums = ClassSums.of_rows(shots, codes, names, weight)
            if not np.isfinite(sums.sums).all():
                assert_all_finite(X, input_name="X", estimator_name=type(self).__name__)
            if self._weighs:
                self._is_sample = may_sample(shots, sample_weight, most)
                if self._is_sample:
                    rows = sample_rows(shots, codes, N_SAMPLED)
                    shots, codes, weight = shots[rows], codes[rows], weight[rows]
                self._shots = as_images(shots, codes, weight)
        self._set_shots(sums, X)
        self._set_primed(np.ones(0 if self.pool_ is None else len(self.pool_), dtype=bool))
        self._check_evidence(has_images=bool(self._all_images().known.any()))
        if targets is not None:
            self._choose_pool(targets)
        return self._mix()

    @property
    def _weighs(self) -> bool:
        """Whether mixing weights are fitted by left-out likelihood."""
        return isinstance(self.alpha, str) and self.alpha == "auto" and self.text_head_ is not None

    def _choose_pool(self, targets: Any) -> None:
        """Use the recalled images that are near a target."""
        if self.pool_ is None or self.pool_.embeddings is None:
            raise ValueError(
                "Targets select recalled images, but nothing was recalled: give `corpus` or "
                "`retriever`."
            )
        # recalled images are in numpy
        targets = to_numpy(targets)
        readable = targets[nonzero_rows(targets)]
        _, rows = nearest_rows(readable, [self.pool_.embeddings], self.n_neighbors)
        primed = np.zeros(len(self.pool_), dtype=bool)
        primed[rows[rows >= 0]] = True
        self._set_primed(primed)

    def _set_shots(self, sums: ClassSums, X: Any) -> None:
        """Store the sums of labelled images on the device of ``X``."""
        self.shot_sum_, self.shot_count_ = like(sums.sums, X), like(sums.counts, X)

    def _set_primed(self, primed: NDArray[np.bool_]) -> None:
        """Sum the recalled images that are used, and store the sums with those of labelled ones."""
        classes = to_numpy(self.classes_)
        sums, self._primed = ClassSums.empty(classes, self.n_features_in_), None
        if self._pool is not None:
            X, codes, weight = self._pool
            self._primed = self._pool._replace(weight=weight * primed)
            sums = ClassSums.of_rows(X, codes, classes, weight * primed)
        place = self.shot_sum_
        self.primed_, self.pool_sum_ = like(primed, place), like(sums.sums, place)
        self.pool_count_ = like(sums.counts, place)

    def _all_images(self) -> ClassSums:
        """Return sums and weights of labelled and recalled images together."""
        return self._sums_of("shot") + self._sums_of("pool")

    def _sums_of(self, source: str) -> ClassSums:
        """Return the sums of the ``"shot"`` or ``"pool"`` images."""
        return ClassSums(
            to_numpy(self.classes_),
            to_numpy(getattr(self, f"{source}_sum_")),
            to_numpy(getattr(self, f"{source}_count_")),
        )

    def _mix(self) -> Self:
        """Store the mixture as one linear head."""
        images, text, place = self._all_images(), self.text_head_, self.shot_sum_
        for name in ("alpha_", "head_weights_"):
            if hasattr(self, name):
                delattr(self, name)
        own_scale = self._set_logits()
        if self._weighs:
            weighed = weigh(
                text,
                to_numpy(self.classes_),
                scale=own_scale,
                shots=self._shots,
                pool=self._primed,
                parts={"labelled": MEANS},
                sums=self._sums_of("shot") if self._is_sample else None,
            )
            coef, intercept = weighed.coef / own_scale, weighed.intercept / own_scale
            self.head_weights_ = weighed.weights
        else:
            rows = None if text is None else text.weights
            alpha, coef, intercept = published_mixture(rows, images, self.alpha, self.sigma)
            self.alpha_ = like(alpha, place)
        self.class_mean_ = like(unit_rows(images.sums), place, self._dtype)
        self.class_count_ = like(images.counts, place)
        self.coef_ = like(coef, place, self._dtype)
        self.intercept_ = like(intercept, place, self._dtype)
        return self
