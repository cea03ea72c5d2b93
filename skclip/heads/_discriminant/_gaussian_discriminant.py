"""Gaussian discriminant analysis (GDA) as an estimator, with exact updates.

The formulas are functions of ``_discriminant``; the state is one :class:`ClassSums` with a second
moment. Called by users and by the stacked head.
"""

from collections.abc import Mapping
from numbers import Real
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator
from sklearn.utils import Tags
from sklearn.utils.validation import assert_all_finite, check_is_fitted

from skclip._array_api import cast, is_elsewhere, like, to_numpy
from skclip._base import CosineLinearMixin
from skclip._compat import (
    SUPPORTS_ARRAY_API,
    HasMethods,
    Interval,
    StrOptions,
    check_same_namespace,
    check_sample_weight,
    fit_context,
)
from skclip._linalg import gen_row_blocks, unit_rows
from skclip._text_head import TextHead, check_labels_known, check_same_width, resolve_text_head
from skclip._validation import check_labelled_embeddings, encode_known, encode_labels, sample_of
from skclip.heads._class_sums import ClassSums
from skclip.heads._discriminant._formulas import (
    feature_ridge,
    fit_discriminant,
    left_out_scores,
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

__all__ = ["GaussianDiscriminantClassifier"]

# Scale of cosines to class means where no row can be left out: the best on the test rows of nine
# sets with one image a class lies between 14 and 80.
ONE_IMAGE_SCALE = 30.0
# The same for the discriminant, over its degrees of freedom a feature: between 0.15 and 0.6.
TYPICAL_SCALE = 0.33


class GaussianDiscriminantClassifier(CosineLinearMixin, BaseEstimator):
    r"""Classify by class means and one covariance of all classes (GDA).

    With :math:`m_c` the mean of the :math:`n_c` unit rows of a class, :math:`S` the scatter of all
    rows about their class mean, :math:`\nu` its degrees of freedom and
    :math:`P = d (S + \Lambda)^{-1}`,

    .. math:: \mathrm{score}_c(x) = P m_c \cdot x - \tfrac12 m_c^\top P m_c
              + \tfrac12 \frac{\mathrm{tr}(P S)}{\nu n_c} + \frac{\log \pi_c}{s}

    One image a class has no scatter: the scores are then those of class means.

    Sums are all that is kept of the rows. Therefore :meth:`partial_fit` over any split of the rows
    gives the scores that :meth:`fit` gives, :meth:`forget` takes rows away as if they had never
    been seen, and :meth:`merge` adds what another process has counted.

    Parameters
    ----------
    ridge : {"feature", "published", "loo"} or float, default="feature"
        What is added to the diagonal of :math:`S`:

        - ``"feature"``: :math:`2 d / (n - 1)` times the diagonal of :math:`S`, or half its mean
          where that is more, so that features that spread more are shrunk more;
        - ``"published"``: :math:`\mathrm{tr}(S) / (n - 1)` for every feature;
        - ``"loo"``: the multiple of ``"feature"`` of the best leave-one-out likelihood;
        - a number: so many times the mean of the diagonal of :math:`S`, for every feature.

    zero_shot : ZeroShotClassifier or mapping of class name to vector, default=None
        The text head that class means are shrunk to. Its classes are known from the start; those
        without images are predicted by their text.

    shrinkage : float, default=4.0
        How many images the text row of a class counts as, :math:`\sigma`. With text, :math:`m_c` is
        :math:`(\sigma t'_c + \sum_i w_i x_i) / (\sigma + n_c)`, and :math:`t'_c` is the text row
        moved to where images lie: :math:`\bar m + \beta (t_c - \bar t)`, :math:`\beta` the slope of
        class means on text rows. Has no part without ``zero_shot``.

    priors : "empirical" or array-like of shape (n_classes,), default=None
        Probability :math:`\pi_c` of each class, in the order of ``classes_``. ``None`` gives all
        classes the same, as published; ``"empirical"`` gives their shares of the rows.

    logit_scale : float or "auto", default="auto"
        Scale :math:`s` of the probabilities :math:`\mathrm{softmax}(s \cdot \mathrm{score})`.
        ``"auto"`` takes the one of the best leave-one-out likelihood: see the notes.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        Class labels, sorted.

    class_sum_ : ndarray of shape (n_classes, n_features)
        Weighted sum of the unit rows of each class, float64.

    class_count_ : ndarray of shape (n_classes,)
        Sum of the weights of each class's rows; zero rows carry no evidence and do not count.

    second_moment_ : ndarray of shape (n_features, n_features)
        Weighted sum of the outer products of all unit rows, float64.

    coef_ : ndarray of shape (n_classes, n_features)
        :math:`P m_c`. One row a class, also for two classes.

    intercept_ : ndarray of shape (n_classes,)
        The constant terms; :math:`-\infty` for a class without evidence, which is never
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
        ``shrinkage="auto"``, the covariances of the classes are shrunk one by one. Without
        updates; one to four images a class are too few for it.

    Notes
    -----
    A weight is a frequency: two is the row given twice. Weights that sum to less than the number
    of classes leave no degrees of freedom.

    The scale of the scores is the published one, and as log odds they would be far too large: the
    covariance is that of the rows it was made of. ``logit_scale="auto"`` scores each row by the fit
    without it, in closed form, and takes the scale at which the labels are likeliest, each class
    weighing as its prior. Copies of a row are left out together. Under updates the scale follows
    the degrees of freedom, to which it is proportional. Where no class has two rows there is
    nothing to leave out, and the scale is 30 for cosines. With uniform priors it changes no label.

    ``ridge="loo"`` and ``logit_scale="auto"`` need rows. :meth:`partial_fit` chooses on the rows of
    the first call that has any to leave out, and keeps the choice.

    With ``sklearn.set_config(array_api_dispatch=True)`` embeddings may be arrays of other
    libraries, such as torch tensors on any device: fitted arrays, scores and predictions lie where
    ``X`` lies. Matrices of features are inverted in numpy, and so are rows left out.

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

    A new class arrives, and a row is withdrawn:

    >>> head.partial_fit([[-1.0, 0.0]], ["fox"]).classes_
    array(['cat', 'dog', 'fox'], dtype='<U3')
    >>> head.forget(X[:1], ["cat"]).class_count_
    array([1., 2., 1.])

    Text stands in for a class without images:

    >>> text = {"cat": [1.0, 0.0], "dog": [0.6, 0.8], "fox": [-1.0, 0.0]}
    >>> head = GaussianDiscriminantClassifier(zero_shot=text)
    >>> head.fit(X, ["cat", "cat", "dog", "dog"]).predict([[-0.8, 0.1]])
    array(['fox'], dtype='<U3')
    """

    # the factor of the ridge, and the scale over the degrees of freedom a feature
    _choice: tuple[float, float] | None
    text_head_: TextHead | None

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "ridge": [
            StrOptions({"feature", "published", "loo"}),
            Interval(Real, 0, None, closed="neither"),
        ],
        "zero_shot": [HasMethods(["fit"]), Mapping, None],
        "shrinkage": [Interval(Real, 0, None, closed="neither")],
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

    @fit_context(prefer_skip_nested_validation=True)
    def fit(self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None) -> Self:
        """Compute means and covariance.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Embeddings; zero rows are ignored.

        y : array-like of shape (n_samples,)
            Class labels.

        sample_weight : array-like of shape (n_samples,), default=None
            Weight of every row: 2 is the row twice, 0 is the row left out.

        Returns
        -------
        self : GaussianDiscriminantClassifier
            The fitted head.
        """
        return self._add(X, y, None, sample_weight, reset=True)

    @fit_context(prefer_skip_nested_validation=True)
    def partial_fit(
        self,
        X: ArrayLike,
        y: ArrayLike,
        classes: ArrayLike | None = None,
        sample_weight: ArrayLike | None = None,
    ) -> Self:
        """Add rows; classes may be new.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Embeddings.

        y : array-like of shape (n_samples,)
            Class labels.

        classes : array-like of shape (n_classes,), default=None
            Classes to know from now on, with or without rows. Not needed: any call may bring
            new classes.

        sample_weight : array-like of shape (n_samples,), default=None
            Weight of every row.

        Returns
        -------
        self : GaussianDiscriminantClassifier
            The updated head.
        """
        first = not hasattr(self, "class_sum_")
        if not first:
            check_same_namespace(X, self, attribute="coef_", method="partial_fit")
        return self._add(X, y, classes, sample_weight, reset=first)

    def forget(self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None) -> Self:
        """Take rows away that were fitted before, as if they had never been seen.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            The embeddings to forget, as they were given.

        y : array-like of shape (n_samples,)
            Their labels.

        sample_weight : array-like of shape (n_samples,), default=None
            Their weights, as they were given.

        Returns
        -------
        self : GaussianDiscriminantClassifier
            The updated head. A class whose last row went keeps its label and is not predicted
            until it gets new rows, unless a text head stands in.

        Raises
        ------
        ValueError
            If the rows weigh more than what the head has seen of their class.
        """
        check_is_fitted(self)
        check_same_namespace(X, self, attribute="coef_", method="forget")
        gone = self._statistics(X, y, sample_weight, reset=False)[-1]
        return self._set_state(self._state() - gone, self.coef_, self.classes_)

    def merge(self, other: "GaussianDiscriminantClassifier") -> Self:
        """Add what another head has seen, as if its rows had been fitted here.

        Parameters
        ----------
        other : GaussianDiscriminantClassifier
            A head fitted on embeddings of the same model.

        Returns
        -------
        self : GaussianDiscriminantClassifier
            The updated head.
        """
        check_is_fitted(self)
        check_is_fitted(other)
        if other.n_features_in_ != self.n_features_in_:
            raise ValueError(
                f"Cannot merge a head of {other.n_features_in_} features into one of "
                f"{self.n_features_in_}: fit both on embeddings of one model."
            )
        self._choice = self._choice or other._choice
        return self._set_state(self._state() + other._state(), self.coef_, self.classes_)

    def _add(
        self,
        X: ArrayLike,
        y: ArrayLike,
        classes: ArrayLike | None,
        sample_weight: ArrayLike | None,
        *,
        reset: bool,
    ) -> Self:
        X, codes, weight, new = self._statistics(X, y, sample_weight, reset=reset)
        state = new
        if classes is not None:
            named = encode_labels(classes)[0]
            state = state + ClassSums.empty(named, X.shape[1], with_second=True)
        if reset:
            self._choice = None
            self.text_head_ = resolve_text_head(self.zero_shot, state.classes)
            if self.text_head_ is not None:
                check_same_width(self.n_features_in_, self.text_head_)
        else:
            state = self._state() + state
        if self.text_head_ is not None:
            known = self.text_head_.classes
            check_labels_known(state.classes, known)
            state = state + ClassSums.empty(known, X.shape[1], with_second=True)
        if self._choice is None and (self.ridge == "loo" or self.logit_scale == "auto"):
            position = encode_known(new.classes, state.classes)[codes]
            self._choice = self._left_out_choice(to_numpy(X), position, to_numpy(weight), state)
        return self._set_state(state, X, y if reset else self.classes_)

    def _statistics(
        self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None, *, reset: bool
    ) -> tuple[NDArray[Any], NDArray[np.int32], NDArray[Any], ClassSums]:
        X, y = check_labelled_embeddings(self, X, y, reset=reset, ensure_all_finite=False)
        classes, codes = encode_labels(y)
        weight = check_sample_weight(sample_weight, X, dtype=X.dtype)
        state = ClassSums.empty(classes, X.shape[1], with_second=True)
        for rows in gen_row_blocks(X.shape[0], X.shape[1]):
            # differences of sums follow: they are summed in float64, where a device has it
            block = X[rows, :] if is_elsewhere(X) else cast(X[rows, :], np.float64)
            state += ClassSums.of_rows(block, codes[rows], classes, weight[rows], with_second=True)
        if not np.isfinite(state.sums).all():
            assert_all_finite(X, input_name="X", estimator_name=type(self).__name__)
        return X, codes, weight, state

    def _state(self) -> ClassSums:
        """Return the state in numpy, where states are added."""
        parts = (self.classes_, self.class_sum_, self.class_count_, self.second_moment_)
        return ClassSums(*map(to_numpy, parts))

    def _set_state(self, state: ClassSums, X: Any, y: Any) -> Self:
        """Keep the state, and the head it gives, where ``X`` lies; the labels where ``y`` lies."""
        if not state.known.any():
            raise ValueError(
                "No row carries evidence: every embedding is zero or has weight zero. "
                "Give at least one row that is not zero."
            )
        scatter, dof = within_scatter(state)
        ridge = self._ridge(scatter, state.counts.sum())
        if self.ridge == "loo" and self._choice is not None:
            ridge = self._choice[0] * ridge
        self.logit_scale_ = self._scale(scatter, dof)
        with np.errstate(divide="ignore"):
            log_prior = np.log(self._class_priors(state)) / self.logit_scale_
        means, counts = posterior_means(state.means, state.counts, self._mean_prior(state))
        fitted = fit_discriminant(means, counts, scatter, dof, ridge=ridge, log_prior=log_prior)
        self.classes_ = like(state.classes, y)
        self.class_sum_, self.class_count_ = like(state.sums, X), like(state.counts, X)
        self.second_moment_, self.ridge_ = like(state.second, X), like(ridge, X)
        self.coef_ = like(fitted.coef, X, X.dtype)
        self.intercept_ = like(fitted.intercept, X, X.dtype)
        return self

    def _ridge(self, scatter: NDArray[np.float64], n: float) -> NDArray[np.float64]:
        """Return the ridge of every feature; that which is multiplied for ``"loo"``."""
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
        """Return the prior of every class, zero without images and text."""
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
        shares: NDArray[np.float64] = priors / priors.sum()
        return shares

    def _left_out_choice(
        self,
        X: NDArray[Any],
        codes: NDArray[np.integer],
        weight: NDArray[Any],
        state: ClassSums,
    ) -> tuple[float, float] | None:
        """Return ``_choice``, or None where no row can be left out."""
        scatter, dof = within_scatter(state)
        if not scatter.any():
            return None
        rows, mass = distinct_rows_of_classes(X, codes, weight)
        part = spread_out_part(len(rows), len(state.classes))
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

    def _left_out_scores(
        self, X: NDArray[Any], codes: NDArray[np.integer], weight: NDArray[Any]
    ) -> NDArray[np.float64]:
        r"""Score the rows of the fit, in numpy, each by the fit without it at the same ridge.

        NaN for the class that has no other row, and :math:`-\infty` for one without any, unless
        there is text.
        """
        state = self._state()
        scatter, dof = within_scatter(state)
        scores = left_out_scores(
            unit_rows(np.asarray(X, dtype=np.float64)),
            codes,
            np.asarray(weight, dtype=np.float64),
            state.means,
            state.counts,
            scatter,
            dof,
            to_numpy(self.ridge_),
            prior=self._mean_prior(state),
        )
        with np.errstate(divide="ignore"):
            scores += np.log(self._class_priors(state)) / self.logit_scale_
        return scores

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.array_api_support = SUPPORTS_ARRAY_API
        return tags
