"""A head for images whose classes are as frequent as is known."""

from collections.abc import Mapping
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, MetaEstimatorMixin, clone
from sklearn.utils import Tags, get_tags

from skclip._array_api import cast, in_double, is_elsewhere, like, take_rows, to_numpy
from skclip._base import ScoreClassifierMixin
from skclip._compat import HasMethods, StrOptions, fit_context, get_namespace_and_device
from skclip._linalg import nonzero_rows
from skclip._validation import check_embeddings, check_optional_embeddings, encode_known, sample_of
from skclip.transduction._targets import refuse_split
from skclip.transduction._transport import sinkhorn_weights

__all__ = ["PriorShiftAdapter"]

Array = NDArray[np.float64]

# Probabilities below count as this one, so that their logarithm is finite.
LEAST_PROBABILITY = 1e-30
# What a class counts that is given no images: less than one in any batch.
LEAST_PRIOR = 1e-9


class PriorShiftAdapter(MetaEstimatorMixin, ScoreClassifierMixin, BaseEstimator):
    r"""Move the scores of a head so that classes are as frequent as they are known to be.

    .. math:: \mathrm{score}_c(x) = \log p_c(x) + v_c

    with the probabilities :math:`p` of the head and one weight per class, at which the mean
    probability of every class over a batch is its prior: entropic optimal transport from images to
    classes, learnt in ``fit`` and applied row by row.

    Parameters
    ----------
    head : classifier
        With ``predict_proba``; for instance ``ZeroShotClassifier(text)``. It is fitted on the
        labelled images, or on nothing where there are none.

    prior : array-like of shape (n_classes,), mapping or {"labels", "uniform"}, default=None
        How frequent the classes are in the batch, in any unit.

        - numbers, in the order of ``classes_``, or by label (a mapping or a pandas Series), which
          then names every class;
        - ``"labels"``: as in the labelled images, each class counted once more. They have to be
          a random sample of such batches: shots chosen per class are not;
        - ``"uniform"``: all alike. Of a batch that is not, this ruins the predictions;
        - None: as the head says. It changes nothing.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        Class labels, sorted.

    head_ : classifier
        The fitted head.

    prior_ : ndarray of shape (n_classes,)
        Prior of every class; they sum to one.

    head_prior_ : ndarray of shape (n_classes,)
        Mean probabilities of the head over the batch: the prior that changes nothing.

    weight_ : ndarray of shape (n_classes,)
        The weights :math:`v`. Weighted by the prior, their mean is zero.

    n_features_in_ : int
        Number of features of the embeddings.

    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the features, when ``X`` was given with string column names.

    See Also
    --------
    StatAClassifier : Needs no prior.

    Notes
    -----
    The marginals are reached to 1e-8, by scaling (Sinkhorn) and Newton's steps on the convex dual,
    in numpy. A class with a prior of zero gets one in a billion. Memory grows with rows times
    classes in ``fit``.

    With ``sklearn.set_config(array_api_dispatch=True)`` and a head that supports it, embeddings may
    be arrays of other libraries, such as torch tensors on any device.

    References
    ----------
    .. [1] Shin et al., "OTTER: Effortless Label Distribution Adaptation of Zero-shot Models",
       `arXiv 2404.08461 <https://arxiv.org/abs/2404.08461>`_.

    Examples
    --------
    >>> from skclip import ZeroShotClassifier
    >>> from skclip.transduction import PriorShiftAdapter
    >>> text = {"cat": [1.0, 0.0], "dog": [0.0, 1.0]}
    >>> head = ZeroShotClassifier(text, logit_scale=5.0)
    >>> X = [[0.9, 0.1], [0.6, 0.5], [0.7, 0.6], [0.2, 0.9]]
    >>> head.fit().predict(X)
    array(['cat', 'cat', 'cat', 'dog'], dtype='<U3')
    >>> rare_cats = PriorShiftAdapter(head, prior={"cat": 1, "dog": 3}).fit(X_unlabeled=X)
    >>> rare_cats.predict(X)
    array(['cat', 'dog', 'dog', 'dog'], dtype='<U3')
    """

    _placed = "weight_"
    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "head": [HasMethods(["fit", "predict"])],
        "prior": ["array-like", Mapping, StrOptions({"labels", "uniform"}), None],
    }

    def __init__(self, head: Any, *, prior: Any = None) -> None:
        self.head = head
        self.prior = prior

    @fit_context(prefer_skip_nested_validation=False)
    def fit(
        self,
        X: ArrayLike | None = None,
        y: ArrayLike | None = None,
        *,
        X_unlabeled: ArrayLike | None = None,
    ) -> Self:
        """Fit the head, and the weights to the batch.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features), default=None
            Embeddings of labelled images; of the batch where ``X_unlabeled`` is left out.

        y : array-like of shape (n_samples,), default=None
            Class labels.

        X_unlabeled : array-like of shape (n_unlabelled, n_features), default=None
            Embeddings of the batch.

        Returns
        -------
        self : PriorShiftAdapter
            The fitted classifier.

        Raises
        ------
        ValueError
            If there are no images, the prior does not fit the classes, a cross-validation has
            split ``X_unlabeled``, or the head is so sure that no weights reach the prior.
        """
        name = type(self).__name__
        if not hasattr(self.head, "predict_proba"):
            raise ValueError(
                f"{name} needs a head with predict_proba, got {self.head!r}: wrap it in "
                "CalibratedClassifierCV."
            )
        if X is None and X_unlabeled is None:
            raise ValueError(f"{name}.fit got no images: give X or X_unlabeled.")
        X, y = check_optional_embeddings(self, X, y)
        labelled = X is not None and y is not None
        batch: Any = X
        if X_unlabeled is not None:
            batch = check_embeddings(self, X_unlabeled, reset=X is None)
            refuse_split(name, X, batch)
        # without labels, rows say on which device the head lies
        place = X if labelled else batch if is_elsewhere(batch) else None
        self.head_ = clone(self.head).fit(place, y)
        self.classes_ = self.head_.classes_
        seen = np.flatnonzero(nonzero_rows(to_numpy(batch)))
        if not len(seen):
            raise ValueError(
                "No row carries evidence: every embedding is zero. Give at least one that is not."
            )
        if len(seen) < batch.shape[0]:
            batch = take_rows(batch, seen)
        log_proba = to_numpy(self._log_proba(batch)).astype(np.float64)
        head_prior = np.exp(log_proba).mean(axis=0)
        head_prior = np.maximum(head_prior / head_prior.sum(), LEAST_PRIOR)
        prior = head_prior if self.prior is None else self._resolved_prior(y)
        weight = np.zeros(len(prior))
        if self.prior is not None:
            try:
                weight = sinkhorn_weights(log_proba, prior)
            except FloatingPointError as error:
                raise ValueError(
                    f"No weights bring the classes to the prior ({error}): the head {self.head!r} "
                    "is all but certain of too many images. Give it a smaller logit_scale, or a "
                    "prior nearer to head_prior_."
                ) from error
        self.head_prior_, self.prior_ = like(head_prior, batch), like(prior, batch)
        self.weight_ = like(weight, batch)
        return self

    def _resolved_prior(self, y: Any) -> Array:
        classes = to_numpy(self.classes_)
        n_classes = len(classes)
        given: Any = self.prior
        if hasattr(given, "to_dict"):  # a pandas Series, such as value_counts() returns
            given = given.to_dict()
        if isinstance(given, str) and given == "uniform":
            given = np.ones(n_classes)
        elif isinstance(given, str):
            if y is None:
                raise ValueError('prior="labels" counts labels: give X and y, or a prior.')
            given = 1 + np.bincount(encode_known(y, classes), minlength=n_classes)
        elif isinstance(given, Mapping):
            at = encode_known(list(given), classes, source="prior")
            missing = np.setdiff1d(np.arange(n_classes), at)
            if len(missing):
                raise ValueError(
                    f"prior has no number for {sample_of(classes[missing])}: name every "
                    "class, with 0 for those that do not occur."
                )
            numbers, given = np.asarray(list(given.values())), np.empty(n_classes)
            given[at] = numbers
        prior = np.asarray(given, dtype=np.float64)
        if prior.shape != (n_classes,) or not np.isfinite(prior).all() or (prior < 0).any():
            raise ValueError(
                f"prior must hold one number of at least 0 for each of the {n_classes} classes "
                f"{sample_of(classes)}, got {self.prior!r}."
            )
        if not prior.any():
            raise ValueError("prior is zero for every class: give at least one a positive number.")
        prior = np.maximum(prior / prior.sum(), LEAST_PRIOR)
        return np.asarray(prior / prior.sum())

    def _log_proba(self, X: Any) -> NDArray[Any]:
        proba = in_double(self.head_.predict_proba(X))
        xp, _, _ = get_namespace_and_device(proba)
        log_proba: NDArray[Any] = xp.log(xp.clip(proba, LEAST_PROBABILITY, None))
        return log_proba

    def _class_scores(self, X: NDArray[Any]) -> NDArray[Any]:
        log_proba = self._log_proba(X)
        moved: NDArray[Any] = log_proba + cast(self.weight_, log_proba.dtype)
        return moved

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.array_api_support = get_tags(self.head).array_api_support
        return tags
