"""Gaussian discriminant analysis (GDA) as an estimator, with exact updates.

The state is one :class:`ClassSums` with a second moment.
"""

from __future__ import annotations

from numbers import Real
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator

from skclip._array_api import cast, is_elsewhere, like, to_numpy
from skclip._base import CosineLinearMixin
from skclip._compat import Interval, StrOptions, validate_parameters
from skclip._linalg import gen_row_blocks, unit_rows
from skclip._validation import encode_known, sample_of
from skclip.heads._class_sums import ClassSums
from skclip.heads._discriminant._formulas import (
    feature_ridge,
    fit_discriminant,
    published_ridge,
    within_scatter,
)
from skclip.heads._discriminant._left_out_choice import (
    RIDGE_FACTORS,
    choose_ridge,
    distinct_rows_of_classes,
    spread_out_part,
)
from skclip.heads._discriminant._mean_prior import MeanPrior, posterior_means, text_prior
from skclip.heads._exact_updates import ExactUpdatesMixin, check_evidence

__all__ = ["GaussianDiscriminantClassifier"]

# Scale of cosines to class means if no row can be left out. The best scales on the test rows of
# nine sets with one image per class are between 14 and 80.
ONE_IMAGE_SCALE = 30.0
# The same for the discriminant, divided by its degrees of freedom per feature: 0.15 to 0.6.
TYPICAL_SCALE = 0.33


