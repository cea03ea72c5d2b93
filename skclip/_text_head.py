"""The text head: one unit row per class, aligned by name, from the parameter ``zero_shot``.

Every estimator with this parameter resolves it here, together with its classes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import clone

from skclip._array_api import cast, to_numpy
from skclip._class_names import check_class_names, check_names
from skclip._compat import classes_behind_binary_part
from skclip._linalg import class_proba, unit_rows
from skclip._validation import encode_known, encode_labels, sample_of, unknown_labels

__all__ = [
    "Classes",
    "TextHead",
    "are_codes",
    "check_labels_known",
    "check_no_binary_part",
    "check_same_width",
    "names_of",
    "resolve_classes",
    "resolve_text_head",
]


class TextHead(NamedTuple):
    """Text weights aligned with sorted classes.

    Attributes
    ----------
    classes : ndarray of shape (n_classes,)
        Sorted class labels.

    weights : ndarray of shape (n_classes, n_features)
        Unit rows, one per class.

    logit_scale : float
        The model's logit scale.

    logit_bias : float or None
        The model's logit bias, if it was trained with a sigmoid per pair.

    model_id : str or None
        Identity of the model that encoded the text, where known.

    class_names : mapping of label to str or None
        What prompts and captions call the classes; None where labels are their own names.
    """

    classes: NDArray[Any]
    weights: NDArray[Any]
    logit_scale: float
    logit_bias: float | None
    model_id: str | None
    class_names: Mapping[Any, str] | None = None

    @property
    def names(self) -> list[str]:
        """The name of each class, in the order of ``classes``."""
        names = self.class_names or {}
        return [str(names.get(label, label)) for label in to_numpy(self.classes).tolist()]

    def scores(self, X: NDArray[Any]) -> NDArray[Any]:
        """Return x·t for unit rows ``X``: ``(n, d) -> (n, C)``."""
        scores: NDArray[Any] = X @ cast(self.weights, X.dtype).T
        return scores

    def proba(self, X: NDArray[Any]) -> NDArray[Any]:
        """Return the probabilities of :meth:`scores`: ``(n, d) -> (n, C)``."""
        return class_proba(self.scores(X), self.logit_scale, self.logit_bias)

    def restricted(self, classes: NDArray[Any]) -> TextHead:
        """Return the head restricted to ``classes``, which are sorted and among its own."""
        at = encode_known(classes, self.classes)
        return self._replace(classes=self.classes[at], weights=self.weights[at])

    def of_codes(self, codes: NDArray[Any]) -> TextHead:
        """Return the head with integer labels in place of names; see :func:`are_codes`."""
        names = dict(zip(codes.tolist(), self.names, strict=True))
        return self._replace(classes=codes, class_names=names)


class Classes(NamedTuple):
    """Classes of an estimator, with their text rows and the codes of its labels.

    Attributes
    ----------
    names : ndarray of shape (n_classes,)
        Sorted class labels.

    text_head : TextHead or None
        Rows aligned with ``names``; None without ``zero_shot``.

    codes : ndarray of shape (n_samples,) or None
        ``names[codes]`` is ``y``; None without ``y``.
    """

    names: NDArray[Any]
    text_head: TextHead | None
    codes: NDArray[np.int32] | None


def resolve_classes(
    zero_shot: Any, classes: ArrayLike | None, y: ArrayLike | None, *, estimator: str
) -> Classes:
    """Return the classes of an estimator, from its parameters and its labels.

    Parameters
    ----------
    zero_shot : None, mapping or classifier
        As for :func:`resolve_text_head`.

    classes : array-like of shape (n_classes,) or None
        All classes, including those without labels. The text head is restricted to them. None
        takes the classes of the text head if it names them, else the labels.

    y : array-like of shape (n_samples,) or None
        Class labels.

    estimator : str
        Name of the estimator, for messages.

    Returns
    -------
    classes : Classes
        With integer labels in place of names where ``y`` holds codes of names; see
        :func:`are_codes`.

    Raises
    ------
    ValueError
        If nothing names the classes, or a label is not among them or has no text.

    Examples
    --------
    >>> from skclip._text_head import resolve_classes
    >>> text = {"dog": [0.0, 1.0], "cat": [1.0, 0.0], "fox": [0.6, 0.8]}
    >>> found = resolve_classes(text, ["dog", "cat"], ["dog", "dog"], estimator="Head")
    >>> found.names, found.codes
    (array(['cat', 'dog'], dtype='<U3'), array([1, 1], dtype=int32))
    >>> found.text_head.weights
    array([[1., 0.],
           [0., 1.]])
    """
    labels, codes = (None, None) if y is None else encode_labels(y)
    if classes is None:
        if labels is None and zero_shot is None:
            raise ValueError(_no_classes(estimator))
        text_head = _resolve_for(estimator, zero_shot, labels)
        # a text head keeps its classes without labels
        names = labels if text_head is None else text_head.classes
    else:
        given = check_class_names(classes, parameter="classes")
        names = encode_labels(given)[0]
        text_head = resolve_text_head(zero_shot, names)
        if text_head is not None:
            text_head = text_head.restricted(names)
            if labels is not None and are_codes(labels, given):
                text_head = text_head.of_codes(labels)
                names = labels
    assert names is not None
    if labels is not None and codes is not None:
        codes = encode_known(labels, names)[codes]
    return Classes(names, text_head, codes)


def are_codes(labels: NDArray[Any], given: Sequence[Any]) -> bool:
    """Return whether labels are codes of class names, as meta-estimators pass them.

    ``VotingClassifier`` and others fit their members on integers: the positions of the labels in
    sorted order. Integers count as codes only if the names were given in sorted order and every
    code occurs. Then positions and codes are the same.

    Parameters
    ----------
    labels : ndarray of shape (n_labels,)
        Sorted distinct labels.

    given : sequence of shape (n_classes,)
        Class names in the order they were given.

    Returns
    -------
    are_codes : bool
        False for names, and for numbers that are labels themselves.

    Raises
    ------
    ValueError
        If the labels are numbers, the classes have names, and the numbers may be no codes.

    Examples
    --------
    >>> import numpy as np
    >>> from skclip._text_head import are_codes
    >>> are_codes(np.array([0, 1]), ["cat", "dog"]), are_codes(np.array(["dog"]), ["cat", "dog"])
    (True, False)
    """
    if labels.dtype.kind not in "biuf" or not all(isinstance(name, str) for name in given):
        return False
    in_order = list(given) == sorted(given) and labels.tolist() == list(range(len(given)))
    if labels.dtype.kind in "iu" and in_order:
        return True
    raise ValueError(_numbers_for_names(labels, given))


def _numbers_for_names(labels: NDArray[Any], names: Sequence[Any]) -> str:
    return (
        f"The labels are numbers ({sample_of(labels)}), but the classes have names "
        f"({sample_of(names)}). Numbers are read as codes of the names only if the names were "
        f"given in sorted order and every code from 0 to {len(names) - 1} occurs. Give the name of "
        "each number: class_names={label: name} of ZeroShotClassifier or "
        "AggregatedPromptClassifier. In OneVsRestClassifier and OneVsOneClassifier, use a head "
        "without text: their labels 0 and 1 mean other classes in each fit."
    )


def check_no_binary_part(n_classes: int) -> None:
    """Raise in a binary fit of one-versus-rest or one-versus-one, whose labels have no text.

    Parameters
    ----------
    n_classes : int
        Classes of the text head.

    Raises
    ------
    ValueError
        If the meta-estimator has more than two classes, or the text head
        does not have two.
    """
    behind = classes_behind_binary_part()
    if behind is not None and (behind > 2 or n_classes != 2):
        raise ValueError(
            "In OneVsRestClassifier and OneVsOneClassifier, use a head without text: their labels "
            "0 and 1 mean other classes in each fit. A head with text handles any number of "
            "classes by itself."
        )


def _no_classes(estimator: str) -> str:
    return (
        f"{estimator} requires y to be passed, but the target y is None, and neither `classes` "
        "nor a text head names the classes."
    )


def _resolve_for(estimator: str, zero_shot: Any, labels: NDArray[Any] | None) -> TextHead | None:
    """Resolve the text head; the error names the estimator that the user fitted."""
    try:
        return resolve_text_head(zero_shot, labels)
    except ValueError as error:
        if labels is None and "requires y to be passed" in str(error):
            raise ValueError(_no_classes(estimator)) from error
        raise


def aligned_rows(rows: Mapping[Any, ArrayLike]) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return sorted class labels and their vectors, from ``{class label: vector}``.

    Examples
    --------
    >>> from skclip._text_head import aligned_rows
    >>> aligned_rows({"dog": [0.0, 1.0], "cat": [1.0, 0.0]})
    (array(['cat', 'dog'], dtype='<U3'), array([[1., 0.],
           [0., 1.]]))
    """
    if not rows:
        raise ValueError("The mapping of class names to text embeddings is empty.")
    labels = check_class_names(rows, parameter="The mapping of text embeddings")
    vectors = [to_numpy(row) for row in rows.values()]
    shapes = {vector.shape for vector in vectors}
    if len(shapes) > 1 or len(vectors[0].shape) != 1:
        raise ValueError(
            "The text embeddings of all classes must be vectors of one length, got shapes "
            f"{sample_of(sorted(shapes))}."
        )
    weights = np.stack(vectors)
    if weights.dtype not in (np.float32, np.float64):
        weights = weights.astype(np.float32)
    finite = np.isfinite(weights).all(axis=1)
    if not finite.all():
        wrong = [label for label, is_finite in zip(labels, finite, strict=True) if not is_finite]
        raise ValueError(f"The text embeddings of {sample_of(wrong)} contain NaN or infinity.")
    classes, codes = encode_labels(labels)
    return classes, weights[np.argsort(codes)]


