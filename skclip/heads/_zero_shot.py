"""Zero-shot classification: one text embedding a class (the text head of CLIP)."""

from collections.abc import Mapping, Sequence
from numbers import Real
from typing import Any, ClassVar, Self
from warnings import warn

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator
from sklearn.utils import Tags

from skclip._array_api import like, to_numpy
from skclip._base import CosineLinearMixin
from skclip._compat import (
    SUPPORTS_ARRAY_API,
    HasMethods,
    Interval,
    StrOptions,
    check_sample_weight,
    fit_context,
)
from skclip._linalg import unit_rows
from skclip._text_head import TextHead, aligned_rows, check_labels_known, check_same_width
from skclip._validation import (
    check_class_names,
    check_embeddings,
    check_labelled_embeddings,
    encode_labels,
)
from skclip.exceptions import NoEvidenceWarning
from skclip.heads._class_sums import class_sums
from skclip.prompts import build_prompts, encode_prompts

__all__ = ["ZeroShotClassifier"]


class ZeroShotClassifier(CosineLinearMixin, BaseEstimator):
    r"""Classify images by the text embeddings of the class names.

    .. math:: t_c = \mathrm{normalize}\Big(\frac{1}{M} \sum_{m=1}^{M}
              \frac{f(\tau_m(c))}{\lVert f(\tau_m(c)) \rVert}\Big), \qquad
              \hat y(x) = \arg\max_c\; x \cdot t_c

    with the text encoder :math:`f` and the prompt templates :math:`\tau_1 \ldots \tau_M`.
    The class names are the labels, so text rows and labels cannot get out of order.

    Parameters
    ----------
    text_embeddings : mapping of class name to vector or array-like, default=None
        Text embeddings made elsewhere. Rows of an array of shape (n_classes, n_features) follow
        ``classes``, in the order given there.

    embedder : CLIPEmbedder or transformer, default=None
        Encodes prompts: ``transform(list of str)`` gives one row a prompt. Used when
        ``text_embeddings`` is None.

    templates : str, list of str or mapping, default="photo"
        Name of a published set in ``skclip.prompts.TEMPLATES``, own templates with ``{}`` where
        the class name goes, or a mapping of class name to its prompts.

    synonyms : mapping of class name to list of str, default=None
        Further names of a class; their prompts are averaged with those of the name.

    classes : array-like of shape (n_classes,), default=None
        Classes to know, whether labels of them are seen or not. By default the labels in ``y``,
        or the keys of ``text_embeddings``.

    logit_scale : "auto" or float, default="auto"
        Scale :math:`s` of the probabilities :math:`\mathrm{softmax}(s \cdot x \cdot t_c)`;
        ``"auto"`` is the embedder's own, or 100 where there is none.

    logit_bias : "auto", float or None, default="auto"
        Bias :math:`b` of a model trained with a sigmoid a pair, as SigLIP: probabilities are
        then :math:`\sigma(s \cdot x \cdot t_c + b)` over their sum. ``"auto"`` is the embedder's
        own, if it has one; None is the softmax. It changes no label.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        Class names, sorted.

    coef_ : ndarray of shape (n_classes, n_features)
        Text embeddings, unit rows, aligned with ``classes_``. One row a class, also for two.

    intercept_ : ndarray of shape (n_classes,)
        Zeros.

    logit_scale_ : float
        Scale of the probabilities.

    logit_bias_ : float or None
        Bias of the probabilities; None where they are a softmax.

    model_id_ : str or None
        Identity of the model that encoded the prompts, where the embedder tells it.

    n_features_in_ : int
        Number of features of the embeddings.

    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the features, when ``X`` was given with string column names.

    See Also
    --------
    PrimedNCMClassifier : Mixes this head with the class means of recalled images.
    MixedHeadClassifier : Mixes this head with any other.

    Notes
    -----
    Nothing is learned from images: ``fit`` looks at the labels only, and ``fit(y=names)`` is
    enough. Without text (neither ``text_embeddings`` nor ``embedder``) the class means of ``X``
    stand in for the text head and a :class:`~skclip.exceptions.NoEvidenceWarning` says so.

    The softmax is what CLIP was trained with: it asks which of the texts belongs to the image.
    SigLIP [2]_ was trained to say of every pair whether it belongs together. For such a model

    .. math:: p_c = \frac{\sigma(s \cdot x \cdot t_c + b)}
              {\sum_j \sigma(s \cdot x \cdot t_j + b)}

    divided by their sum as :class:`~sklearn.multiclass.OneVsRestClassifier` does.

    With ``sklearn.set_config(array_api_dispatch=True)`` embeddings may be arrays of other
    libraries, such as torch tensors on any device. The text embeddings are put
    where the ``X`` of ``fit`` lies, or into numpy without one.

    References
    ----------
    .. [1] Radford et al., "Learning Transferable Visual Models From Natural Language
       Supervision", `arXiv 2103.00020 <https://arxiv.org/abs/2103.00020>`_.

    .. [2] Zhai et al., "Sigmoid Loss for Language Image Pre-Training",
       `arXiv 2303.15343 <https://arxiv.org/abs/2303.15343>`_.

    Examples
    --------
    >>> from skclip import ZeroShotClassifier
    >>> text = {"dog": [0.0, 1.0], "cat": [1.0, 0.0]}
    >>> head = ZeroShotClassifier(text).fit()
    >>> head.classes_
    array(['cat', 'dog'], dtype='<U3')
    >>> head.predict([[0.2, 0.9], [0.8, 0.1]])
    array(['dog', 'cat'], dtype='<U3')

    From names, with the model that comes with the package:

    >>> from skclip import CLIPEmbedder
    >>> embedder = CLIPEmbedder("skclip-tiny", modality="text")
    >>> ZeroShotClassifier(embedder=embedder).fit(y=["circle", "star"]).coef_.shape[0]
    2
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "text_embeddings": ["array-like", Mapping, None],
        "embedder": [HasMethods(["transform"]), None],
        "templates": [str, "array-like", Mapping],
        "synonyms": [Mapping, None],
        "classes": ["array-like", None],
        "logit_scale": [StrOptions({"auto"}), Interval(Real, 0, None, closed="neither")],
        "logit_bias": [StrOptions({"auto"}), Interval(Real, None, None, closed="neither"), None],
    }

    def __init__(
        self,
        text_embeddings: Mapping[Any, ArrayLike] | ArrayLike | None = None,
        *,
        embedder: Any = None,
        templates: str | Sequence[str] | Mapping[Any, Sequence[str]] = "photo",
        synonyms: Mapping[Any, Sequence[str]] | None = None,
        classes: ArrayLike | None = None,
        logit_scale: str | float = "auto",
        logit_bias: str | float | None = "auto",
    ) -> None:
        self.text_embeddings = text_embeddings
        self.embedder = embedder
        self.templates = templates
        self.synonyms = synonyms
        self.classes = classes
        self.logit_scale = logit_scale
        self.logit_bias = logit_bias

    @fit_context(prefer_skip_nested_validation=False)
    def fit(self, X: ArrayLike | None = None, y: ArrayLike | None = None) -> Self:
        """Take the class names from the labels and encode them.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features), default=None
            Image embeddings; only their width is looked at.

        y : array-like of shape (n_samples,), default=None
            Class names. May be left out where ``classes`` or ``text_embeddings`` names them.

        Returns
        -------
        self : ZeroShotClassifier
            The fitted head.

        Raises
        ------
        ValueError
            If there is nothing to take class names from, a label has no text embedding, or the
            widths of images and text differ.
        """
        if X is not None and y is not None:
            X, y = check_labelled_embeddings(self, X, y)
        elif X is not None:
            X = check_embeddings(self, X, reset=True)
        labels = self._labels(y)
        if self.text_embeddings is None and self.embedder is None:
            self._fit_means(X, y)
            return self
        classes, weights = self._text_rows(labels)
        check_labels_known(labels, classes)
        self._set_weights(classes, unit_rows(weights), X, y)
        self.model_id_ = getattr(self.embedder, "model_id", None)
        self._set_logits()
        if X is not None:
            text_head = TextHead(
                classes, self.coef_, self.logit_scale_, self.logit_bias_, self.model_id_
            )
            check_same_width(X.shape[1], text_head)
        self.n_features_in_ = self.coef_.shape[1]
        return self

    def _labels(self, y: Any) -> NDArray[Any]:
        """Return the sorted labels that must get a text row."""
        if self.classes is not None:
            labels = np.unique(np.asarray(check_class_names(self.classes, parameter="classes")))
            if y is not None:
                check_labels_known(np.unique(to_numpy(y)), labels)
            return labels
        if y is not None:
            return encode_labels(y)[0]
        if isinstance(self.text_embeddings, Mapping):
            return aligned_rows(self.text_embeddings)[0]
        raise ValueError(
            "ZeroShotClassifier requires y to be passed, but the target y is None, and neither "
            "`classes` nor a mapping of `text_embeddings` names the classes."
        )

    def _text_rows(self, labels: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
        """Return the sorted classes and their text embeddings."""
        if self.text_embeddings is None:
            names = check_class_names(labels, parameter="y")
            prompts = build_prompts(names, self.templates, self.synonyms)
            return labels, encode_prompts(self.embedder, prompts)
        if isinstance(self.text_embeddings, Mapping):
            return aligned_rows(self.text_embeddings)
        rows = np.asarray(self.text_embeddings)
        if self.classes is None:
            raise ValueError(
                "text_embeddings is an array, so `classes` must name its rows, in their order; "
                "or give a mapping {class name: vector}."
            )
        names = check_class_names(self.classes, parameter="classes")
        if rows.ndim != 2 or len(rows) != len(names):
            raise ValueError(
                f"text_embeddings has shape {rows.shape}, but classes names {len(names)} rows: "
                "give one row a class."
            )
        return aligned_rows(dict(zip(names, rows, strict=True)))

    def _fit_means(self, X: Any, y: Any) -> None:
        if X is None or y is None:
            raise ValueError(
                "ZeroShotClassifier has no text: give `text_embeddings`, or an `embedder` that "
                "encodes the class names."
            )
        warn(
            "ZeroShotClassifier got neither text_embeddings nor embedder: the class means of X "
            "stand in for the text head.",
            NoEvidenceWarning,
            stacklevel=3,
        )
        classes, codes = encode_labels(y)
        weight = check_sample_weight(None, X, dtype=X.dtype)
        sums, _ = class_sums(X, codes, len(classes), weight)
        self._set_weights(classes, unit_rows(sums), X, y, X.dtype)
        self._set_logits()
        self.model_id_ = None

    def _set_weights(
        self, classes: NDArray[Any], weights: NDArray[Any], X: Any, y: Any, dtype: Any = None
    ) -> None:
        """Keep the weights where ``X`` lies, the labels where ``y`` lies."""
        self.classes_ = like(classes, y)
        self.coef_ = like(weights, X, dtype)
        self.intercept_ = like(np.zeros(len(classes), weights.dtype), X, dtype)

    def _set_logits(self) -> None:
        """Take scale and bias of the logits as given, or as the embedder has them."""
        scale, bias = self.logit_scale, self.logit_bias
        if scale == "auto":
            scale = getattr(self.embedder, "logit_scale", 100.0)
        if bias == "auto":
            bias = getattr(self.embedder, "logit_bias", None)
        self.logit_scale_ = float(scale)
        self.logit_bias_ = None if bias is None else float(bias)

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.array_api_support = SUPPORTS_ARRAY_API
        return tags
