"""Nearest class mean: the image half of Neural Priming (arXiv 2306.10191).

The state is one sum and one count a class, so rows can be added, taken away and merged exactly.
Called by users, by PrimedNCMClassifier and by MixedHeadClassifier.
"""

from concurrent.futures import ThreadPoolExecutor
from numbers import Real
from typing import Any, ClassVar, Self

import numpy as np
import scipy.sparse as sp
from joblib import cpu_count
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator
from sklearn.utils import Tags
from sklearn.utils.validation import assert_all_finite, check_is_fitted

from skclip._array_api import cast, is_elsewhere, like, to_numpy
from skclip._base import ScoreClassifierMixin
from skclip._compat import (
    SUPPORTS_ARRAY_API,
    Interval,
    StrOptions,
    check_same_namespace,
    check_sample_weight,
    fit_context,
    get_namespace_and_device,
)
from skclip._linalg import gen_row_blocks, row_norms, unit_rows
from skclip._validation import check_labelled_embeddings, encode_labels, sample_of

__all__ = ["NearestClassMean"]

# Rows summed in their own precision before the sum is added in float64.
N_ROWS_PER_BLOCK = 1 << 15


def class_sums(
    X: NDArray[Any],
    codes: NDArray[np.int32],
    n_classes: int,
    weight: NDArray[Any],
    *,
    unit: bool = True,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    r"""Sum the rows of every class in one pass.

    .. math:: S_c = \sum_{i: y_i = c} w_i x_i / \lVert x_i \rVert, \qquad
              n_c = \sum_{i: y_i = c,\, x_i \ne 0} w_i

    Parameters
    ----------
    X : ndarray of shape (n_samples, n_features)
        float32 or float64 rows. Zero rows carry no evidence and are not counted.

    codes : ndarray of shape (n_samples,)
        Class index of every row, in ``[0, n_classes)``.

    n_classes : int
        Number of classes.

    weight : ndarray of shape (n_samples,)
        Weight of every row.

    unit : bool, default=True
        Whether rows are normalised first.

    Returns
    -------
    sums : ndarray of shape (n_classes, n_features)
        NaN where ``X`` is not finite.

    counts : ndarray of shape (n_classes,)
        Sum of the weights of the rows that are not zero.
    """
    if is_elsewhere(X):
        return _class_sums_elsewhere(X, codes, n_classes, weight, unit=unit)
    sums, counts = np.zeros((n_classes, X.shape[1])), np.zeros(n_classes)
    blocks = [
        slice(start, start + N_ROWS_PER_BLOCK) for start in range(0, len(X), N_ROWS_PER_BLOCK)
    ]

    def of_block(rows: slice) -> tuple[NDArray[Any], NDArray[Any]]:
        return _block_sums(X[rows], codes[rows], n_classes, weight[rows], unit=unit)

    # the loops over rows run without the interpreter's lock; blocks are added in their order
    with ThreadPoolExecutor(max(1, min(cpu_count(), len(blocks)))) as threads:
        for block_sums, block_counts in threads.map(of_block, blocks):
            sums += block_sums
            counts += block_counts
    return sums, counts


def _block_sums(
    block: NDArray[Any],
    codes: NDArray[np.int32],
    n_classes: int,
    weight: NDArray[Any],
    *,
    unit: bool,
) -> tuple[NDArray[Any], NDArray[Any]]:
    if unit:
        norms = row_norms(block)
        if not np.all((norms > 1e-15) & (norms < 1e15)):
            # over- and underflowing squares, NaN and true zeros: the careful way
            block = unit_rows(block)
            norms = block.any(axis=1).astype(block.dtype)
    else:
        nonzero = row_norms(block) != 0
        nonzero[~nonzero] = block[~nonzero].any(axis=1)  # squares that underflowed
        norms = nonzero.astype(block.dtype)
    is_evidence = norms > 0
    row_scale = weight / np.where(is_evidence, norms, 1)
    # a column of this matrix is a row of X: the product streams through X once, in order
    membership = sp.csc_array(
        (row_scale, codes, np.arange(len(block) + 1, dtype=np.int32)),
        shape=(n_classes, len(block)),
    )
    return membership @ block, np.bincount(codes, weight * is_evidence, minlength=n_classes)


def _class_sums_elsewhere(
    X: Any, codes: NDArray[np.int32], n_classes: int, weight: Any, *, unit: bool
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Sum by products with one-hot rows, which every array library has."""
    xp, _, device = get_namespace_and_device(X)
    columns = xp.arange(n_classes, dtype=xp.int32, device=device)
    codes = like(codes, X)
    sums, counts = np.zeros((n_classes, X.shape[1])), np.zeros(n_classes)
    for rows in gen_row_blocks(X.shape[0], max(n_classes, X.shape[1])):
        block = unit_rows(X[rows, :]) if unit else X[rows, :]
        membership = cast(codes[rows][:, None] == columns[None, :], X.dtype) * weight[rows][:, None]
        evident = cast(xp.any(block != 0, axis=1), X.dtype)
        sums += to_numpy(membership.T @ block)
        counts += to_numpy(membership.T @ evident)
    return sums, counts


class NearestClassMean(ScoreClassifierMixin, BaseEstimator):
    r"""Classify by the nearest mean of each class's unit embeddings.

    .. math:: \mu_c = \mathrm{normalize}\Big(\sum_{i: y_i = c} w_i x_i\Big), \qquad
              \hat y(x) = \arg\max_c\; x \cdot \mu_c

    The state is the sum and the weight of every class. Therefore :meth:`partial_fit` over any
    split of the rows equals :meth:`fit` over all of them, :meth:`forget` takes rows away as if
    they had never been seen, and :meth:`merge` adds what another process has counted.

    Parameters
    ----------
    metric : {"cosine", "euclidean"}, default="cosine"
        ``"cosine"`` normalises rows and means, as CLIP heads do. ``"euclidean"`` uses the rows
        as they are and scores :math:`x \cdot \mu_c - \lVert \mu_c \rVert^2 / 2`, which orders
        classes by distance.

    logit_scale : float, default=100.0
        Scale :math:`s` of the probabilities :math:`\mathrm{softmax}(s \cdot \mathrm{score})`;
        100 is CLIP's. It changes no label.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        Class labels, sorted.

    class_sum_ : ndarray of shape (n_classes, n_features)
        Weighted sum of each class's rows, float64.

    class_count_ : ndarray of shape (n_classes,)
        Sum of the weights of each class's rows; zero rows carry no evidence and do not count.

    coef_ : ndarray of shape (n_classes, n_features)
        Class means, unit rows for ``metric="cosine"``. One row a class, also for two classes.

    intercept_ : ndarray of shape (n_classes,)
        :math:`-\lVert \mu_c \rVert^2 / 2` for ``metric="euclidean"``, else 0; :math:`-\infty`
        for a class without evidence, which is never predicted.

    logit_scale_ : float
        Scale of the probabilities.

    n_features_in_ : int
        Number of features seen in :term:`fit`.

    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the features, when ``X`` has string column names.

    See Also
    --------
    PrimedNCMClassifier : Class means of recalled images mixed with the text head.
    MultiProxyImprinter : Several proxies a class.
    sklearn.neighbors.NearestCentroid : Euclidean, without weights and updates.

    Notes
    -----
    Fitting streams through ``X`` once; memory beyond ``X`` is one block and the sums. NaN and
    infinity are found in the sums, so no pass is spent on looking for them.

    With ``sklearn.set_config(array_api_dispatch=True)`` embeddings may be arrays of other
    libraries, such as torch tensors on any device: fitted arrays, scores and predictions lie where
    ``X`` lies. Labels that are text stay in numpy.

    References
    ----------
    .. [1] Wallingford et al., "Neural Priming for Sample-Efficient Adaptation",
       `arXiv 2306.10191 <https://arxiv.org/abs/2306.10191>`_.

    Examples
    --------
    >>> import numpy as np
    >>> from skclip import NearestClassMean
    >>> X = np.array([[1.0, 0.1], [0.9, 0.0], [0.1, 1.0]])
    >>> head = NearestClassMean().fit(X, ["cat", "cat", "dog"])
    >>> head.predict([[2.0, 0.5]])
    array(['cat'], dtype='<U3')

    A new class arrives, and a row is withdrawn:

    >>> head.partial_fit([[-1.0, 0.0]], ["fox"]).classes_
    array(['cat', 'dog', 'fox'], dtype='<U3')
    >>> head.forget(X[:1], ["cat"]).class_count_
    array([1., 1., 1.])
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "metric": [StrOptions({"cosine", "euclidean"})],
        "logit_scale": [Interval(Real, 0, None, closed="neither")],
    }

    def __init__(self, metric: str = "cosine", *, logit_scale: float = 100.0) -> None:
        self.metric = metric
        self.logit_scale = logit_scale

    @fit_context(prefer_skip_nested_validation=True)
    def fit(self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None) -> Self:
        """Compute the class means.

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
        self : NearestClassMean
            The fitted head.
        """
        X, classes, sums, counts = self._statistics(X, y, sample_weight, reset=True)
        return self._set_state(classes, sums, counts, X, y)

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
        self : NearestClassMean
            The updated head.
        """
        first = not hasattr(self, "class_sum_")
        if not first:
            check_same_namespace(X, self, attribute="coef_", method="partial_fit")
        X, known, sums, counts = self._statistics(X, y, sample_weight, reset=first)
        if classes is not None:
            known, sums, counts = _add_states(
                (known, sums, counts), _empty_state(np.unique(to_numpy(classes)), X.shape[1])
            )
        if not first:
            known, sums, counts = _add_states(self._state(), (known, sums, counts))
        return self._set_state(known, sums, counts, X, y if first else self.classes_)

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
        self : NearestClassMean
            The updated head. A class whose last row went keeps its label and is not predicted
            until it gets new rows; :meth:`forget_class` removes the label.

        Raises
        ------
        ValueError
            If the rows weigh more than what the head has seen of their class.
        """
        check_is_fitted(self)
        check_same_namespace(X, self, attribute="coef_", method="forget")
        _, known, sums, counts = self._statistics(X, y, sample_weight, reset=False)
        classes, _, class_count = self._state()
        unknown = np.setdiff1d(known, classes)
        if unknown.size:
            raise ValueError(
                f"y holds classes this head has never seen: {sample_of(unknown)}. "
                "Forget only rows that were fitted."
            )
        known, sums, counts = _add_states(self._state(), (known, -sums, -counts))
        # what is left of a weight after sums of rounded terms is not evidence
        counts[np.abs(counts) <= 1e-9 * np.maximum(1, class_count)] = 0
        if (counts < 0).any():
            raise ValueError(
                "More rows were to be forgotten than were fitted, for the classes "
                f"{sample_of(known[counts < 0])}. Forget each row at most once."
            )
        sums[counts == 0] = 0
        return self._set_state(known, sums, counts, self.coef_, self.classes_)

    def forget_class(self, labels: Any) -> Self:
        """Remove whole classes.

        Parameters
        ----------
        labels : label or array-like of labels
            Classes to remove.

        Returns
        -------
        self : NearestClassMean
            The updated head.
        """
        check_is_fitted(self)
        classes, sums, counts = self._state()
        labels = np.atleast_1d(to_numpy(labels))
        gone = np.isin(classes, labels)
        unknown = np.setdiff1d(labels, classes)
        if unknown.size:
            raise ValueError(
                f"labels holds classes this head does not know: {sample_of(unknown)}. "
                f"It knows {sample_of(classes)}."
            )
        if gone.all():
            raise ValueError("labels holds every class of this head: at least one must stay.")
        return self._set_state(
            classes[~gone], sums[~gone], counts[~gone], self.coef_, self.classes_
        )

    def merge(self, other: "NearestClassMean") -> Self:
        """Add what another head has seen, as if its rows had been fitted here.

        Parameters
        ----------
        other : NearestClassMean
            A head fitted with the same ``metric`` on embeddings of the same model.

        Returns
        -------
        self : NearestClassMean
            The updated head.
        """
        check_is_fitted(self)
        check_is_fitted(other)
        if other.metric != self.metric:
            raise ValueError(
                f"Cannot merge a head with metric={other.metric!r} into one with "
                f"metric={self.metric!r}: fit both with the same metric."
            )
        if other.n_features_in_ != self.n_features_in_:
            raise ValueError(
                f"Cannot merge a head of {other.n_features_in_} features into one of "
                f"{self.n_features_in_}: fit both on embeddings of one model."
            )
        state = _add_states(self._state(), other._state())
        return self._set_state(*state, self.coef_, self.classes_)

    def _class_scores(self, X: NDArray[Any]) -> NDArray[Any]:
        if self.metric == "cosine":
            X = unit_rows(X)
        scores: NDArray[Any] = X @ cast(self.coef_, X.dtype).T
        scores += cast(self.intercept_, X.dtype)
        return scores

    def _statistics(
        self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None, *, reset: bool
    ) -> tuple[NDArray[Any], NDArray[Any], NDArray[np.float64], NDArray[np.float64]]:
        X, y = check_labelled_embeddings(self, X, y, reset=reset, ensure_all_finite=False)
        classes, codes = encode_labels(y)
        weight = check_sample_weight(sample_weight, X, dtype=X.dtype)
        sums, counts = class_sums(X, codes, len(classes), weight, unit=self.metric == "cosine")
        if not np.isfinite(sums).all():
            assert_all_finite(X, input_name="X", estimator_name=type(self).__name__)
        return X, classes, sums, counts

    def _state(self) -> tuple[NDArray[Any], NDArray[np.float64], NDArray[np.float64]]:
        """Return classes, sums and counts in numpy, where they are added."""
        return to_numpy(self.classes_), to_numpy(self.class_sum_), to_numpy(self.class_count_)

    def _set_state(
        self,
        classes: NDArray[Any],
        sums: NDArray[np.float64],
        counts: NDArray[np.float64],
        X: Any,
        y: Any,
    ) -> Self:
        """Keep the state, and the head it gives, where ``X`` lies; the labels where ``y`` lies."""
        if not (counts > 0).any():
            raise ValueError(
                "No row carries evidence: every embedding is zero or has weight zero. "
                "Give at least one row that is not zero."
            )
        if self.metric == "cosine":
            means, intercept = unit_rows(sums), np.zeros(len(classes))
        else:
            means = sums / np.where(counts > 0, counts, 1)[:, None]
            intercept = -0.5 * np.einsum("ij,ij->i", means, means)
        intercept = np.where(counts > 0, intercept, -np.inf)
        self.classes_ = like(classes, y)
        self.class_sum_, self.class_count_ = like(sums, X), like(counts, X)
        self.coef_, self.intercept_ = like(means, X, X.dtype), like(intercept, X, X.dtype)
        self.logit_scale_ = float(self.logit_scale)
        return self

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.array_api_support = SUPPORTS_ARRAY_API
        return tags


_State = tuple[NDArray[Any], NDArray[np.float64], NDArray[np.float64]]


def _empty_state(classes: NDArray[Any], n_features: int) -> _State:
    return classes, np.zeros((len(classes), n_features)), np.zeros(len(classes))


def _add_states(*states: _State) -> _State:
    """Add sums and counts of states over different classes."""
    classes = np.unique(np.concatenate([known for known, _, _ in states]))
    _, total, count = _empty_state(classes, states[0][1].shape[1])
    for known, sums, counts in states:
        at = np.searchsorted(classes, known)
        total[at] += sums
        count[at] += counts
    return classes, total, count
