"""Class names, template rows and prompts of AggregatedPromptClassifier, from what it was given."""

from collections.abc import Mapping
from typing import Any
from warnings import warn

import numpy as np
from numpy.typing import NDArray

from skclip._linalg import unit_rows
from skclip._text_head import TextHead, check_labels_known, resolve_text_head
from skclip._validation import check_class_names, encode_labels, sample_of
from skclip.exceptions import NoEvidenceWarning
from skclip.heads._class_sums import class_sums
from skclip.heads._prompt_generator import LabelledRows
from skclip.heads._reference_prompts import reference_prompts

__all__ = ["class_text"]


def class_text(
    zero_shot: Any,
    prompts: Any,
    classes: Any,
    y: Any,
    *,
    embedder: Any,
    retriever: Any,
) -> tuple[NDArray[Any], TextHead | None, NDArray[Any], NDArray[np.intp]]:
    """Return the classes to predict and their text.

    Parameters
    ----------
    zero_shot, prompts, classes, embedder, retriever : object
        Parameters of AggregatedPromptClassifier.

    y : ndarray of shape (n_samples,) or None
        Labels.

    Returns
    -------
    names : ndarray of shape (n_classes,)
        Sorted class labels.

    text_head : TextHead or None
        Their template rows; None without ``zero_shot`` and prompts.

    rows : ndarray of shape (n_prompts, n_features)
        Their prompts, unit rows, class after class.

    counts : ndarray of shape (n_classes,)
        Prompts of each class.
    """
    names, text_head = _resolve_classes(zero_shot, prompts, classes, y)
    embedder = embedder or getattr(zero_shot, "embedder", None)
    rows, counts = reference_prompts(
        prompts,
        names,
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
        text_head = _mean_head(names, rows, counts, embedder)
    elif text_head is not None and len(bare):
        warn(
            f"There are no prompts for {sample_of(bare)}: their template is used alone.",
            NoEvidenceWarning,
            stacklevel=5,
        )
    return names, text_head, rows, counts


def mean_image_head(names: NDArray[Any], shots: LabelledRows) -> TextHead:
    """Return the class means of images, where there is no text at all, and say so."""
    warn(
        "AggregatedPromptClassifier got neither zero_shot nor prompts: the class means of X stand "
        "in for the text.",
        NoEvidenceWarning,
        stacklevel=5,
    )
    sums, _ = class_sums(shots.X, shots.codes, len(names), shots.weight)
    return TextHead(names, unit_rows(sums).astype(shots.X.dtype), 100.0, None, None)


def _resolve_classes(
    zero_shot: Any, prompts: Any, classes: Any, y: NDArray[Any] | None
) -> tuple[NDArray[Any], TextHead | None]:
    """Return the sorted classes and, where they are given, the template rows."""
    names: Any
    if classes is not None:
        names = np.unique(np.asarray(check_class_names(classes, parameter="classes")))
        if y is not None:
            check_labels_known(encode_labels(y)[0], names)
    elif y is not None:
        names = encode_labels(y)[0]
    elif zero_shot is not None:
        names = None  # the text head names them, or says that it cannot
    elif isinstance(prompts, Mapping) and prompts:
        names = np.unique(np.asarray(check_class_names(prompts, parameter="prompts")))
    else:
        raise ValueError(
            "AggregatedPromptClassifier requires y to be passed, but the target y is None, and "
            "neither `classes`, `zero_shot` nor a mapping of `prompts` names the classes."
        )
    text_head = resolve_text_head(zero_shot, names)
    if text_head is None:
        return names, None
    if classes is not None:
        text_head = text_head.restricted(names)
    return text_head.classes, text_head


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
