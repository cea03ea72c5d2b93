"""Text, class means, discriminant and any other heads, with fitted mixing weights.

The formulas are functions of :mod:`skclip.heads._parts`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from skclip._array_api import like, to_numpy
from skclip._base import ScoreClassifierMixin, linear_scores
from skclip._compat import NamedEstimators, check_sample_weight, validate_parameters
from skclip._linalg import nonzero_rows, unit_rows, working_dtype
from skclip._validation import check_labelled_embeddings, check_optional_embeddings, encode_known
from skclip.heads._class_mean import NearestClassMean
from skclip.heads._class_sums import ClassSums
from skclip.heads._discriminant import GaussianDiscriminantClassifier
from skclip.heads._parts import (
    N_SAMPLED,
    RECALLED,
    TEXT,
    Images,
    RecallingHeadMixin,
    add_images,
    as_images,
    in_closed_form,
    may_sample,
    outside_scores,
    part_of,
    sample_rows,
    take_away,
    weigh,
)

__all__ = ["StackedHeadClassifier"]


class StackedHeadClassifier(RecallingHeadMixin, ScoreClassifierMixin, NamedEstimators):
    r"""Classify by text, class means, a discriminant and any other heads, with fitted weights.

    .. math:: \mathrm{score}_c(x) = b_0\, t_c \cdot x + \sum_k b_k z^k_c(x)

    with the text embedding :math:`t_c` of the class name and one score :math:`z^k` per image
    head. The mixing weights :math:`b \ge 0` maximise the likelihood of the labels, with left-out
    scores of every labelled image. A head that does not help gets weight 0. With few images, the
    weight of the text stays close to 1. This is the head to begin with.

    Parameters
    ----------
    zero_shot : ZeroShotClassifier or mapping of class name to vector, default=None
        The text head. None uses the image heads alone.

    heads : list of (str, classifier) tuples, default=None
        Image heads, fitted on unit rows with the sample weights. None is class means and the
        discriminant:
        ``[("means", NearestClassMean()), ("discriminant", GaussianDiscriminantClassifier())]``.
        These two have left-out scores in closed form. Any other classifier is fitted on all images
        and once for each of five folds, for its out-of-fold scores. A frozen classifier must have
        been fitted on other images. Parameters of given heads are set by name, as
        ``means__metric``.

    corpus : path or Corpus, default=None
        Captioned collection to recall from; see :class:`PrimedNCMClassifier`.

    retriever : object with ``recall``, default=None
        Retriever, or a :class:`~skclip.recall.PrimingPool`; see :class:`PrimedNCMClassifier`.
        Recalled images have class means of their own and are added to the covariance.

    filter : ZeroShotFilter or "passthrough", default=None
        Selects the recalled images to keep. None is ``ZeroShotFilter()``; ``"passthrough"`` keeps
        all.

    classes : array-like of shape (n_classes,), default=None
        All classes, including those without labelled images. None takes the classes of the text
        head if it names them, else the labels in ``y``.

    logit_scale : "auto" or float, default="auto"
        Scale of the probabilities; ``"auto"`` is that of the text head, or 100 without one.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        Class labels, sorted.

    head_weights_ : dict of str to float
        Mixing weights of ``"text"``, of each head by its name, and of ``"recalled"`` images.
        Parts that are not used are missing. The discriminant is used if its covariance has more
        degrees of freedom than there are classes.

    coef_ : ndarray of shape (n_classes, n_features)
        Weights of the sum of all linear parts; two rows for two classes.

    intercept_ : ndarray of shape (n_classes,)
        Intercepts of the sum of all linear parts.

    heads_ : list of classifiers
        Fitted heads that are not linear. Their weighted scores are added to those of ``coef_``.

    pool_ : PrimingPool or None
        The recalled images that the filter kept.

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
    PrimedNCMClassifier : Text, labelled and recalled class means.
    MixedHeadClassifier : Text and one head.
    sklearn.ensemble.StackingClassifier : Any classifiers, without text head.

    Notes
    -----
    The Notes of :class:`PrimedNCMClassifier` have the formulas of the mixing weights and of class
    means. The discriminant has the same centre, in the metric :math:`P = d (S + \Lambda)^{-1}` of
    :class:`GaussianDiscriminantClassifier`.

    The fitted head keeps the labelled images, since every update fits the mixing weights again.
    :meth:`partial_fit` over any split of the rows equals :meth:`fit` on all of them, and
    :meth:`forget` equals a fit without the rows. The mixing weights are fitted on at most 4000
    images, fewer with more than 1000 classes; the heads are fitted on all images.

    A zero row gets the scores ``intercept_``, plus the scores that heads in ``heads_`` give it.

    Examples
    --------
    >>> from skclip import StackedHeadClassifier
    >>> text = {"cat": [1.0, 0.0, 0.2], "dog": [0.0, 1.0, 0.2], "fox": [0.5, 0.5, -0.7]}
    >>> X = [[0.9, 0.1, 0.3], [0.8, 0.3, 0.1], [0.3, 0.8, 0.2], [0.1, 0.9, 0.4]]
    >>> head = StackedHeadClassifier(text).fit(X, ["cat", "cat", "dog", "dog"])
    >>> head.predict([[0.9, 0.2, 0.1], [0.5, 0.4, -0.8]])
    array(['cat', 'fox'], dtype='<U3')
    >>> list(head.head_weights_)
    ['text', 'means']

    Add another head:

    >>> from sklearn.linear_model import LogisticRegression
    >>> from skclip import NearestClassMean
    >>> heads = [("means", NearestClassMean()), ("logistic", LogisticRegression())]
    >>> head.set_params(heads=heads, logistic__C=10.0)
    StackedHeadClassifier(heads=[('means', NearestClassMean()),
                                 ('logistic', LogisticRegression(C=10.0))],
                          zero_shot={'cat': [1.0, 0.0, 0.2],
                                     'dog': [0.0, 1.0, 0.2],
                                     'fox': [0.5, 0.5, -0.7]})
    >>> list(head.fit(X, ["cat", "cat", "dog", "dog"]).head_weights_)
    ['text', 'means', 'logistic']
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **RecallingHeadMixin._parameter_constraints,
        "heads": [list, tuple, None],
    }

    def __init__(
        self,
        zero_shot: Any = None,
        heads: Sequence[tuple[str, Any]] | None = None,
        *,
        corpus: Any = None,
        retriever: Any = None,
        filter: Any = None,
        classes: ArrayLike | None = None,
        logit_scale: str | float = "auto",
    ) -> None:
        self.zero_shot = zero_shot
        self.heads = heads
        self.corpus = corpus
        self.retriever = retriever
        self.filter = filter
        self.classes = classes
        self.logit_scale = logit_scale

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Get the parameters of this estimator and of its heads.

        Parameters
        ----------
        deep : bool, default=True
            Whether to include the parameters of the heads, as ``name__parameter``.

        Returns
        -------
        params : dict
            Parameter names mapped to their values.
        """
        params: dict[str, Any] = self._get_params("heads", deep=deep)
        return params

    def set_params(self, **params: Any) -> Self:
        """Set the parameters of this estimator and of its heads.

        Parameters
        ----------
        **params : object
            Heads by name, and their parameters as ``name__parameter``.

        Returns
        -------
        self : StackedHeadClassifier
            The estimator.
        """
        self._set_params("heads", **params)
        return self

    def _start(
        self,
        X: Any,
        y: Any,
        sample_weight: ArrayLike | None,
        classes: ArrayLike | None = None,
        *,
        most: int | None = None,
        sums: ClassSums | None = None,
    ) -> Self:
        head_names = [name for name, _ in self._named_heads()]
        self._validate_names(head_names)
        if taken := [name for name in head_names if name in (TEXT, RECALLED)]:
            raise ValueError(
                f"heads of {type(self).__name__} holds the name {taken[0]!r}, which is reserved "
                "for another part: choose another name."
            )
        X, y = check_optional_embeddings(self, X, y, keep_half=True)
        weight = None
        if X is not None and y is not None:
            weight = check_sample_weight(sample_weight, X, dtype=working_dtype(X))
        codes = self._recall(X, y, y if sums is None else sums.classes, classes)
        names, shots = to_numpy(self.classes_), None
        if weight is not None and codes is not None:
            if sums is not None:
                codes, sums = encode_known(y, names), sums.over(names)
            elif may_sample(X, sample_weight, most) and self._needs_no_rows():
                sums = ClassSums.of_rows(X, codes, names, weight, with_second=True)
                rows = sample_rows(X, codes, N_SAMPLED)
                X, codes, weight = X[rows], codes[rows], weight[rows]
            shots = as_images(X, codes, weight)
        self._weighted, self._is_sample = sample_weight is not None, sums is not None
        return self._weigh(shots, X, sums)

    def _needs_no_rows(self) -> bool:
        """Return whether all heads can be computed from sums of the images."""
        return all(in_closed_form(head) is not None for _, head in self._named_heads())

    def _fit_sums(self, sums: ClassSums, X: NDArray[Any], codes: NDArray[Any]) -> Self:
        """Fit from the sums of all labelled images and a sample; see `skclip.distributed`.

        Parameters
        ----------
        sums : ClassSums
            Of all unit rows, with the second moment.

        X : ndarray of shape (n_samples, n_features)
            A sample of the rows, without zero rows. The mixing weights are fitted on it.

        codes : ndarray of shape (n_samples,)
            Their positions in ``sums.classes``.
        """
        validate_parameters(self)
        for name, head in self._named_heads():
            if in_closed_form(head) is None:
                raise ValueError(
                    f"A StackedHeadClassifier is fitted on sums with heads that need no rows, but "
                    f"{name!r} is {head!r}: use NearestClassMean() and "
                    "GaussianDiscriminantClassifier(), or fit in memory."
                )
        return self._start(X, sums.classes[codes], None, sums=sums)

    def _update(
        self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None, method: str
    ) -> Self:
        self._check_keeps_images(method)
        X, y = check_labelled_embeddings(self, X, y, reset=False)
        classes = to_numpy(self.classes_)
        codes = encode_known(to_numpy(y), classes)
        weight = check_sample_weight(sample_weight, X, dtype=X.dtype)
        self._weighted = self._weighted or sample_weight is not None
        images = as_images(X, codes, weight)
        if method == "partial_fit":
            return self._weigh(add_images(self._shots, images), X)
        kept = images.at(np.zeros(0, dtype=np.intp)) if self._shots is None else self._shots
        return self._weigh(take_away(kept, images, classes), X)

    def _named_heads(self) -> list[tuple[str, Any]]:
        if self.heads is not None:
            return list(self.heads)
        return [("means", NearestClassMean()), ("discriminant", GaussianDiscriminantClassifier())]

    def _weigh(self, shots: Images | None, X: Any, sums: ClassSums | None = None) -> Self:
        """Fit heads and mixing weights, and add up the linear heads."""
        self._shots, classes = shots, to_numpy(self.classes_)
        evident = None
        if shots is not None:
            kept = (shots.weight > 0) & nonzero_rows(shots.X)
            evident = shots.at(kept) if kept.any() else None
        self._check_evidence(has_images=evident is not None or self._pool is not None)
        parts = {}
        if evident is not None:
            parts = {
                name: part_of(head, evident, classes, must_weigh=self._weighted)
                for name, head in self._named_heads()
            }
        self._scale = self._set_logits()
        weighed = weigh(
            self.text_head_,
            classes,
            scale=self._scale,
            shots=evident,
            pool=self._pool,
            parts=parts,
            sums=sums,
        )
        self.head_weights_, self._outside = weighed.weights, weighed.outside
        self.heads_ = [outside.head.fitted for _, outside in weighed.outside]
        self.coef_ = like(weighed.coef / self._scale, X, self._dtype)
        self.intercept_ = like(weighed.intercept / self._scale, X, self._dtype)
        return self

    def _class_scores(self, X: NDArray[Any]) -> NDArray[Any]:
        rows = unit_rows(X)
        scores = linear_scores(rows, self.coef_, self.intercept_)
        if self._outside:
            n_classes = self.coef_.shape[0]
            scores += outside_scores(
                self._outside, rows, self.text_head_, scale=self._scale, n_classes=n_classes
            )
        return scores
