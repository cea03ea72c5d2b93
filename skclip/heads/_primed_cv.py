"""A primed head that chooses its share of text by exact leave-one-out."""

from collections.abc import Sequence
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from skclip._array_api import to_numpy
from skclip._compat import fit_context
from skclip._linalg import gen_row_blocks, unit_rows
from skclip.heads._leave_one_out import has_another_row, left_out_scores
from skclip.heads._primed import PrimedNCMClassifier
from skclip.heads._priming import BasePrimedNCM
from skclip.heads._share_search import (
    DEFAULT,
    BlockIterator,
    ShareSearchMixin,
    best_logit_scale,
    candidates,
    compare,
)

__all__ = ["PrimedNCMClassifierCV"]

N_KEPT_SCORES = 1 << 24  # more are computed twice rather than kept


class PrimedNCMClassifierCV(ShareSearchMixin, BasePrimedNCM):
    r"""Primed head whose share of text is chosen by exact leave-one-out.

    Leaving a labelled image out changes the sum of one class. What the head fitted without it
    would say of it therefore follows in closed form, for every schedule and constant at once:
    choosing among a hundred values costs about as much as one prediction.

    The default (``alpha="variance"``, whose constants are estimated from the images) stays unless
    the best of the others beats it by more than two standard errors of the difference: with few
    images the luckiest of a hundred values is not the best. Only rows whose class keeps another
    image can be left out; where no class does, the default is taken.

    Parameters
    ----------
    zero_shot, corpus, retriever, filter, classes
        As in :class:`PrimedNCMClassifier`.

    alphas : sequence of float and str, default=None
        Shares to try: numbers in [0, 1] and names of schedules. None is both estimated and
        published schedule and the numbers 0, 0.05, ..., 1.

    sigmas : sequence of float, default=None
        Multiples of each schedule's own constant to try. None is :math:`2^{-6} \ldots 2^6`.

    count, pool_weight, pool_limit, calibration
        As in :class:`PrimedNCMClassifier`.

    logit_scale : "auto" or float, default="auto"
        Scale of the probabilities. ``"auto"`` is the one with the least leave-one-out log loss,
        or the text head's where no row can be left out.

    unlabeled, n_neighbors
        As in :class:`PrimedNCMClassifier`.

    Attributes
    ----------
    best_alpha_ : float or str
        The number or schedule chosen.

    best_sigma_ : float or None
        Constant of the chosen schedule; None for a number.

    best_score_ : float
        Weighted leave-one-out accuracy of the choice; NaN where no row can be left out.

    search_results_ : dict of lists
        ``"alpha"``, ``"sigma"`` and ``"accuracy"`` of everything tried.

    classes_, coef_, intercept_, alpha_, class_mean_, class_count_
        As in :class:`PrimedNCMClassifier`.

    shot_count_, pool_count_, shot_sum_, pool_sum_, pool_, primed_
        As in :class:`PrimedNCMClassifier`.

    text_head_, logit_scale_, n_features_in_, feature_names_in_
        As in :class:`PrimedNCMClassifier`.

    See Also
    --------
    PrimedNCMClassifier : The head with a given share.
    sklearn.model_selection.GridSearchCV : Searches everything else, fold by fold.

    Notes
    -----
    The recalled images take part in every left-out head; they are never left out themselves.

    A value is judged by the shares :math:`\alpha_c` it gives with all rows. Were they computed
    anew without the row, the smaller count would betray the class it belongs to: with
    :math:`\alpha(n - 1) = 1` and :math:`\alpha(n) = 0` leave-one-out could be right about
    everything by the scale of the scores alone.

    Arrays of other libraries are taken as in :class:`PrimedNCMClassifier`; the choice itself is
    made in numpy.

    Examples
    --------
    >>> import numpy as np
    >>> from skclip import PrimedNCMClassifierCV
    >>> rng = np.random.default_rng(0)
    >>> text = {"cat": [1.0, 0.9, 0.0], "dog": [0.9, 1.0, 0.0]}
    >>> y = np.repeat(["cat", "dog"], 20)
    >>> X = np.where(y == "cat", 1, -1)[:, None] * [0, 0, 1] + rng.normal(0, 0.3, (40, 3)) + 1
    >>> head = PrimedNCMClassifierCV(text).fit(X, y)
    >>> head.best_alpha_, round(head.best_score_, 3)
    ('variance', 1.0)
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        name: constraint
        for name, constraint in PrimedNCMClassifier._parameter_constraints.items()
        if name not in ("alpha", "sigma")
    } | {"alphas": ["array-like", None], "sigmas": ["array-like", None]}

    def __init__(
        self,
        zero_shot: Any = None,
        *,
        corpus: Any = None,
        retriever: Any = None,
        filter: Any = None,
        classes: ArrayLike | None = None,
        alphas: Sequence[float | str] | None = None,
        sigmas: Sequence[float] | None = None,
        count: str = "per_class",
        pool_weight: float = 1.0,
        pool_limit: float | None = 1.0,
        calibration: str = "regression",
        logit_scale: str | float = "auto",
        unlabeled: Any = None,
        n_neighbors: int = 10,
    ) -> None:
        self.zero_shot = zero_shot
        self.corpus = corpus
        self.retriever = retriever
        self.filter = filter
        self.classes = classes
        self.alphas = alphas
        self.sigmas = sigmas
        self.count = count
        self.pool_weight = pool_weight
        self.pool_limit = pool_limit
        self.calibration = calibration
        self.logit_scale = logit_scale
        self.unlabeled = unlabeled
        self.n_neighbors = n_neighbors

    @fit_context(prefer_skip_nested_validation=False)
    def fit(
        self,
        X: ArrayLike | None = None,
        y: ArrayLike | None = None,
        sample_weight: ArrayLike | None = None,
    ) -> Self:
        """Recall, filter, average; choose the share of text; mix.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features), default=None
            Embeddings of labelled images; zero rows are ignored.

        y : array-like of shape (n_samples,), default=None
            Class labels.

        sample_weight : array-like of shape (n_samples,), default=None
            Weight of every labelled image, also in the leave-one-out accuracy.

        Returns
        -------
        self : PrimedNCMClassifierCV
            The fitted classifier.
        """
        tried = candidates(self.alphas, self.sigmas)
        shots = self._accumulate(X, y, sample_weight)
        rows = None
        if shots is not None and self.text_head_ is not None:
            rows = _LeftOutRows(self, self.text_head_.weights, shots)
        if not rows:
            self._take_default(tried)
            self._mix(*self._share())
            return self
        shares, default = self._text_shares(tried), self._text_shares([DEFAULT])[0]
        blocks = rows.blocks
        if len(rows) * self.classes_.shape[0] <= N_KEPT_SCORES:
            kept = list(rows.blocks())
            blocks = kept.__iter__
        self._choose(tried, *compare(blocks(), tried, shares, default))
        self._mix(*self._share())
        if self.logit_scale == "auto":
            self.logit_scale_ = best_logit_scale(blocks(), to_numpy(self.alpha_), self.logit_scale_)
        return self

    def partial_fit(
        self,
        X: ArrayLike,
        y: ArrayLike,
        classes: ArrayLike | None = None,
        sample_weight: ArrayLike | None = None,
    ) -> Self:
        """Add labelled images to what was fitted, with the share as chosen then.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Embeddings.

        y : array-like of shape (n_samples,)
            Labels among ``classes_``.

        classes : array-like of shape (n_classes,), default=None
            As in :class:`PrimedNCMClassifier`.

        sample_weight : array-like of shape (n_samples,), default=None
            Weight of every image.

        Returns
        -------
        self : PrimedNCMClassifierCV
            The updated classifier. Before any :meth:`fit` the default is chosen.
        """
        if not hasattr(self, "best_alpha_"):
            self._take_default([])
        return super().partial_fit(X, y, classes, sample_weight)


class _LeftOutRows:
    """The rows of a head that can be left out, block by block so that memory stays bounded."""

    def __init__(self, head: BasePrimedNCM, text: NDArray[Any], shots: Any) -> None:
        self.head = head
        self.text = text
        self.sums, self.counts = head._worth()
        X, y, weight = shots
        X, weight = to_numpy(X), to_numpy(weight)  # labelled images are few
        codes = np.searchsorted(to_numpy(head.classes_), y)
        weight = weight.astype(np.float64) * X.any(axis=1)
        rows = np.flatnonzero(has_another_row(codes, weight, self.counts))
        self.X, self.codes, self.weight = X[rows], codes[rows], weight[rows]

    def __len__(self) -> int:
        return len(self.codes)

    def blocks(self) -> BlockIterator:
        """Yield text scores, left-out image scores, class codes and weights of blocks of rows."""
        head = self.head
        for rows in gen_row_blocks(len(self), head.classes_.shape[0]):
            codes, weight = self.codes[rows], self.weight[rows]
            text, image = left_out_scores(
                unit_rows(self.X[rows]),
                codes,
                weight,
                self.text,
                self.sums,
                calibration=head.calibration,
            )
            yield text, image, codes, weight
