"""Class names, template rows and prompts of AggregatedPromptClassifier, from its parameters."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from skclip._class_names import check_class_names
from skclip._linalg import unit_rows
from skclip._text_head import TextHead, are_codes, check_no_binary_part, names_of, resolve_classes
from skclip._validation import encode_labels, sample_of
from skclip._warn import warn_caller
from skclip.exceptions import NoEvidenceWarning
from skclip.heads._class_sums import class_sums
from skclip.heads._prompting._prompt_loss import LabelledRows
from skclip.heads._prompting._reference_prompts import reference_prompts

__all__ = ["ClassText", "class_text", "mean_image_head"]


class ClassText(NamedTuple):
    """The classes to predict and their text.

    Attributes
    ----------
    names : ndarray of shape (n_classes,)
        Sorted class labels.

    text_head : TextHead or None
        Template rows of the classes; None without ``zero_shot`` and prompts.

    rows : ndarray of shape (n_prompts, n_features)
        Prompts of the classes, unit rows, class after class.

    counts : ndarray of shape (n_classes,)
        Prompts of each class.

    codes : ndarray of shape (n_samples,) or None
        ``names[codes]`` is ``y``.
    """

    names: NDArray[Any]
    text_head: TextHead | None
    rows: NDArray[Any]
    counts: NDArray[np.intp]
    codes: NDArray[np.int32] | None


def class_text(
    zero_shot: Any,
    prompts: Any,
    classes: Any,
    y: Any,
    *,
    class_names: Mapping[Any, str] | None,
    embedder: Any,
    retriever: Any,
) -> ClassText:
    """Return the classes to predict and their text.

    Parameters
    ----------
    zero_shot, prompts, classes, class_names, embedder, retriever : object
        Parameters of AggregatedPromptClassifier.

    y : ndarray of shape (n_samples,) or None
        Labels.

    Returns
    -------
    text : ClassText
        With integer labels in place of names where ``y`` holds codes of names.
    """
    if zero_shot is None:
        classes, class_names = _declared(prompts, classes, class_names, y)
    names, text_head, codes = resolve_classes(
        zero_shot, classes, y, estimator="AggregatedPromptClassifier"
    )
    if class_names is None and text_head is not None:
        class_names = text_head.class_names
    embedder = embedder or getattr(zero_shot, "embedder", None)
    rows, counts = reference_prompts(
        prompts,
        names,
        called=None if class_names is None else names_of(names, class_names),
        embedder=embedder,
        retriever=retriever,
        n_features=None if text_head is None else text_head.weights.shape[1],
    )
    bare = names[counts == 0]
    if text_head is None and len(rows):
        if len(bare):
            raise ValueError(
                f"There is no text for {sample_of(bare)}: give prompts for every class, or "
                "`zero_shot`."
            )
        check_no_binary_part(len(names))
        text_head = _mean_head(names, rows, counts, embedder)
    elif text_head is not None and len(bare):
        warn_caller(
            f"There are no prompts for {sample_of(bare)}: using their template only.",
            NoEvidenceWarning,
        )
    if text_head is not None:
        text_head = text_head._replace(class_names=class_names)
    return ClassText(names, text_head, rows, counts, codes)


def mean_image_head(names: NDArray[Any], shots: LabelledRows) -> TextHead:
    """Return the class means of images as a text head, with a warning."""
    warn_caller(
        "AggregatedPromptClassifier got neither zero_shot nor prompts: class means of X replace "
        "the text.",
        NoEvidenceWarning,
    )
    sums, _ = class_sums(shots.X, shots.codes, len(names), shots.weight)
    return TextHead(names, unit_rows(sums).astype(shots.X.dtype), 100.0, None, None)


def _declared(
    prompts: Any, classes: Any, class_names: Mapping[Any, str] | None, y: Any
) -> tuple[Any, Mapping[Any, str] | None]:
    """Return the classes and their names if prompts are the only text."""
    keyed = list(prompts) if isinstance(prompts, Mapping) and prompts else None
    if classes is None and class_names is not None:
        classes = list(class_names)
    given = keyed if classes is None else classes
    if y is None or given is None:
        return given, class_names
    # prompts of classes without labels are ignored, so their keys declare no classes
    labels, given = encode_labels(y)[0], check_class_names(given, parameter="classes")
    if are_codes(labels, given):
        names = class_names or {}
        return None, {code: names.get(name, name) for code, name in enumerate(given)}
    return classes, class_names


def _mean_head(
    names: NDArray[Any], rows: NDArray[Any], counts: NDArray[np.intp], embedder: Any
) -> TextHead:
    """Return the means of prompts as template rows."""
    codes = np.repeat(np.arange(len(names), dtype=np.int32), counts)
    sums, _ = class_sums(rows, codes, len(names), np.ones(len(rows), rows.dtype))
    return TextHead(
        names,
        unit_rows(sums).astype(rows.dtype),
        float(getattr(embedder, "logit_scale", 100.0)),
        getattr(embedder, "logit_bias", None),
        getattr(embedder, "model_id", None),
    )