class GaussianDiscriminantClassifier(ExactUpdatesMixin, CosineLinearMixin, BaseEstimator):
    r"""Classify by class means and one covariance of all classes (GDA).

    With :math:`m_c` the mean of the :math:`n_c` unit rows of a class, :math:`S` the scatter of all
    rows about their class mean, :math:`\nu` its degrees of freedom and
    :math:`P = d (S + \Lambda)^{-1}`,

    .. math:: \mathrm{score}_c(x) = P m_c \cdot x - \tfrac12 m_c^\top P m_c
              + \tfrac12 \frac{\mathrm{tr}(P S)}{\nu n_c} + \frac{\log \pi_c}{s}

    With one image per class there is no scatter, and the scores are those of class means.

    The state consists of sums. Therefore updates are exact: :meth:`partial_fit` over any split of
    the rows gives the scores of :meth:`fit` on all of them, :meth:`forget` those of a fit without
    the rows, and :meth:`merge` those of a fit on the rows of both heads.

    Parameters
    ----------
    ridge : {"feature", "published", "loo"} or float, default="feature"
        Diagonal of :math:`\Lambda`:

        - ``"feature"``: :math:`2 d / (n - 1)` times the diagonal of :math:`S`, of which no entry
          counts as less than half the mean; features with more scatter are shrunk more;
        - ``"published"``: :math:`\mathrm{tr}(S) / (n - 1)` for every feature;
        - ``"loo"``: the multiple of ``"feature"`` with the best leave-one-out likelihood;
        - a number: this multiple of the mean of the diagonal of :math:`S`, for every feature.

    zero_shot : ZeroShotClassifier or mapping of class name to vector, default=None
        Text head towards which the class means are shrunk. All its classes are known; those
        without images are predicted by their text.

    shrinkage : float, default=4.0
        Number of images :math:`\sigma` that the text row of a class counts as. With text,
        :math:`m_c` is :math:`(\sigma t'_c + \sum_i w_i x_i) / (\sigma + n_c)`. The text row is
        first mapped to the space of images: :math:`t'_c = \bar m + \beta (t_c - \bar t)`, with the
        slope :math:`\beta` of class means on text rows. Ignored without ``zero_shot``.

    priors : "empirical" or array-like of shape (n_classes,), default=None
        Probability :math:`\pi_c` of each class, in the order of ``classes_``. None is uniform, as
        published; ``"empirical"`` is the class frequencies.

    logit_scale : float or "auto", default="auto"
        Scale :math:`s` of the probabilities :math:`\mathrm{softmax}(s \cdot \mathrm{score})`.
        ``"auto"`` is the scale with the best leave-one-out likelihood; see the Notes.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        Class labels, sorted.

    class_sum_ : ndarray of shape (n_classes, n_features)
        Weighted sum of the unit rows of each class, float64.

    class_count_ : ndarray of shape (n_classes,)
        Sum of the weights of the rows of each class, without zero rows.

    second_moment_ : ndarray of shape (n_features, n_features)
        Weighted sum of the outer products of all unit rows, float64.

    coef_ : ndarray of shape (n_classes, n_features)
        :math:`P m_c`; two rows for two classes.

    intercept_ : ndarray of shape (n_classes,)
        The constant terms; :math:`-\infty` for a class without rows and text, which is never
        predicted.

    text_head_ : TextHead or None
        Text weights aligned with ``classes_``.

    ridge_ : ndarray of shape (n_features,)
        The diagonal of :math:`\Lambda`.

    logit_scale_ : float
        Scale of the probabilities.

    n_features_in_ : int
        Number of features seen in :term:`fit`.

    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the features, when ``X`` has string column names.

    See Also
    --------
    NearestClassMean : Class means alone.
    sklearn.discriminant_analysis.LinearDiscriminantAnalysis : With ``solver="lsqr"`` and
        ``shrinkage="auto"``, the covariance of each class is shrunk by itself. No updates; one to
        four images per class are too few for it.

    Notes
    -----
    A weight is a frequency: 2 counts as the row twice. Weights that sum to less than the number of
    classes leave no degrees of freedom.

    The scores have the published scale, which is far too large for log odds, since the covariance
    is that of the training rows. ``logit_scale="auto"`` maximises the likelihood of the labels,
    with each row scored by the fit without it, in closed form. Copies of a row are left out
    together, and classes are weighted by their priors. Updates change the scale in proportion to
    the degrees of freedom. If no class has two rows, no row can be left out, and the scale is 30
    for cosines. With uniform priors the scale does not change predicted labels.

    ``ridge="loo"`` and ``logit_scale="auto"`` need rows. :meth:`partial_fit` makes the choice in
    the first call with rows that can be left out, and keeps it.

    A zero row gets the scores ``intercept_``.

    With ``sklearn.set_config(array_api_dispatch=True)`` embeddings may be arrays of other
    libraries, such as torch tensors on any device. Fitted arrays, scores and predictions are then
    on the device of ``X``. The covariance is inverted, and rows are left out, in numpy.

    References
    ----------
    .. [1] Wang et al., "A Hard-to-Beat Baseline for Training-free CLIP-based Adaptation",
       `arXiv 2402.04087 <https://arxiv.org/abs/2402.04087>`_.

    Examples
    --------
    >>> import numpy as np
    >>> from skclip import GaussianDiscriminantClassifier
    >>> X = np.array([[1.0, 0.3], [1.0, -0.3], [0.8, 0.9], [0.8, 0.4]])
    >>> head = GaussianDiscriminantClassifier().fit(X, ["cat", "cat", "dog", "dog"])
    >>> head.predict([[1.0, 0.1], [0.7, 0.7]])
    array(['cat', 'dog'], dtype='<U3')

    Add a new class, and remove a row:

    >>> head.partial_fit([[-1.0, 0.0]], ["fox"]).classes_
    array(['cat', 'dog', 'fox'], dtype='<U3')
    >>> head.forget(X[:1], ["cat"]).class_count_
    array([1., 2., 1.])

    A class without images is predicted by its text:

    >>> text = {"cat": [1.0, 0.0], "dog": [0.6, 0.8], "fox": [-1.0, 0.0]}
    >>> head = GaussianDiscriminantClassifier(zero_shot=text)
    >>> head.fit(X, ["cat", "cat", "dog", "dog"]).predict([[-0.8, 0.1]])
    array(['fox'], dtype='<U3')
    """

    # factor of the ridge, and scale divided by degrees of freedom per feature
    _choice: tuple[float, float] | None

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **ExactUpdatesMixin._parameter_constraints,
        "ridge": [
            StrOptions({"feature", "published", "loo"}),
            Interval(Real, 0, None, closed="neither"),
        ],
        "priors": ["array-like", StrOptions({"empirical"}), None],
        "logit_scale": [Interval(Real, 0, None, closed="neither"), StrOptions({"auto"})],
    }

    def __init__(
        self,
        ridge: str | float = "feature",
        *,
        zero_shot: Any = None,
        shrinkage: float = 4.0,
        priors: ArrayLike | str | None = None,
        logit_scale: float | str = "auto",
    ) -> None:
        self.ridge = ridge
        self.zero_shot = zero_shot
        self.shrinkage = shrinkage
        self.priors = priors
        self.logit_scale = logit_scale

    def _fit_sums(self, sums: ClassSums, X: NDArray[Any], codes: NDArray[Any]) -> Self:
        """Fit from the sums of all rows and a sample of them; see `skclip.distributed`.

        Parameters
        ----------
        sums : ClassSums
            Of all unit rows, with the second moment.

        X : ndarray of shape (n_samples, n_features)
            A sample of the rows, without zero rows. The scale and the ridge ``"loo"`` are chosen
            with these rows left out.

        codes : ndarray of shape (n_samples,)
            Their positions in ``sums.classes``.
        """
        validate_parameters(self)
        self.n_features_in_ = sums.sums.shape[1]
        rows = [X, codes, np.ones(len(X))]
        return self._add_sums(sums, rows, sums.classes, sums.classes, reset=True)

    def _sums_of(
        self, X: Any, codes: NDArray[Any], classes: NDArray[Any], weight: Any
    ) -> ClassSums:
        sums = ClassSums.empty(classes, X.shape[1], with_second=True)
        for rows in gen_row_blocks(X.shape[0], X.shape[1]):
            # float64 where the device has it, since differences of sums are taken
            block = X[rows, :] if is_elsewhere(X) else cast(X[rows, :], np.float64)
            sums += ClassSums.of_rows(block, codes[rows], classes, weight[rows], with_second=True)
        return sums

    def _choose(
        self, state: ClassSums, rows: list[Any], classes: NDArray[Any], *, reset: bool
    ) -> None:
        if reset:
            self._choice = None
        if self._choice is None and (self.ridge == "loo" or self.logit_scale == "auto"):
            X, codes, weight = rows
            codes = encode_known(classes, state.classes)[codes]
            self._choice = self._left_out_choice(to_numpy(X), codes, to_numpy(weight), state)

    def _before_merge(self, other: Self) -> None:
        self._choice = self._choice or other._choice

    def _linear_head(self, state: ClassSums, X: Any) -> tuple[NDArray[Any], NDArray[Any]]:
        check_evidence(state.known)
        scatter, dof = within_scatter(state)
        ridge = self._ridge(scatter, state.counts.sum())
        if self.ridge == "loo" and self._choice is not None:
            ridge = self._choice[0] * ridge
        self.logit_scale_ = self._scale(scatter, dof)
        with np.errstate(divide="ignore"):
            log_prior = np.log(self._class_priors(state)) / self.logit_scale_
        means, counts = posterior_means(state.means, state.counts, self._mean_prior(state))
        fitted = fit_discriminant(means, counts, scatter, dof, ridge=ridge, log_prior=log_prior)
        self.ridge_ = like(ridge, X)
        return fitted.coef, fitted.intercept

    def _ridge(self, scatter: NDArray[np.float64], n: float) -> NDArray[np.float64]:
        """Return the ridge of every feature; for ``"loo"``, the ridge to multiply."""
        if self.ridge in ("feature", "loo"):
            return feature_ridge(scatter, n)
        if self.ridge == "published":
            return np.full(len(scatter), published_ridge(scatter, n))
        return np.full(len(scatter), float(self.ridge) * np.diag(scatter).mean() or 1.0)

    def _scale(self, scatter: NDArray[np.float64], dof: float) -> float:
        if self.logit_scale != "auto":
            return float(self.logit_scale)
        d = len(scatter)
        if not scatter.any():
            return ONE_IMAGE_SCALE / d
        relative = TYPICAL_SCALE if self._choice is None else self._choice[1]
        return relative * max(dof, 1) / d

    def _mean_prior(self, state: ClassSums) -> MeanPrior | None:
        if self.text_head_ is None:
            return None
        text = self.text_head_.weights.astype(np.float64)
        return text_prior(text, state.means, state.counts, float(self.shrinkage))

    def _class_priors(self, state: ClassSums) -> NDArray[np.float64]:
        """Return the prior of every class; zero for classes without images and text."""
        if self.priors is None:
            priors = np.ones(len(state.classes))
        elif isinstance(self.priors, str):
            priors = state.counts
        else:
            priors = np.asarray(self.priors, dtype=np.float64)
            if priors.shape != state.classes.shape or not (priors > 0).all():
                raise ValueError(
                    "priors of GaussianDiscriminantClassifier must hold one positive number for "
                    f"each of the {len(state.classes)} classes {sample_of(state.classes)}, got "
                    f"{self.priors!r}. Give them in the order of classes_, or None for equal ones."
                )
        if self.text_head_ is None:
            priors = np.where(state.known, priors, 0)
        normalized: NDArray[np.float64] = priors / priors.sum()
        return normalized

    def _left_out_choice(
        self,
        X: NDArray[Any],
        codes: NDArray[np.integer],
        weight: NDArray[Any],
        state: ClassSums,
    ) -> tuple[float, float] | None:
        """Return ``_choice``, or None if no row can be left out."""
        scatter, dof = within_scatter(state)
        if not scatter.any():
            return None
        rows, mass = distinct_rows_of_classes(X, codes, weight)
        part = spread_out_part(len(rows), *state.sums.shape)
        rows, mass = rows[part], mass[part]
        choice = choose_ridge(
            unit_rows(X[rows].astype(np.float64)),
            codes[rows],
            mass,
            state.means,
            state.counts,
            scatter,
            dof,
            base=self._ridge(scatter, state.counts.sum()),
            class_weight=self._class_priors(state),
            factors=RIDGE_FACTORS if self.ridge == "loo" else np.ones(1),
            prior=self._mean_prior(state),
        )
        if choice is None:
            return None
        return choice.factor, choice.scale * len(scatter) / max(dof, 1)