def resolve_text_head(zero_shot: Any, labels: NDArray[Any] | None) -> TextHead | None:
    """Turn the ``zero_shot`` parameter of an estimator into a text head.

    Parameters
    ----------
    zero_shot : None, mapping or classifier
        ``{class name: vector}``, or a classifier that needs no rows to fit, such as
        :class:`~skclip.ZeroShotClassifier`. A classifier is cloned and fitted on the labels
        alone; to use one without fitting, wrap it in
        :class:`~sklearn.frozen.FrozenEstimator`.

    labels : ndarray of shape (n_labels,) or None
        Sorted unique labels that must be among its classes; None takes the classes it names.

    Returns
    -------
    text_head : TextHead or None
        Its classes contain ``labels``.
    """
    if zero_shot is None:
        return None
    if isinstance(zero_shot, Mapping):
        classes, weights = aligned_rows(zero_shot)
        text_head = TextHead(classes, unit_rows(weights), 100.0, None, None)
        check_no_binary_part(len(classes))
        if labels is not None and are_codes(labels, list(zero_shot)):
            return text_head.of_codes(labels)
    else:
        text_head = _fitted_text_head(zero_shot, labels)
        check_no_binary_part(len(text_head.classes))
    if labels is not None:
        check_labels_known(labels, text_head.classes)
    return text_head


