"""Multi-proxy weight imprinting (IMPRINT): a few vectors a class, classified by the best match."""

from numbers import Integral, Real
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator
from sklearn.utils import check_random_state

from skclip._base import ScoreClassifierMixin
from skclip._compat import Interval, StrOptions, check_sample_weight, fit_context
from skclip._linalg import unit_rows
from skclip._validation import check_labelled_embeddings, encode_labels
from skclip.heads._aggregation import max_scores
from skclip.heads._proxy_generation import generate_proxies, split_by_class

__all__ = ["MultiProxyImprinter"]


class MultiProxyImprinter(ScoreClassifierMixin, BaseEstimator):
    r"""Classify embeddings by the best matching of a few proxies a class (IMPRINT).

    The rows of each class are condensed to ``k`` proxies; a query gets the class of the proxy
    with the largest inner product.

    Parameters
    ----------
    generation : {"kmeans", "mean"}, default="kmeans"
        How the proxies of a class are made (GEN): ``k`` centres of k-means, or the mean.

    k : int, default=20
        Proxies a class. A class with fewer distinct rows uses what it has.

    normalize_inputs : {"l2"} or None, default="l2"
        Normalisation of the training rows before proxies are made (NORMpre).

    normalize_proxies : {"l2"} or None, default="l2"
        Normalisation of the proxies (NORMpost).

    normalize_queries : {"l2"} or None, default="l2"
        Normalisation of the rows to predict (NORMinf).

    aggregation : {"max"}, default="max"
        From similarities to one score a class (AGG).

    logit_scale : float, default=100.0
        Probabilities are the softmax of the scores times this.

    random_state : int, RandomState instance or None, default=None
        Start of k-means. The proxies of a class depend on its own rows and this seed only.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        Class labels, sorted.

    proxies_ : ndarray of shape (n_proxies, n_features)
        Normalised proxies, class after class.

    proxy_classes_ : ndarray of shape (n_proxies,)
        Class label of each proxy.

    proxy_weights_ : ndarray of shape (n_proxies,)
        Sum of the weights of the rows each proxy stands for.

    n_features_in_ : int
        Width of the embeddings.

    feature_names_in_ : ndarray of shape (n_features_in_,)
        Feature names, when ``X`` had some that are all strings.

    See Also
    --------
    NearestClassMean : One mean a class.

    Notes
    -----
    Rows of zeros and rows of weight zero are ignored in ``fit``. A weight of two is the same as
    the row given twice, and the order of the rows does not matter.

    References
    ----------
    .. [1] Westerhoff et al., "Robust Weight Imprinting: Insights from Neural Collapse and
       Proxy-Based Aggregation", `arXiv 2503.14572 <https://arxiv.org/abs/2503.14572>`_.

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
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        "generation": [StrOptions({"kmeans", "mean"})],
        "k": [Interval(Integral, 1, None, closed="left")],
        "normalize_inputs": [StrOptions({"l2"}), None],
        "normalize_proxies": [StrOptions({"l2"}), None],
        "normalize_queries": [StrOptions({"l2"}), None],
        "aggregation": [StrOptions({"max"})],
        "logit_scale": [Interval(Real, 0, None, closed="neither")],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        generation: str = "kmeans",
        *,
        k: int = 20,
        normalize_inputs: str | None = "l2",
        normalize_proxies: str | None = "l2",
        normalize_queries: str | None = "l2",
        aggregation: str = "max",
        logit_scale: float = 100.0,
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        self.generation = generation
        self.k = k
        self.normalize_inputs = normalize_inputs
        self.normalize_proxies = normalize_proxies
        self.normalize_queries = normalize_queries
        self.aggregation = aggregation
        self.logit_scale = logit_scale
        self.random_state = random_state

    @fit_context(prefer_skip_nested_validation=True)
    def fit(self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None) -> Self:
        """Make the proxies of every class.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Embeddings. Rows of zeros are ignored.

        y : array-like of shape (n_samples,)
            Class labels.

        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows.

        Returns
        -------
        self : MultiProxyImprinter
            The fitted estimator.
        """
        rows, labels = check_labelled_embeddings(self, X, y)
        self.classes_, codes = encode_labels(labels)
        weight = check_sample_weight(sample_weight, rows)
        evidence = (weight > 0) & rows.any(axis=1)
        if not evidence.any():
            raise ValueError(
                "No row carries evidence: every embedding is zero or has weight zero. "
                "Give at least one row that is not zero."
            )
        classes = split_by_class(
            rows[evidence], codes[evidence], weight[evidence], len(self.classes_)
        )
        if self.normalize_inputs == "l2":
            classes = [c._replace(rows=unit_rows(c.rows)) for c in classes]
        seed = check_random_state(self.random_state).randint(np.iinfo(np.int32).max)
        proxies = generate_proxies(classes, self.generation, [self.k] * len(classes), seed)
        merged = np.concatenate([p.rows for p in proxies]).astype(rows.dtype)
        self.proxies_ = unit_rows(merged) if self.normalize_proxies == "l2" else merged
        self.proxy_weights_ = np.concatenate([p.weight for p in proxies])
        counts = [len(p.rows) for p in proxies]
        self.proxy_classes_ = np.repeat(self.classes_, counts)
        self._bounds = np.concatenate([[0], np.cumsum(counts)])
        self.logit_scale_ = float(self.logit_scale)
        return self

    def _class_scores(self, X: NDArray[Any]) -> NDArray[Any]:
        queries = unit_rows(X) if self.normalize_queries == "l2" else X
        return max_scores(queries, self.proxies_, self._bounds)
