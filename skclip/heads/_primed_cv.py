"""A primed head that chooses its share of text by exact leave-one-out."""

from collections.abc import Iterator, Sequence
from numbers import Real
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import minimize_scalar
from scipy.special import logsumexp

from skclip._compat import fit_context
from skclip._linalg import gen_row_blocks, unit_rows
from skclip.heads._leave_one_out import has_another_row, left_out_scores
from skclip.heads._mixing import SCHEDULES, Alpha, mix
from skclip.heads._primed import PrimedNCMClassifier
from skclip.heads._priming import BasePrimedNCM

__all__ = ["PrimedNCMClassifierCV"]

DEFAULT = ("variance", SCHEDULES["variance"].sigma)
_Candidate = tuple[float | str, float | None]  # a share or schedule, and its constant

# the largest of about forty differences exceeds this by chance in one case out of twenty
N_STANDARD_ERRORS = 3

DEFAULT_ALPHAS = ("variance", "exponential", *np.linspace(0, 1, 21).round(2).tolist())
DEFAULT_SIGMAS = tuple(2.0 ** np.arange(-6, 7))


class PrimedNCMClassifierCV(BasePrimedNCM):
    r"""Primed head whose share of text is chosen by exact leave-one-out.

    Leaving a labelled image out changes the sum of one class. What the head fitted without it
    would say of it therefore follows in closed form, for every schedule and constant at once:
    choosing among a hundred values costs about as much as one prediction.

    The default (``alpha="variance"``, whose constants are estimated from the images) stays unless
    the best of the others beats it by more than three standard errors of the difference: with few
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

    loo_results_ : dict of lists
        ``"alpha"``, ``"sigma"`` and ``"accuracy"`` of everything tried.

    classes_, coef_, intercept_, alpha_, class_mean_, class_count_, shot_count_, pool_count_, \
    shot_sum_, pool_sum_, pool_, primed_, text_head_, logit_scale_, n_features_in_, \
    feature_names_in_
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
        tried = self._candidates()
        shots = self._accumulate(X, y, sample_weight)
        rows = None
        if shots is not None and self.text_head_ is not None:
            rows = _LeftOutRows(self, shots)
        if not rows:
            self._choose(tried, np.full(len(tried), np.nan), DEFAULT)
            self._mix(*self._share())
            return self
        default = self._text_share(*DEFAULT)
        accuracy, gain, error = rows.compare([self._text_share(*c) for c in tried], default)
        best = int(np.argmax(accuracy))
        stays = gain[best] <= N_STANDARD_ERRORS * error[best]
        self._choose(tried, accuracy, DEFAULT if stays else tried[best])
        self.best_score_ = float(accuracy[best] - (gain[best] if stays else 0))
        self._mix(*self._share())
        if self.logit_scale == "auto":
            self.logit_scale_ = rows.best_logit_scale(self.alpha_, self.logit_scale_)
        return self

    def _share(self) -> tuple[Alpha, float | None]:
        return self.best_alpha_, self.best_sigma_

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
            self._choose([], np.empty(0), DEFAULT)
        return super().partial_fit(X, y, classes, sample_weight)

    def _candidates(self) -> list[_Candidate]:
        alphas = DEFAULT_ALPHAS if self.alphas is None else list(self.alphas)
        sigmas = DEFAULT_SIGMAS if self.sigmas is None else list(self.sigmas)
        wrong = [
            a
            for a in alphas
            if not (a in SCHEDULES if isinstance(a, str) else isinstance(a, Real) and 0 <= a <= 1)
        ]
        if wrong or not len(alphas):
            raise ValueError(
                f"alphas must hold numbers in [0, 1] and names among {sorted(SCHEDULES)}, got "
                f"{wrong[:3] or 'nothing'}."
            )
        if not len(sigmas) or not all(isinstance(s, Real) and s > 0 for s in sigmas):
            raise ValueError(f"sigmas must hold positive numbers, got {list(sigmas)[:3]}.")
        return [
            candidate
            for alpha in alphas
            for candidate in (
                [(alpha, float(s) * SCHEDULES[alpha].sigma) for s in sigmas]
                if isinstance(alpha, str)
                else [(float(alpha), None)]
            )
        ]

    def _choose(self, tried: list[_Candidate], accuracy: NDArray[Any], choice: _Candidate) -> None:
        self.best_alpha_, self.best_sigma_ = choice
        self.best_score_ = float("nan")
        self.loo_results_ = {
            "alpha": [alpha for alpha, _ in tried],
            "sigma": [sigma for _, sigma in tried],
            "accuracy": accuracy.tolist(),
        }


class _LeftOutRows:
    """The rows of a head that can be left out, block by block so that memory stays bounded."""

    def __init__(self, head: BasePrimedNCM, shots: Any) -> None:
        self.head = head
        self.sums, self.counts = head._worth()
        X, y, weight = shots
        codes = np.searchsorted(head.classes_, y)
        weight = weight.astype(np.float64) * X.any(axis=1)
        rows = np.flatnonzero(has_another_row(codes, weight, self.counts))
        self.X, self.codes, self.weight = X[rows], codes[rows], weight[rows]

    def __len__(self) -> int:
        return len(self.codes)

    def blocks(self) -> Iterator[tuple[NDArray[Any], NDArray[Any], NDArray[Any], NDArray[Any]]]:
        """Yield text scores, left-out image scores, class codes and weights of blocks of rows."""
        head = self.head
        for rows in gen_row_blocks(len(self), len(head.classes_)):
            codes, weight = self.codes[rows], self.weight[rows]
            text, image = left_out_scores(
                unit_rows(self.X[rows]),
                codes,
                weight,
                head.text_head_.weights,
                self.sums,
                calibration=head.calibration,
            )
            yield text, image, codes, weight

    def compare(
        self, shares: list[NDArray[Any]], default: NDArray[Any]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
        """Return accuracies, gains over the default, and the standard errors of the gains."""
        right, gain, square = np.zeros((3, len(shares)))
        for text, image, codes, weight in self.blocks():

            def is_right(share: NDArray[Any], text=text, image=image, codes=codes) -> Any:
                return mix(text.T, image.T, share).argmax(axis=0) == codes

            by_default = is_right(default)
            for i, share in enumerate(shares):
                by_this = is_right(share)
                better = by_this.astype(np.float64) - by_default
                right[i] += weight @ by_this
                gain[i] += weight @ better
                square[i] += weight @ better**2
        total = self.weight.sum()
        gain /= total
        variance = np.maximum(square / total - gain**2, 0)
        return right / total, gain, np.sqrt(variance * np.square(self.weight).sum()) / total

    def best_logit_scale(self, share: NDArray[Any], start: float) -> float:
        """Return the scale of the scores with the least weighted log loss."""
        margins, weights = [], []
        for text, image, codes, weight in self.blocks():
            scores = mix(text.T, image.T, share).T
            margins.append(scores - scores[np.arange(len(codes)), codes][:, None])
            weights.append(weight)
        margin, weight = np.concatenate(margins), np.concatenate(weights)

        def loss(log_scale: float) -> float:
            # the own class has margin 0, so its log probability is minus the log of the sum
            return float(weight @ logsumexp(np.exp(log_scale) * margin, axis=1))

        found = minimize_scalar(loss, bounds=(np.log(1e-2 * start), np.log(1e2 * start)))
        return float(np.exp(found.x))
