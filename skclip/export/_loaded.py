"""Heads that came from a file: they predict, and learn nothing."""

import math
from collections.abc import Callable
from typing import Any, NoReturn, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator

from skclip._base import ScoreClassifierMixin, linear_scores
from skclip._linalg import unit_rows
from skclip._validation import encode_labels
from skclip.exceptions import HeadFileError
from skclip.export._head_file import HeadFile
from skclip.heads import ProxyScoresMixin

__all__ = ["LinearHead", "LoadedHead", "ProxyHead", "head_of"]

PROXY_SETTINGS: dict[str, Callable[[Any], bool]] = {
    "aggregation": lambda v: v in ("max", "logsumexp", "mean", "nearest"),
    "temperature": lambda v: _is_number(v) and v > 0,
    "n_neighbors": lambda v: type(v) is int and v > 0,
    "weights": lambda v: v in ("uniform", "distance"),
    "metric": lambda v: (
        v in ("inner_product", "cosine", "euclidean", "manhattan", "chebyshev", "mahalanobis")
    ),
    "normalize_queries": lambda v: v in ("l2", "quantile", None),
}


class LoadedHead(ScoreClassifierMixin, BaseEstimator):
    """A head that was read from a file.

    :func:`load_head` makes it. It predicts what the head predicted that was saved, to the bit, and
    cannot be fitted. Clones are the head itself, and so it can be a step of a pipeline, after an
    embedder.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        Class labels, sorted.

    class_names_ : dict of label to str, or None
        The name of each class; None where labels are their own names.

    logit_scale_ : float
        Scale of the probabilities.

    logit_bias_ : float or None
        Bias of the probabilities of a model that was trained with a sigmoid per pair.

    model_ : dict or None
        The model whose embeddings the head scores: ``id``, and where they are known ``name`` and
        ``pretrained``, by which :class:`~skclip.CLIPEmbedder` loads it, ``preprocess`` and
        ``preprocess_hash``.

    prompts_ : dict or None
        ``templates`` and ``synonyms`` of the text, where class names were encoded.

    provenance_ : dict
        Where the head came from: estimator, parameters, weights of its parts, numbers of images.

    n_features_in_ : int
        Number of features of the embeddings.

    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the features, where the saved head had them.

    Notes
    -----
    A head of one matrix has ``coef_``, ``intercept_`` and ``unit_rows_``, which says whether
    embeddings are scaled to unit length before. One of several proxies per class has ``proxies_``
    and ``proxy_classes_``, as :class:`~skclip.MultiProxyImprinter`.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from skclip import NearestClassMean
    >>> from skclip.export import load_head, save_head
    >>> head = NearestClassMean().fit([[1.0, 0.1], [0.2, 0.9]], ["cat", "dog"])
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     loaded = load_head(save_head(head, Path(folder) / "pets.skclip"))
    >>> loaded.predict([[0.9, 0.3]])
    array(['cat'], dtype='<U3')
    >>> loaded.provenance_["estimator"]
    'NearestClassMean'
    """

    model_: dict[str, Any] | None
    n_features_in_: int
    prompts_: dict[str, Any] | None
    provenance_: dict[str, Any]
    _content: HeadFile

    def __sklearn_is_fitted__(self) -> bool:
        return True

    def __sklearn_clone__(self) -> Self:
        return self

    @property
    def model_id_(self) -> str | None:
        """Identity of the model whose embeddings the head scores; None if unknown."""
        return None if self.model_ is None else self.model_["id"]

    def fit(self, X: Any = None, y: Any = None) -> NoReturn:
        """Raise an error: the file of a head does not hold its training images.

        Parameters
        ----------
        X, y : object
            Ignored.

        Raises
        ------
        TypeError
            In any case.
        """
        raise TypeError(
            "A head from a file cannot be fitted: fit a "
            f"{self.provenance_.get('estimator', 'head')} and save it again. To save an estimator "
            "that can be fitted further, use skops."
        )

    def _set_facts(self, content: HeadFile) -> Self:
        """Take over what all forms have, and check it."""
        facts = content.facts
        self._content = content
        self.classes_ = _classes(facts)
        n_features: Any = facts.get("n_features")
        _require(type(n_features) is int and n_features > 0, "n_features")
        self.n_features_in_ = n_features
        scale: Any = facts.get("logit_scale")
        bias: Any = facts.get("logit_bias")
        _require(_is_number(scale) and scale > 0, "logit_scale")
        _require(bias is None or _is_number(bias), "logit_bias")
        self.logit_scale_, self.logit_bias_ = float(scale), None if bias is None else float(bias)
        names = facts.get("class_names")
        _require(names is None or _is_texts(names, len(self.classes_)), "class_names")
        labels = self.classes_.tolist()
        self.class_names_ = None if names is None else dict(zip(labels, names, strict=True))
        model, prompts, origin = map(facts.get, ("model", "prompts", "provenance"))
        is_model = isinstance(model, dict) and isinstance(model.get("id"), str)
        _require(model is None or is_model, "model")
        _require(prompts is None or isinstance(prompts, dict), "prompts")
        _require(isinstance(origin, dict), "provenance")
        self.model_, self.prompts_, self.provenance_ = model, prompts, origin or {}
        columns = facts.get("feature_names")
        if columns is not None:
            _require(_is_texts(columns, self.n_features_in_), "feature_names")
            self.feature_names_in_ = np.asarray(columns, dtype=object)
        return self


