"""Multi-proxy weight imprinting (IMPRINT): a few proxies per class, classified by the closest."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from numbers import Integral, Real
from typing import Any, ClassVar, NamedTuple, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator
from sklearn.utils import check_random_state

from skclip._compat import (
    CallbackSupportMixin,
    HasMethods,
    Interval,
    StrOptions,
    check_sample_weight,
    fit_context,
    with_callbacks,
)
from skclip._linalg import nonzero_rows
from skclip._validation import (
    check_labelled_embeddings,
    encode_known,
    encode_labels,
    union_classes,
)
from skclip.heads._class_sums import ClassSums, second_moment
from skclip.heads._discriminant import distinct_rows_of_classes
from skclip.heads._exact_updates import check_evidence
from skclip.heads._imprinting._choose_k import choose_k, folds_of_kept, proxies_per_class
from skclip.heads._imprinting._kept_rows import LEAST_SQUARES, SUMS, KeptProxiesMixin
from skclip.heads._imprinting._least_squares import leave_one_out_regularization
from skclip.heads._imprinting._normalization import (
    quantile_reference,
    reference_for,
    within_class_whitener,
)
from skclip.heads._imprinting._proxies import (
    add_rows,
    means_of,
    nearest_of_class,
    spread,
    sums_of,
)
from skclip.heads._imprinting._similarity import METRICS
from skclip.metrics import neural_collapse_score

__all__ = ["MultiProxyImprinter"]

_WITHOUT_K = (*SUMS, "all")


class _Evidence(NamedTuple):
    """Rows of a call that are not ignored, with codes, weights and all labels."""

    X: NDArray[Any]
    codes: NDArray[Any]
    weight: NDArray[np.float64]
    labels: NDArray[Any]  # distinct labels of all rows
    all_codes: NDArray[Any]  # codes of all rows, also of ignored ones
    kept: NDArray[np.bool_]


class MultiProxyImprinter(CallbackSupportMixin, KeptProxiesMixin, BaseEstimator):
    r"""Classify embeddings by the closest of a few proxies per class (IMPRINT).

    The rows of each class are summarised by a few proxies (generation, GEN). A query is compared
    with all proxies, and its similarities to the proxies of a class are reduced to a score
    (aggregation, AGG). Training rows are normalised before generation (NORMpre), proxies after it
    (NORMpost), and queries at prediction (NORMinf). ``k=20`` is the best method of the published
    comparison: L2, 20 centres of k-means, L2, L2, maximum. The default chooses ``k`` by
    cross-validation, since 20 proxies of few rows are the rows themselves.

    The user guide on imprinting lists the parameters of every published method.

    Parameters
    ----------
    generation : str or clusterer, default="kmeans"
        Method that makes the proxies of a class:

        - ``"mean"``: the mean;
        - ``"kmeans"``: ``k`` centres of k-means, computed for all classes at once;
        - ``"kmedoids"``: the ``k`` rows with the smallest total distance to the others;
        - ``"farthest"``: ``k`` rows, each the farthest from the rows before;
        - ``"covariance"``: the ``k`` rows with the largest sums of sample covariance;
        - ``"random"``: ``k`` random rows;
        - ``"all"``: every row;
        - ``"least_squares"``: the weights of the class in a class-balanced ridge regression;
        - ``"kmeans_least_squares"``: the same, with the clusters of k-means as classes;
        - a clusterer: the means of the clusters that a clone of it finds in each class. ``k`` is
          not used; a class with at most ``n_clusters`` rows keeps its rows.

    k : int, mapping of label to int, or "auto", default="auto"
        Number of proxies per class. A class with fewer distinct rows uses all of them.
        ``"auto"`` chooses among 1, 2, 3, 5, 10 and 20 the smallest number whose cross-validated
        accuracy is within one standard error of the best.

    normalize_inputs : {"l2", "quantile", "whiten"} or None, default="l2"
        Normalisation of the training rows before generation. ``"whiten"`` whitens unit rows by
        the scatter within classes, as in :class:`GaussianDiscriminantClassifier`, and normalises
        them again. Queries are also whitened, before ``normalize_queries``.

    normalize_proxies : {"l2", "quantile", "quantile_in_order"} or None, default="l2"
        Normalisation of the proxies. ``"quantile"`` maps the entries of each proxy to the
        reference distribution. ``"quantile_in_order"`` is the published form: the reference of a
        class is the normalised proxies of the classes before it. The result depends on the order
        of the classes, and the first class is not normalised.

    normalize_queries : {"l2", "quantile"} or None, default="l2"
        Normalisation of the rows to predict.

    quantile_reference : array-like or None, default=None
        Sample of the reference distribution of ``"quantile"``, of any shape. None takes the
        training rows for inputs, all proxies for proxies, and the normalised proxies for queries.

    aggregation : {"max", "logsumexp", "mean", "nearest"}, default="max"
        Reduction of the similarities to one score per class: the maximum, its smooth form
        :math:`\tau \log \sum e^{s/\tau}`, the mean, or the fraction of the votes of the
        ``n_neighbors`` closest proxies of all classes.

    temperature : float, default=0.01
        :math:`\tau` of ``aggregation="logsumexp"``; the limit for 0 is ``"max"``.

    n_neighbors : int, default=5
        Number of voting proxies of ``aggregation="nearest"``, at most all proxies.

    weights : {"uniform", "distance"}, default="uniform"
        Weight of a vote for ``aggregation="nearest"``: 1, or 1 / distance.

    metric : str, default="inner_product"
        Similarity to a proxy: ``"inner_product"``, ``"cosine"``, or the negative distance
        ``"euclidean"``, ``"manhattan"``, ``"chebyshev"`` or ``"mahalanobis"``. The last uses the
        covariance of the proxies plus :math:`10^{-6} I`.

    regularization : float or "auto", default="auto"
        Ridge :math:`\lambda` of the least-squares generations. ``"auto"`` chooses the ridge with
        the best leave-one-out balanced accuracy, and of equally accurate ones that with the
        smallest squared error.

    cv : int, cross-validation generator, iterable or None, default=None
        Folds for ``k="auto"``. None is five stratified folds of the distinct rows, fewer if the
        smallest class has fewer rows.

    logit_scale : float, default=100.0
        Probabilities are the softmax of the scores times this scale. With
        ``aggregation="nearest"`` they are the fractions of the votes.

    random_state : int, RandomState instance or None, default=None
        Seed for the start of k-means and of farthest points, and for random rows. The proxies of
        a class depend only on its own rows and this seed.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        Class labels, sorted.

    proxies_ : ndarray of shape (n_proxies, n_features)
        Normalised proxies, class after class.

    proxy_classes_ : ndarray of shape (n_proxies,)
        Class label of each proxy.

    proxy_weights_ : ndarray of shape (n_proxies,)
        Sum of the weights of the rows assigned to each proxy.

    k_ : int or mapping of label to int
        ``k``, or the chosen number of proxies per class with ``k="auto"``.

    k_scores_ : dict of int to ndarray of shape (n_splits,)
        Accuracy of every candidate on every fold. Only with ``k="auto"``.

    neural_collapse_score_ : float
        NC1 of the training rows, with equal weight per class; NaN if the class means coincide.
        Not used to choose ``k_``. Only with ``k="auto"`` and at least two classes.

    regularization_ : float
        Ridge. Only for the least-squares generations.

    logit_scale_ : float
        Scale of the probabilities.

    n_features_in_ : int
        Number of features seen in :term:`fit`.

    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the features, when ``X`` has string column names.

    See Also
    --------
    NearestClassMean : One mean per class.
    skclip.metrics.neural_collapse_score : Variability within relative to between classes.

    Notes
    -----
    Rows of zeros and rows of weight zero are ignored in ``fit``; a class without other rows is in
    ``classes_`` but never predicted. A weight of 2 equals the row given twice, and the order of the
    rows does not matter. In ``predict``, a zero row has similarity 0 to every proxy, with the
    default parameters.

    With ``normalize_inputs="whiten"`` proxies depend on the rows of all classes in the first call.
    :meth:`partial_fit` is exact for ``"mean"``, ``"all"`` and ``"least_squares"``. Other
    generations make new proxies from the old proxies, with their weights, and the new rows.

    With scikit-learn 1.9 and later, callbacks are called once per class; k-means finishes many
    classes at once. Means and least squares have no subtasks, and the folds of ``k="auto"`` call no
    callbacks. Callbacks cannot stop ``fit`` early, since classes without proxies would remain.

    References
    ----------
    .. [1] Westerhoff et al., "Robust Weight Imprinting: Insights from Neural Collapse and
       Proxy-Based Aggregation", `arXiv 2503.14572 <https://arxiv.org/abs/2503.14572>`_.
    .. [2] Qi, Brown and Lowe, "Low-Shot Learning with Imprinted Weights", CVPR 2018.

    Examples
    --------
    >>> import numpy as np
    >>> from skclip.heads import MultiProxyImprinter
    >>> X = np.array([[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0], [0.0, -1.0]])
    >>> y = np.array(["across", "up", "across", "up"])
    >>> imprinter = MultiProxyImprinter(k=2, random_state=0).fit(X, y)
    >>> imprinter.proxy_classes_
    array(['across', 'across', 'up', 'up'], dtype='<U6')
    >>> imprinter.predict([[-0.9, 0.1]])
    array(['across'], dtype='<U6')

    Add a class, and remove one:

    >>> imprinter.partial_fit([[0.7, 0.7]], ["diagonal"]).classes_
    array(['across', 'diagonal', 'up'], dtype='<U8')
    >>> imprinter.forget_class("up").get_feature_names_out()
    array(['across_0', 'across_1', 'diagonal_0'], dtype=object)
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "generation": [
            StrOptions(
                {"mean", "kmeans", "kmedoids", "farthest", "covariance", "random", "all"}
                | set(LEAST_SQUARES)
            ),
            HasMethods("fit"),
        ],
        "k": [Interval(Integral, 1, None, closed="left"), Mapping, StrOptions({"auto"})],
        "normalize_inputs": [StrOptions({"l2", "quantile", "whiten"}), None],
        "normalize_proxies": [StrOptions({"l2", "quantile", "quantile_in_order"}), None],
        "normalize_queries": [StrOptions({"l2", "quantile"}), None],
        "quantile_reference": ["array-like", None],
        "aggregation": [StrOptions({"max", "logsumexp", "mean", "nearest"})],
        "temperature": [Interval(Real, 0, None, closed="neither")],
        "n_neighbors": [Interval(Integral, 1, None, closed="left")],
        "weights": [StrOptions({"uniform", "distance"})],
        "metric": [StrOptions(set(METRICS))],
        "regularization": [Interval(Real, 0, None, closed="neither"), StrOptions({"auto"})],
        "cv": ["cv_object"],
        "logit_scale": [Interval(Real, 0, None, closed="neither")],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        generation: Any = "kmeans",
        *,
        k: int | Mapping[Any, int] | str = "auto",
        normalize_inputs: str | None = "l2",
        normalize_proxies: str | None = "l2",
        normalize_queries: str | None = "l2",
        quantile_reference: ArrayLike | None = None,
        aggregation: str = "max",
        temperature: float = 0.01,
        n_neighbors: int = 5,
        weights: str = "uniform",
        metric: str = "inner_product",
        regularization: float | str = "auto",
        cv: Any = None,
        logit_scale: float = 100.0,
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        self.generation = generation
        self.k = k
        self.normalize_inputs = normalize_inputs
        self.normalize_proxies = normalize_proxies
        self.normalize_queries = normalize_queries
        self.quantile_reference = quantile_reference
        self.aggregation = aggregation
        self.temperature = temperature
        self.n_neighbors = n_neighbors
        self.weights = weights
        self.metric = metric
        self.regularization = regularization
        self.cv = cv
        self.logit_scale = logit_scale
        self.random_state = random_state

    @with_callbacks
    @fit_context(prefer_skip_nested_validation=True)
    def fit(self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None) -> Self:
        """Compute the proxies of every class.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Embeddings. Rows of zeros are ignored.

        y : array-like of shape (n_samples,)
            Class labels.

        sample_weight : array-like of shape (n_samples,), default=None
            Weight of every row: 2 counts as the row twice, 0 as no row.

        Returns
        -------
        self : MultiProxyImprinter
            The fitted head.
        """
        evidence = self._evidence(X, y, sample_weight, reset=True)
        n_tasks = 0 if self.generation in SUMS else len(np.unique(evidence.codes))
        context = self._init_callback_context(max_subtasks=n_tasks)
        metadata = {} if sample_weight is None else {"sample_weight": sample_weight}
        details: dict[str, Any] = {"estimator": self, "X": X, "y": y, "metadata": metadata}
        context.call_on_fit_task_begin(**details)

        def after_classes(n_classes: int) -> None:
            for _ in range(n_classes):
                task = context.subcontext(task_name="class").call_on_fit_task_begin(**details)
                task.call_on_fit_task_end(**details)

        self._update(evidence, None, reset=True, on_done=after_classes)
        context.call_on_fit_task_end(**details, reconstruction_attributes={})
        return self

    @fit_context(prefer_skip_nested_validation=True)
    def partial_fit(
        self,
        X: ArrayLike,
        y: ArrayLike,
        classes: ArrayLike | None = None,
        sample_weight: ArrayLike | None = None,
    ) -> Self:
        """Add rows; classes may be new.

        The choices of ``k="auto"`` and ``regularization="auto"``, and the quantiles and the
        whitening of the training rows, are made in the first call.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Embeddings.

        y : array-like of shape (n_samples,)
            Class labels.

        classes : array-like of shape (n_classes,), default=None
            Further classes, with or without rows. Not needed for the labels in ``y``, which may
            be new in any call.

        sample_weight : array-like of shape (n_samples,), default=None
            Weight of every row.

        Returns
        -------
        self : MultiProxyImprinter
            The updated head.
        """
        reset = not hasattr(self, "proxies_")
        return self._update(self._evidence(X, y, sample_weight, reset=reset), classes, reset=reset)

    def _evidence(
        self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None, *, reset: bool
    ) -> _Evidence:
        by_distance = self.aggregation == "nearest" and self.weights == "distance"
        if by_distance and self.metric == "inner_product":
            raise ValueError(
                "weights='distance' needs a distance, and metric='inner_product' has none. Use "
                "metric='cosine' (the same neighbours for unit rows) or weights='uniform'."
            )
        X, y = check_labelled_embeddings(self, X, y, reset=reset)
        labels, codes = encode_labels(y)
        weight = check_sample_weight(sample_weight, X)
        counts = nonzero_rows(X) & (weight > 0)
        if reset:
            check_evidence(counts)
        all_codes = codes
        if not counts.all():
            X, codes, weight = X[counts], codes[counts], weight[counts]
        return _Evidence(X, codes, weight, labels, all_codes, counts)

    def _update(
        self,
        evidence: _Evidence,
        classes: ArrayLike | None,
        *,
        reset: bool,
        on_done: Callable[[int], object] | None = None,
    ) -> Self:
        X, codes, weight, arrived = evidence[:4]
        seed = int(check_random_state(self.random_state).randint(np.iinfo(np.int32).max))
        if reset:
            self._start(evidence, seed)
        known, state = (arrived[:0], []) if reset else (self.classes_, self._state())
        every = union_classes(known, arrived)
        if classes is not None:
            every = union_classes(every, encode_labels(classes)[0], source="classes")
        position = encode_known(arrived, every)[codes]
        state = spread(state, known, every, X.shape[1], X.dtype)
        if self.generation in SUMS:
            new = ClassSums.of_rows(self._normalized(X), position, every, weight, unit=False)
            state = means_of(sums_of(state, every) + new)
        else:
            state = add_rows(
                state,
                X,
                position,
                weight,
                normalize=self._normalized,
                generation="kmeans" if self.generation in LEAST_SQUARES else self.generation,
                k=proxies_per_class(getattr(self, "k_", 1), every),
                seed=seed,
                on_done=on_done,
            )
        moment = None
        if self.generation in LEAST_SQUARES:
            rows = self._normalized(X)
            moment = second_moment(rows, weight, unit=False)
            if not reset and self._moment is not None:
                moment += self._moment
            if reset and self.regularization == "auto":
                self.regularization_ = leave_one_out_regularization(
                    rows, *nearest_of_class(rows, position, state), weight
                )[0]
        return self._set_state(every, state, moment, X.dtype)

    def _start(self, evidence: _Evidence, seed: int) -> None:
        """Set what later calls of ``partial_fit`` do not change."""
        X, weight = evidence.X, evidence.weight
        # codes among the classes with rows
        known, codes = np.unique(evidence.codes, return_inverse=True)
        for name in ("k_", "k_scores_", "neural_collapse_score_", "regularization_"):
            if hasattr(self, name):
                delattr(self, name)
        self._reference = None
        if self.quantile_reference is not None:
            self._reference = quantile_reference(self.quantile_reference, X.shape[1])
        self._whitener = None
        if self.normalize_inputs == "whiten":
            self._whitener = within_class_whitener(X, codes, len(known), weight)
        self._input_reference = reference_for(self.normalize_inputs, X, self._reference)
        if self.generation in LEAST_SQUARES and self.regularization != "auto":
            self.regularization_ = float(self.regularization)
        if self.generation in _WITHOUT_K or not isinstance(self.generation, str):
            return
        self.k_ = self.k
        if self.k == "auto":
            self._choose_k(evidence, codes, seed)

    def _choose_k(self, evidence: _Evidence, codes: NDArray[Any], seed: int) -> None:
        X, weight, kept = evidence.X, evidence.weight, evidence.kept
        # not a clone, which would have the callbacks of this fit
        silent = type(self)(**self.get_params(deep=False))
        rows, mass, cv = np.arange(len(X)), weight, self.cv
        if cv is None:  # equal rows must be in one fold
            rows, mass = distinct_rows_of_classes(X, codes, weight)
        else:  # folds of the rows as given
            cv = folds_of_kept(cv, evidence.all_codes, kept)
        y = evidence.labels[evidence.codes]
        self.k_, self.k_scores_ = choose_k(silent, X[rows], y[rows], mass, cv=cv, seed=seed)
        if codes.any():
            balanced = weight / np.bincount(codes, weight)[codes]
            try:
                self.neural_collapse_score_ = neural_collapse_score(X, y, sample_weight=balanced)
            except ValueError:  # the class means coincide
                self.neural_collapse_score_ = np.nan
