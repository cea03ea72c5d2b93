"""A mixed head that chooses its share of text on folds of the training rows."""

from collections.abc import Sequence
from numbers import Integral
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import clone
from sklearn.model_selection import check_cv

from skclip._array_api import take_rows, to_numpy
from skclip._compat import Interval, fit_context
from skclip.heads._mixed import BaseMixedHead, MixedHeadClassifier
from skclip.heads._mixing import calibrated
from skclip.heads._share_search import (
    DEFAULT,
    BlockIterator,
    ShareSearchMixin,
    best_logit_scale,
    candidates,
    compare,
)

__all__ = ["MixedHeadClassifierCV"]


class MixedHeadClassifierCV(ShareSearchMixin, BaseMixedHead):
    r"""Mixed head whose share of text is chosen by cross-validation of the image head alone.

    The image head is fitted once a fold, not once a fold and value: what it says of the rows it has
    not seen is mixed with the text head for every share at once. For class means
    :class:`PrimedNCMClassifierCV` leaves out single rows in closed form instead.

    The default (``alpha="variance"``) stays unless the best of the others beats it by more than
    two standard errors of the difference.

    Parameters
    ----------
    zero_shot, head
        As in :class:`MixedHeadClassifier`.

    alphas : sequence of float and str, default=None
        Shares to try: numbers in [0, 1] and names of schedules. None is both estimated and
        published schedule and the numbers 0, 0.05, ..., 1.

    sigmas : sequence of float, default=None
        Multiples of each schedule's own constant to try. None is :math:`2^{-6} \ldots 2^6`.

    cv : int, splitter or iterable, default=5
        Folds, as everywhere in scikit-learn; a number is lowered to the rows of the smallest
        class. Where that is one, there are no folds and the default is taken.

    count, space, calibration
        As in :class:`MixedHeadClassifier`.

    logit_scale : "auto" or float, default="auto"
        Scale of the probabilities. ``"auto"`` is the one with the least log loss on the folds, or
        the text head's where there are none. Has no part in ``space="proba"``.

    Attributes
    ----------
    best_alpha_ : float or str
        The number or schedule chosen.

    best_sigma_ : float or None
        Constant of the chosen schedule; None for a number.

    best_score_ : float
        Weighted accuracy of the choice on the folds; NaN where there are none.

    search_results_ : dict of lists
        ``"alpha"``, ``"sigma"`` and ``"accuracy"`` of everything tried.

    classes_, alpha_, class_count_, head_, text_head_, coef_, intercept_
        As in :class:`MixedHeadClassifier`.

    logit_scale_, n_features_in_, feature_names_in_
        As in :class:`MixedHeadClassifier`.

    See Also
    --------
    MixedHeadClassifier : The head with a given share.
    PrimedNCMClassifierCV : Exact leave-one-out for class means.

    Notes
    -----
    Arrays of other libraries are taken as in :class:`MixedHeadClassifier`; the choice itself is
    made in numpy.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.linear_model import LogisticRegression
    >>> from skclip import MixedHeadClassifierCV
    >>> rng = np.random.default_rng(0)
    >>> y = np.repeat(["cat", "dog"], 20)
    >>> X = np.where(y == "cat", 1, -1)[:, None] * [0, 0, 1] + rng.normal(0, 0.3, (40, 3)) + 1
    >>> text = {"cat": [1.0, 0.9, 0.0], "dog": [0.9, 1.0, 0.0]}
    >>> head = MixedHeadClassifierCV(text, LogisticRegression()).fit(X, y)
    >>> len(head.search_results_["alpha"]), round(head.best_score_, 3)
    (47, 1.0)
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        name: constraint
        for name, constraint in MixedHeadClassifier._parameter_constraints.items()
        if name not in ("alpha", "sigma")
    } | {
        "alphas": ["array-like", None],
        "sigmas": ["array-like", None],
        "cv": [Interval(Integral, 2, None, closed="left"), "cv_object"],
    }

    def __init__(
        self,
        zero_shot: Any = None,
        head: Any = None,
        *,
        alphas: Sequence[float | str] | None = None,
        sigmas: Sequence[float] | None = None,
        cv: Any = 5,
        count: str = "per_class",
        space: str = "logits",
        calibration: str = "regression",
        logit_scale: str | float = "auto",
    ) -> None:
        self.zero_shot = zero_shot
        self.head = head
        self.alphas = alphas
        self.sigmas = sigmas
        self.cv = cv
        self.count = count
        self.space = space
        self.calibration = calibration
        self.logit_scale = logit_scale

    @fit_context(prefer_skip_nested_validation=False)
    def fit(self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None) -> Self:
        """Fit the image head on folds, choose the share of text, fit it on all rows and mix.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Embeddings; zero rows are ignored.

        y : array-like of shape (n_samples,)
            Class labels.

        sample_weight : array-like of shape (n_samples,), default=None
            Weight of every row, also in the accuracy on the folds.

        Returns
        -------
        self : MixedHeadClassifierCV
            The fitted classifier.
        """
        tried = candidates(self.alphas, self.sigmas)
        rows, labels, weight = self._prepare(X, y, sample_weight)
        splits = self._splits(rows, labels)
        if self.text_head_ is None or not splits:
            self._take_default(tried)
            self._mix(*self._share(), rows)
            return self
        blocks = list(
            self._unseen(rows, labels, weight, splits, weighted=sample_weight is not None)
        )
        shares = [self._text_share(*candidate) for candidate in tried]
        default = self._text_share(*DEFAULT)
        self._choose(tried, *compare(iter(blocks), tried, shares, default))
        self._mix(*self._share(), rows)
        if self.logit_scale == "auto" and self.space != "proba":
            share = to_numpy(self.alpha_)
            self.logit_scale_ = best_logit_scale(iter(blocks), share, self.logit_scale_)
        return self

    def _splits(self, X: NDArray[Any], y: NDArray[Any]) -> list[Any]:
        cv = self.cv
        if isinstance(cv, Integral):
            cv = min(int(cv), int(np.unique(y, return_counts=True)[1].min()))
            if cv < 2:
                return []
        return list(check_cv(cv, y, classifier=True).split(X, y))

    def _unseen(
        self,
        X: NDArray[Any],
        y: NDArray[Any],
        weight: NDArray[Any],
        splits: list[Any],
        *,
        weighted: bool,
    ) -> BlockIterator:
        """Yield what text and image head say of the rows of each fold that it was not fitted on."""
        classes = to_numpy(self.classes_)
        for train, test in splits:
            fold = MixedHeadClassifier(
                self.zero_shot,
                None if self.head is None else clone(self.head),
                alpha=0.0,
                count=self.count,
                space=self.space,
                calibration=self.calibration,
            )
            fold._prepare(
                take_rows(X, train), y[train], take_rows(weight, train) if weighted else None
            )
            rows = test[np.isin(y[test], to_numpy(fold.head_.classes_))]
            if not np.array_equal(to_numpy(fold.classes_), classes) or not len(rows):
                continue
            X_rows, known = take_rows(X, rows), to_numpy(fold._known)
            text, image = (to_numpy(of(X_rows)) for of in (fold._text_scores, fold._image_scores))
            image = calibrated(fold._kind, fold._scale, text.T, image.T, known).T
            image = np.where(known, image, text)
            yield text, image, np.searchsorted(classes, y[rows]), to_numpy(take_rows(weight, rows))
