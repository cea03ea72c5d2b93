"""What transductive estimators are given: labelled images, unlabelled images, text."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from skclip._array_api import to_numpy
from skclip._compat import inside_cross_validation
from skclip._linalg import nonzero_rows, unit_rows
from skclip._text_head import Classes, TextHead, check_same_width, resolve_classes
from skclip._validation import (
    check_embeddings,
    check_optional_embeddings,
    encode_known,
    sample_of,
)

__all__ = ["Targets", "read_targets", "refuse_split"]


class Targets(NamedTuple):
    """Images and text of one fit, in numpy.

    Attributes
    ----------
    classes : ndarray of shape (n_classes,)
        Sorted labels.

    text : TextHead
        Aligned with the classes. Class means of the labelled images where there is no text.

    labelled : ndarray of shape (n_labelled, n_features)
        Unit rows, none zero.

    codes : ndarray of shape (n_labelled,)
        Their classes.

    unlabelled : ndarray of shape (n_unlabelled, n_features)
        Unit rows in the order they were given; zero where nothing is known of the image.

    has_text : bool
        Whether the text head was given.
    """

    classes: NDArray[Any]
    text: TextHead
    labelled: NDArray[Any]
    codes: NDArray[np.integer]
    unlabelled: NDArray[Any]
    has_text: bool


def read_targets(
    estimator: Any,
    X: ArrayLike | None,
    y: ArrayLike | None,
    X_unlabeled: ArrayLike | None,
    *,
    known: TextHead | None = None,
    reset: bool = True,
) -> Targets:
    """Validate what ``fit`` or ``partial_fit`` was given.

    Parameters
    ----------
    estimator : estimator
        With the parameters ``zero_shot``, ``classes`` and ``unlabeled``.

    X : array-like of shape (n_samples, n_features) or None
        Embeddings of labelled images; of unlabelled ones without ``y``.

    y : array-like of shape (n_samples,) or None
        Labels, or the mark of unlabelled rows.

    X_unlabeled : array-like of shape (n_unlabelled, n_features) or None
        Embeddings of further unlabelled images.

    known : TextHead, default=None
        That of an earlier call, which stays as it is.

    reset : bool, default=True
        False compares the features with those of an earlier call.

    Returns
    -------
    targets : Targets
        Unlabelled rows of ``X`` first.

    Raises
    ------
    ValueError
        If there is no row at all, nothing names the classes, or a cross-validation has split
        ``X_unlabeled``.
    """
    name = type(estimator).__name__
    if X is None and y is not None:
        raise ValueError(
            f"{name} got y without X: labels need their images. Name the classes with "
            "`classes`, or by the text head."
        )
    if X is None and X_unlabeled is None:
        raise ValueError(f"{name} got no images: give X, with or without y, or X_unlabeled.")
    X, y = check_optional_embeddings(estimator, X, y, reset=reset)
    mark = None
    if y is not None:
        mark = _marked(name, y, estimator.unlabeled)
        y = None if mark.all() else to_numpy(y)[~mark]
    parts = []
    if known is None:
        resolved = resolve_classes(estimator.zero_shot, estimator.classes, y, estimator=name)
    else:
        codes_of_y = None if y is None else encode_known(y, known.classes)
        resolved = Classes(known.classes, known, codes_of_y)
    rows = None if X is None else unit_rows(to_numpy(X))
    if rows is not None:
        parts.append(rows if mark is None else rows[mark])
    if X_unlabeled is not None:
        further = check_embeddings(estimator, X_unlabeled, reset=reset and X is None)
        refuse_split(name, rows, further)
        parts.append(unit_rows(to_numpy(further)))
    unlabelled = np.concatenate(parts) if len(parts) > 1 else parts[0]
    labelled, codes = unlabelled[:0], np.zeros(0, dtype=np.int32)
    if rows is not None and resolved.codes is not None:
        own = rows if mark is None else rows[~mark]
        evident = nonzero_rows(own)
        labelled, codes = own[evident], resolved.codes[evident]
    text = resolved.text_head
    if text is None:
        text = _means(labelled, codes, resolved.names)
    check_same_width(unlabelled.shape[1], text)
    return Targets(
        resolved.names, text, labelled, codes, unlabelled, resolved.text_head is not None
    )


def refuse_split(name: str, X: Any, X_unlabeled: NDArray[Any]) -> None:
    """Raise where a cross-validation has split the unlabelled rows with the labelled ones."""
    if X is not None and len(X_unlabeled) == len(X) and inside_cross_validation():
        raise ValueError(
            f"X_unlabeled of {name} has as many rows as X ({len(X)}): a cross-validation splits "
            "with X whatever is as long. Give one row more or less."
        )


def _marked(name: str, y: Any, unlabeled: Any) -> NDArray[np.bool_]:
    """Return which labels are the mark of unlabelled rows."""
    labels = to_numpy(y)
    if unlabeled is None:
        return np.zeros(len(labels), dtype=bool)
    mark = np.asarray(labels == unlabeled)
    if mark.shape != labels.shape:
        mark = np.zeros(len(labels), dtype=bool)
    if isinstance(unlabeled, str):
        return mark
    texts = labels[~mark].tolist()
    if any(isinstance(label, str) for label in texts):
        text = next(str(label) for label in texts if isinstance(label, str))
        raise ValueError(
            f"unlabeled={unlabeled!r} of {name} is a number, but y holds text ({text!r}), beside "
            "which a number is no label. Mark unlabelled rows by a text: unlabeled='?' and y with "
            "'?'."
        )
    return mark


def _means(labelled: NDArray[Any], codes: NDArray[Any], classes: NDArray[Any]) -> TextHead:
    """Return class means of labelled images in the place of text rows."""
    missing = np.setdiff1d(np.arange(len(classes)), codes)
    if len(missing):
        raise ValueError(
            "Without a text head every class needs a labelled image that is not zero: there is "
            f"none of {sample_of(to_numpy(classes)[missing])}. Give `zero_shot`, or such images."
        )
    sums = np.zeros((len(classes), labelled.shape[1]))
    np.add.at(sums, codes, labelled)
    return TextHead(classes, unit_rows(sums), 100.0, None, None)
