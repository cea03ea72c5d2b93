"""Zero-shot classification: one text embedding per class (the text head of CLIP)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from numbers import Real
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator

from skclip._array_api import like
from skclip._base import CosineLinearMixin
from skclip._class_names import check_class_names
from skclip._compat import (
    ArrayAPIMixin,
    HasMethods,
    Interval,
    StrOptions,
    check_sample_weight,
    fit_context,
)
from skclip._linalg import unit_rows
from skclip._text_head import (
    TextHead,
    aligned_rows,
    are_codes,
    check_labels_known,
    check_no_binary_part,
    check_same_width,
    names_of,
)
from skclip._validation import (
    check_optional_embeddings,
    encode_known,
    encode_labels,
    sample_of,
    unknown_labels,
)
from skclip._warn import warn_caller
from skclip.exceptions import NoEvidenceWarning
from skclip.heads._class_sums import class_sums
from skclip.prompts import build_prompts, encode_prompts

__all__ = ["ZeroShotClassifier"]


class ZeroShotClassifier(ArrayAPIMixin, CosineLinearMixin, BaseEstimator):
    r"""Classify images by the text embeddings of the class names.

    .. math:: t_c = \mathrm{normalize}\Big(\frac{1}{M} \sum_{m=1}^{M}
              \frac{f(\tau_m(c))}{\lVert f(\tau_m(c)) \rVert}\Big), \qquad
              \hat y(x) = \arg\max_c\; x \cdot t_c

    with the text encoder :math:`f` and the prompt templates :math:`\tau_1 \ldots \tau_M`.
    Text labels are the class names, so that text rows are matched to labels by name. Numeric labels
    need ``class_names``.

    Parameters
    ----------
    text_embeddings : mapping of class name to vector, data frame or array-like, default=None
        Precomputed text embeddings. The rows of an array of shape (n_classes, n_features) follow
        the order of ``classes``; the index of a data frame or series names its rows.

    embedder : CLIPEmbedder or transformer, default=None
        Encodes prompts: ``transform(list of str)`` gives one row per prompt. Used when
        ``text_embeddings`` is None.

    templates : str, list of str or mapping, default="photo"
        Name of a published set in ``skclip.prompts.TEMPLATES``, templates with ``{}`` in
        place of the class name, or a mapping of class name to its prompts.

    synonyms : mapping of class name to list of str, default=None
        Further names of each class; their prompts are averaged with those of the name.

    classes : array-like of shape (n_classes,), default=None
        All classes, including those without labels. None takes the keys of ``class_names`` or of
        ``text_embeddings``, else the labels in ``y``.

    class_names : mapping of label to str, default=None
        The name of each class, for labels that are not names: ``{0: "cat", 1: "dog"}``. Two
        labels may have the same name, and then have the same text row. None uses the labels as
        names; prompts cannot be written from numbers.

    logit_scale : "auto" or float, default="auto"
        Scale :math:`s` of the probabilities :math:`\mathrm{softmax}(s \cdot x \cdot t_c)`;
        ``"auto"`` takes the scale of the embedder's model, or 100 without an embedder.

    logit_bias : "auto", float or None, default="auto"
        Bias :math:`b` of a model trained with a sigmoid per pair, such as SigLIP: probabilities
        are then :math:`\sigma(s \cdot x \cdot t_c + b)`, divided by their sum. ``"auto"`` takes
        the bias of the embedder's model, if it has one; None is the softmax. It does not change
        predicted labels.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        Class labels, sorted.

    class_names_ : dict of label to str, or None
        The name of each class; None if labels are names.

    coef_ : ndarray of shape (n_classes, n_features)
        Text embeddings, unit rows, aligned with ``classes_``; two rows for two classes.

    intercept_ : ndarray of shape (n_classes,)
        Zeros.

    logit_scale_ : float
        Scale of the probabilities.

    logit_bias_ : float or None
        Bias of the probabilities; None for a softmax.

    model_id_ : str or None
        Identity of the model that encoded the prompts, if the embedder has one.

    n_features_in_ : int
        Number of features of the embeddings.

    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the features, when ``X`` was given with string column names.

    See Also
    --------
    PrimedNCMClassifier : Mixes this head with the class means of recalled images.
    MixedHeadClassifier : Mixes this head with any other classifier.

    Notes
    -----
    Nothing is learned from images: ``fit`` uses the labels only, and ``fit(y=names)`` is enough.
    With neither ``text_embeddings`` nor ``embedder``, the class means of ``X`` replace the text
    head, with a :class:`~skclip.exceptions.NoEvidenceWarning`.

    Meta-estimators such as :class:`~sklearn.ensemble.VotingClassifier` fit their members on the
    codes of labels. Integers are read as codes of class names if the names were given in sorted
    order and every code occurs; otherwise they raise an error.

    CLIP was trained with a softmax over texts. SigLIP [2]_ was trained with a sigmoid for each
    pair of image and text. The probabilities of such a model are

    .. math:: p_c = \frac{\sigma(s \cdot x \cdot t_c + b)}
              {\sum_j \sigma(s \cdot x \cdot t_j + b)}

    normalised as in :class:`~sklearn.multiclass.OneVsRestClassifier`.

    With ``sklearn.set_config(array_api_dispatch=True)`` embeddings may be arrays of other
    libraries, such as torch tensors on any device. The text embeddings are moved to the device of
    the ``X`` given to ``fit``, and are numpy arrays without one.

    A zero row scores 0 for every class: it is predicted as the first class, with equal
    probabilities.

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
        "class_names": [Mapping, None],
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
        class_names: Mapping[Any, str] | None = None,
        logit_scale: str | float = "auto",
        logit_bias: str | float | None = "auto",
    ) -> None:
        self.text_embeddings = text_embeddings
        self.embedder = embedder
        self.templates = templates
        self.synonyms = synonyms
        self.classes = classes
        self.class_names = class_names
        self.logit_scale = logit_scale
        self.logit_bias = logit_bias

    @fit_context(prefer_skip_nested_validation=False)
    def fit(self, X: ArrayLike | None = None, y: ArrayLike | None = None) -> Self:
        """Take the class names from the labels and encode them.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features), default=None
            Image embeddings; only their number of features is used.

        y : array-like of shape (n_samples,), default=None
            Class labels. Not needed if ``classes``, ``class_names`` or ``text_embeddings`` names
            the classes.

        Returns
        -------
        self : ZeroShotClassifier
            The fitted head.

        Raises
        ------
        ValueError
            If nothing names the classes, a label has no text embedding, or images and text differ
            in their number of features.
        """
        X, y = check_optional_embeddings(self, X, y)
        labels = None if y is None else encode_labels(y)[0]
        classes, has_codes = self._classes(labels)
        if self.text_embeddings is None and self.embedder is None:
            self._fit_means(X, y)
            return self
        check_no_binary_part(len(classes))
        names = self._names(classes)
        weights = unit_rows(self._text_rows(classes, names))
        self.class_names_ = None
        if has_codes and labels is not None:
            classes = labels
        if has_codes or self.class_names is not None:
            self.class_names_ = dict(zip(classes.tolist(), names, strict=True))
        self._set_weights(classes, weights, X, y)
        self.model_id_ = getattr(self.embedder, "model_id", None)
        self._set_logits()
        if X is not None:
            text_head = TextHead(
                classes, self.coef_, self.logit_scale_, self.logit_bias_, self.model_id_
            )
            check_same_width(X.shape[1], text_head)
        self.n_features_in_ = self.coef_.shape[1]
        return self

    def _classes(self, labels: NDArray[Any] | None) -> tuple[NDArray[Any], bool]:
        """Return the sorted classes, and whether the labels are codes of them."""
        given: Any = None
        if self.classes is not None:
            given = check_class_names(self.classes, parameter="classes")
        elif self.class_names is not None:
            given = check_class_names(self.class_names, parameter="class_names")
        elif isinstance(self._table(), Mapping):
            given = aligned_rows(self._table()) and list(self._table())
        if given is None:
            if labels is None:
                raise ValueError(
                    "ZeroShotClassifier requires y to be passed, but the target y is None, and "
                    "neither `classes` nor `class_names` nor a mapping of `text_embeddings` names "
                    "the classes. Give one of them."
                )
            return labels, False
        classes = encode_labels(given)[0]
        if labels is None:
            return classes, False
        if are_codes(labels, given):
            return classes, True
        if self.classes is not None:
            encode_known(labels, classes)
        elif self.class_names is not None:
            names_of(labels, self.class_names)
        else:
            check_labels_known(labels, classes)
        return classes, False

    def _names(self, classes: NDArray[Any]) -> list[str]:
        """Return the name of each class."""
        labels = classes.tolist()
        if self.class_names is None:
            if self.text_embeddings is None and not all(isinstance(n, str) for n in labels):
                raise ValueError(
                    f"The labels {sample_of(labels)} are numbers, and ZeroShotClassifier cannot "
                    "write prompts from numbers: give their names, class_names={label: name}."
                )
            return [str(label) for label in labels]
        return names_of(classes, self.class_names)

    def _table(self) -> Any:
        """Return the text embeddings; as a mapping, if an index names their rows."""
        table: Any = self.text_embeddings
        if not hasattr(table, "iloc"):
            return table
        index = check_class_names(table.index, parameter="The index of text_embeddings")
        is_unnamed = index == list(range(len(index)))
        rows = table.to_numpy() if table.ndim == 2 else table.tolist()
        return rows if is_unnamed else dict(zip(index, rows, strict=True))

    def _text_rows(self, classes: NDArray[Any], names: list[str]) -> NDArray[Any]:
        """Return the text embedding of each class."""
        table = self._table()
        if table is None:
            distinct = list(dict.fromkeys(names))
            prompts = build_prompts(
                distinct, self._by_name(self.templates), self._by_name(self.synonyms)
            )
            rows = encode_prompts(self.embedder, prompts)
            at = {name: i for i, name in enumerate(distinct)}
            return rows[[at[name] for name in names]]
        if not isinstance(table, Mapping):
            table = self._named_rows(np.asarray(table))
        keys, rows = aligned_rows(table)
        asked: Any = classes
        if self.class_names is not None and unknown_labels(classes, keys):
            asked = names  # the keys are names, and the labels are not
        check_labels_known(np.asarray(asked), keys)
        return rows[encode_known(asked, keys)]

    def _named_rows(self, rows: NDArray[Any]) -> dict[Any, NDArray[Any]]:
        if self.classes is None:
            raise ValueError(
                "The rows of text_embeddings have no names: give `classes` in the order of the "
                "rows, or a mapping {class name: vector}."
            )
        named = check_class_names(self.classes, parameter="classes")
        if rows.ndim != 2 or len(rows) != len(named):
            raise ValueError(
                f"text_embeddings has shape {rows.shape}, but classes names {len(named)} rows: "
                "give one row per class."
            )
        return dict(zip(named, rows, strict=True))

    def _by_name(self, texts: Any) -> Any:
        """Return a mapping keyed by label or class name, keyed by class name."""
        if not isinstance(texts, Mapping) or self.class_names is None:
            return texts
        return {self.class_names.get(label, label): of_class for label, of_class in texts.items()}

    def _fit_means(self, X: Any, y: Any) -> None:
        if X is None or y is None:
            raise ValueError(
                "ZeroShotClassifier has no text: give `text_embeddings`, or an `embedder` that "
                "encodes the class names."
            )
        warn_caller(
            "ZeroShotClassifier got neither text_embeddings nor embedder: the class means of X "
            "replace the text head.",
            NoEvidenceWarning,
        )
        classes, codes = encode_labels(y)
        weight = check_sample_weight(None, X, dtype=X.dtype)
        sums, _ = class_sums(X, codes, len(classes), weight)
        self._set_weights(classes, unit_rows(sums), X, y, X.dtype)
        self._set_logits()
        self.model_id_ = self.class_names_ = None

    def _set_weights(
        self, classes: NDArray[Any], weights: NDArray[Any], X: Any, y: Any, dtype: Any = None
    ) -> None:
        """Store weights on the device of ``X``, labels on the device of ``y``."""
        self.classes_ = like(classes, y)
        self.coef_ = like(weights, X, dtype)
        self.intercept_ = like(np.zeros(len(classes), weights.dtype), X, dtype)

    def _set_logits(self) -> None:
        """Set scale and bias of the logits, from the parameters or from the embedder."""
        scale, bias = self.logit_scale, self.logit_bias
        if scale == "auto":
            scale = getattr(self.embedder, "logit_scale", 100.0)
        if bias == "auto":
            bias = getattr(self.embedder, "logit_bias", None)
        self.logit_scale_ = float(scale)
        self.logit_bias_ = None if bias is None else float(bias)