def _fitted_text_head(zero_shot: Any, labels: NDArray[Any] | None) -> TextHead:
    """Return the text head of a classifier, fitted on the labels alone."""
    fitted = clone(zero_shot).fit(None, labels)
    if not hasattr(fitted, "coef_"):
        raise ValueError(
            f"zero_shot={zero_shot!r} has no coef_: a text head has one weight row per class, "
            "the same for all images. AggregatedPromptClassifier has it with "
            "aggregation='mean'."
        )
    return TextHead(
        to_numpy(fitted.classes_),
        unit_rows(to_numpy(fitted.coef_)),
        getattr(fitted, "logit_scale_", 100.0),
        getattr(fitted, "logit_bias_", None),
        getattr(fitted, "model_id_", None),
        getattr(fitted, "class_names_", None),
    )


def check_labels_known(labels: NDArray[Any], classes: NDArray[Any]) -> None:
    """Raise if a label has no row in the text head."""
    unknown = unknown_labels(labels, classes)
    if not unknown:
        return
    names = to_numpy(classes).tolist()
    if labels.dtype.kind in "biuf" and isinstance(names[0], str):
        raise ValueError(_numbers_for_names(labels, names))
    raise ValueError(
        f"There are labels without a text embedding: {sample_of(unknown)}. The text head has "
        f"{sample_of(classes)}: add the missing classes to it, or correct the labels."
    )


def names_of(classes: NDArray[Any], class_names: Mapping[Any, str]) -> list[str]:
    """Return the name of each class, and check ``class_names``."""
    nameless = unknown_labels(classes, list(class_names))
    if nameless:
        raise ValueError(
            f"class_names has no name for {sample_of(nameless)}: give every label its name."
        )
    names = [class_names[label] for label in classes.tolist()]
    check_names(names, parameter="class_names")
    wrong = [name for name in names if not isinstance(name, str)]
    if wrong:
        raise ValueError(f"class_names must map labels to text, got {sample_of(wrong)}.")
    return names


def check_same_width(n_features: int, text_head: TextHead) -> None:
    """Raise if images and text differ in their number of features."""
    width = text_head.weights.shape[1]
    if width != n_features:
        raise ValueError(
            f"X has {n_features} features, but the text head has {width}: images and class names "
            "must be embedded by the same model."
        )