class LinearHead(LoadedHead):
    r"""A head of one weight row and one intercept per class.

    .. math:: \mathrm{score}_c(x) = w_c \cdot x / \lVert x \rVert + b_c

    Attributes
    ----------
    coef_ : ndarray of shape (n_classes, n_features)
        Weights. One row per class, also for two.

    intercept_ : ndarray of shape (n_classes,)
        Intercepts.

    unit_rows_ : bool
        Whether embeddings are scaled to unit length, as in the formula.
    """

    @classmethod
    def of(cls, content: HeadFile) -> Self:
        """Return the head that a file describes."""
        head = cls()._set_facts(content)
        shape = len(head.classes_), head.n_features_in_
        head.coef_ = _array(content, "weight", shape)
        head.intercept_ = _array(content, "bias", shape[:1], least=-np.inf)
        head.unit_rows_ = _settings(content).get("unit_rows")
        _require(isinstance(head.unit_rows_, bool), "settings")
        return head

    def _class_scores(self, X: NDArray[Any]) -> NDArray[Any]:
        return linear_scores(unit_rows(X) if self.unit_rows_ else X, self.coef_, self.intercept_)


class ProxyHead(ProxyScoresMixin, LoadedHead):
    """A head of several proxies per class; see :class:`~skclip.MultiProxyImprinter`.

    Attributes
    ----------
    proxies_ : ndarray of shape (n_proxies, n_features)
        Normalised proxies, class after class.

    proxy_classes_ : ndarray of shape (n_proxies,)
        Class label of each proxy.
    """

    @classmethod
    def of(cls, content: HeadFile) -> Self:
        """Return the head that a file describes."""
        head = cls()._set_facts(content)
        width, settings = head.n_features_in_, _settings(content)
        for name, is_right in PROXY_SETTINGS.items():
            _require(name in settings and is_right(settings[name]), f"settings {name}")
            setattr(head, name, settings[name])
        bounds: Any = content.tensors.get("bounds")
        _require(
            bounds is not None
            and bounds.shape == (len(head.classes_) + 1,)
            and bounds.dtype == np.int64
            and bounds[0] == 0
            and bool((np.diff(bounds) >= 0).all()),
            "bounds",
        )
        head._bounds = bounds.astype(np.intp)
        head.proxies_ = _array(content, "proxies", (int(bounds[-1]), width))
        head.proxy_classes_ = np.repeat(head.classes_, np.diff(head._bounds))
        square = (width, width)
        head._whitener = _optional(content, "whitener", square)
        head._whitening = _optional(content, "whitening", square)
        _require((head.metric == "mahalanobis") == (head._whitening is not None), "whitening")
        head._metric_proxies = head.proxies_
        if head._whitening is not None:
            head._metric_proxies = _array(content, "metric_proxies", head.proxies_.shape)
        head._query_reference = _optional(content, "query_reference", (width,))
        by_quantile = head.normalize_queries == "quantile"
        _require(by_quantile == (head._query_reference is not None), "query_reference")
        return head


def head_of(content: HeadFile) -> LoadedHead:
    """Return the head that a file describes.

    Raises
    ------
    HeadFileError
        If its form is unknown, or something in it is missing or impossible.
    """
    form = content.facts.get("form")
    forms: dict[Any, Any] = {"linear": LinearHead, "proxies": ProxyHead}
    if not isinstance(form, str) or form not in forms:
        raise HeadFileError(f"A head of the form {form!r} is unknown to this version of skclip.")
    head: LoadedHead = forms[form].of(content)
    return head


def _require(is_right: bool, what: str) -> None:
    if not is_right:
        raise HeadFileError(f"The head in the file has no usable {what!r}.")


def _settings(content: HeadFile) -> dict[str, Any]:
    settings = content.facts.get("settings")
    _require(isinstance(settings, dict), "settings")
    assert isinstance(settings, dict)
    return settings


def _classes(facts: dict[str, Any]) -> NDArray[Any]:
    labels, kind = facts.get("labels"), facts.get("label_type")
    _require(isinstance(labels, list) and len(labels) > 0, "labels")
    _require(isinstance(kind, str), "label_type")
    assert isinstance(labels, list)
    if kind in ("str", "object"):
        _require(all(isinstance(label, str) for label in labels), "labels")
        classes = np.array(labels, dtype=kind)
    else:
        try:
            dtype = np.dtype(kind)
            classes = np.array(labels, dtype=dtype)
        except (TypeError, ValueError, OverflowError):
            raise HeadFileError("The head in the file has no usable 'labels'.") from None
        _require(dtype.kind in "biuf" and classes.tolist() == labels, "labels")
    _require(classes.ndim == 1 and encode_labels(classes)[0].tolist() == labels, "labels")
    return classes


def _array(
    content: HeadFile, name: str, shape: tuple[int, ...], least: float | None = None
) -> NDArray[Any]:
    array = content.tensors.get(name)
    _require(array is not None and array.shape == shape and array.dtype.kind == "f", name)
    assert array is not None
    finite = np.isfinite(array) if least is None else ~np.isnan(array) & (array < np.inf)
    _require(bool(finite.all()), name)
    return array


def _optional(content: HeadFile, name: str, shape: tuple[int, ...]) -> NDArray[Any] | None:
    return _array(content, name, shape) if name in content.tensors else None


def _is_number(value: Any) -> bool:
    return type(value) in (int, float) and math.isfinite(value)


def _is_texts(values: Any, n: int) -> bool:
    return isinstance(values, list) and len(values) == n and all(isinstance(v, str) for v in values)
