"""Validation of embeddings, labels and class names, shared by all estimators."""

from collections.abc import Iterable, Sequence
from numbers import Integral
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import assert_all_finite, validate_data

from skclip._array_api import to_numpy
from skclip._compat import get_namespace_and_device
from skclip._linalg import is_half

__all__ = [
    "check_embeddings",
    "check_labelled_embeddings",
    "check_optional_embeddings",
    "encode_known",
    "encode_labels",
    "is_missing",
    "sample_of",
    "union_classes",
    "unknown_labels",
]


# Rows of half precision whose entries are checked at once.
N_CHECKED_ROWS = 1 << 13


def sample_of(values: Iterable[Any], n: int = 3) -> str:
    """Return the first ``n`` values for an error message, and how many more there are."""
    values = list(values)
    shown = ", ".join(repr(v.item() if isinstance(v, np.generic) else v) for v in values[:n])
    more = len(values) - n
    return f"{shown} and {more} more" if more > 0 else shown


def check_embeddings(
    estimator: Any,
    X: Any,
    *,
    reset: bool,
    ensure_all_finite: bool = True,
    keep_half: bool = False,
) -> NDArray[Any]:
    """Validate embeddings for ``estimator`` and record or compare its feature count.

    Parameters
    ----------
    estimator : estimator
        Gets ``n_features_in_`` and ``feature_names_in_`` when ``reset``.

    X : array-like of shape (n_samples, n_features)
        Finite numbers. float32 and float64 are kept, everything else becomes float32
        (float16 as embeddings are stored) or float64.

    reset : bool
        True in ``fit``, False in ``predict`` and ``transform``.

    ensure_all_finite : bool, default=True
        False saves a pass over ``X``, for callers that find NaN and infinity themselves.

    keep_half : bool, default=False
        Keep numpy's float16, for callers that convert it block by block
        (:func:`~skclip._linalg.widened`).

    Returns
    -------
    X : ndarray of shape (n_samples, n_features)
        float32 or float64; float16 with ``keep_half``.
    """
    if keep_half and is_half(X):
        checked: NDArray[Any] = validate_data(
            estimator, X, reset=reset, ensure_all_finite=False, dtype=np.float16, order="C"
        )
        if ensure_all_finite:
            check_finite(checked, type(estimator).__name__)
        return checked
    checked = validate_data(
        estimator, _widen_half(X), reset=reset, ensure_all_finite=ensure_all_finite, **_floats(X)
    )
    return checked


def check_finite(X: NDArray[Any], estimator_name: str) -> None:
    """Raise scikit-learn's error if rows in numpy hold NaN or infinity, block by block."""
    for start in range(0, len(X), N_CHECKED_ROWS):
        block = X[start : start + N_CHECKED_ROWS]
        if not np.isfinite(block).all():
            assert_all_finite(block, input_name="X", estimator_name=estimator_name)


def check_labelled_embeddings(
    estimator: Any,
    X: Any,
    y: Any,
    *,
    reset: bool = True,
    ensure_all_finite: bool = True,
    keep_half: bool = False,
) -> tuple[NDArray[Any], NDArray[Any]]:
    """Validate embeddings and their class labels; see :func:`check_embeddings`.

    Returns
    -------
    X : ndarray of shape (n_samples, n_features)
        float32 or float64; float16 with ``keep_half``.

    y : ndarray of shape (n_samples,)
        Labels; :func:`encode_labels` checks that they are class labels.
    """
    y = labels_from_list(y) if isinstance(y, list | tuple) else y
    _refuse_missing(y)
    if keep_half and is_half(X):
        X, y = validate_data(
            estimator, X, y, reset=reset, ensure_all_finite=False, dtype=np.float16, order="C"
        )
        if ensure_all_finite:
            check_finite(X, type(estimator).__name__)
        return X, y
    X, y = validate_data(
        estimator, _widen_half(X), y, reset=reset, ensure_all_finite=ensure_all_finite, **_floats(X)
    )
    return X, y


def check_optional_embeddings(
    estimator: Any,
    X: Any,
    y: Any,
    *,
    reset: bool = True,
    ensure_all_finite: bool = True,
    keep_half: bool = False,
) -> tuple[NDArray[Any] | None, Any]:
    """Validate images and labels of a ``fit`` that may have both, ``X`` alone, or ``y`` alone.

    The options are those of :func:`check_labelled_embeddings`; the last two are for labelled rows.

    Returns
    -------
    X : ndarray of shape (n_samples, n_features) or None
        None if no images are given.

    y : ndarray of shape (n_samples,), array-like or None
        Without ``X`` as given: class names of any length.
    """
    if X is None:
        return None, y
    if y is None:
        return check_embeddings(estimator, X, reset=reset), None
    return check_labelled_embeddings(
        estimator, X, y, reset=reset, ensure_all_finite=ensure_all_finite, keep_half=keep_half
    )


def encode_labels(y: Any, *, source: str = "y") -> tuple[NDArray[Any], NDArray[np.int32]]:
    """Return the sorted classes and the index of every label in them, exact for every type.

    Parameters
    ----------
    y : array-like of shape (n_samples,)
        Class labels.

    source : str, default="y"
        Where the labels come from, for the message.

    Returns
    -------
    classes : ndarray of shape (n_classes,)
        Sorted.

    codes : ndarray of shape (n_samples,)
        ``classes[codes]`` is ``y``.

    Raises
    ------
    ValueError
        If the labels are no class labels (floats with a fractional part), or not one per row.
    TypeError
        If they are of types that cannot be ordered, or missing.

    Examples
    --------
    >>> import numpy as np
    >>> from skclip._validation import encode_labels
    >>> encode_labels(np.array(["dog", "cat", "dog"]))
    (array(['cat', 'dog'], dtype='<U3'), array([1, 0, 1], dtype=int32))
    """
    y = _label_array(y, source)
    if y.dtype.kind in "iu":
        classes, codes = _encode_integers(y)
    elif y.dtype.kind in "OU":
        classes, codes = _encode_objects(y, source)
    else:
        classes, codes = np.unique(y, return_inverse=True)
    # repeated, since distinct labels look like a regression target and warn
    check_classification_targets(np.repeat(classes, 2))
    return classes, codes.astype(np.int32, copy=False)


def encode_known(labels: Any, classes: Any, *, source: str = "y") -> NDArray[np.int32]:
    """Return the index of every label in given classes.

    Parameters
    ----------
    labels : array-like of shape (n_samples,)
        Labels of any type; labels of another type than the classes are unknown.

    classes : array-like of shape (n_classes,)
        Distinct labels.

    source : str, default="y"
        Where the labels come from, for the message.

    Returns
    -------
    codes : ndarray of shape (n_samples,)
        ``classes[codes]`` is ``labels``.

    Raises
    ------
    ValueError
        If a label is not among the classes.

    Examples
    --------
    >>> from skclip._validation import encode_known
    >>> encode_known(["dog", "cat"], ["cat", "dog", "fox"])
    array([1, 0], dtype=int32)
    >>> encode_known(["owl"], ["cat", "dog"], source="The recalled pool")
    Traceback (most recent call last):
        ...
    ValueError: The recalled pool holds labels that are not among the classes: 'owl'. The classes \
are 'cat', 'dog'.
    """
    labels = _label_array(labels, source)
    codes = _positions(labels, classes)
    if (codes < 0).any():
        raise ValueError(
            f"{source} holds labels that are not among the classes: "
            f"{_distinct_sample(labels[codes < 0])}. "
            f"The classes are {sample_of(to_numpy(classes))}."
        )
    return codes


def unknown_labels(labels: Any, classes: Any) -> list[Any]:
    """Return the labels that are not among the classes, in their order."""
    labels = _label_array(labels, "y")
    unknown: list[Any] = labels[_positions(labels, classes) < 0].tolist()
    return unknown


def union_classes(known: NDArray[Any], arrived: NDArray[Any], *, source: str = "y") -> NDArray[Any]:
    """Return the sorted union of classes, exact for every pair of types.

    Raises
    ------
    TypeError
        If one holds names and the other numbers.
    """
    if known.dtype == arrived.dtype and known.dtype.kind != "O":
        united: NDArray[Any] = np.union1d(known, arrived)
        return united
    if not len(known) or not len(arrived):
        return arrived if len(arrived) else known
    every = [*known.tolist(), *arrived.tolist()]
    if len({isinstance(label, str) for label in every}) > 1:
        raise TypeError(
            f"{source} holds {sample_of(arrived)}, but the labels so far are of another type "
            f"({sample_of(known)}): give labels of one type."
        )
    together = sorted(set(every))
    if "O" in (known.dtype.kind, arrived.dtype.kind):
        return np.fromiter(together, dtype=object, count=len(together))
    return labels_from_list(together)


def _label_array(labels: Any, source: str) -> NDArray[Any]:
    """Return labels as a one-dimensional array, with their types kept."""
    array = labels_from_list(labels) if isinstance(labels, list | tuple) else to_numpy(labels)
    if array.ndim == 2 and array.shape[1] == 1:
        array = array[:, 0]
    if array.ndim != 1:
        raise ValueError(
            f"{source} must hold one label per row, got an array of shape {array.shape}."
        )
    return array


def labels_from_list(labels: Sequence[Any]) -> NDArray[Any]:
    """Return a list as an array; numpy would turn mixed labels into text and round integers."""
    try:
        array: NDArray[Any] = np.asarray(labels)
    except ValueError:  # for example, a list among them
        return np.fromiter(labels, dtype=object, count=len(labels))
    if array.dtype.kind == "U" and not all(isinstance(label, str) for label in labels):
        return np.fromiter(labels, dtype=object, count=len(labels))
    if array.dtype.kind == "f" and all(isinstance(label, Integral) for label in labels):
        is_unsigned = all(0 <= label < 2**64 for label in labels)
        return np.array(labels, dtype=np.uint64 if is_unsigned else object)
    return array


def _encode_integers(y: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
    if not len(y) or int(y.max()) - int(y.min()) >= 4 * len(y) + 1024:
        return np.unique(y, return_inverse=True)
    # counting is faster than sorting, which would take longer than the class sums
    wide = np.uint64 if y.dtype.kind == "u" else np.int64
    offset = wide(y.min())
    shifted = (y.astype(wide) - offset).astype(np.intp)
    present = np.bincount(shifted) > 0
    classes = (np.flatnonzero(present).astype(wide) + offset).astype(y.dtype)
    return classes, (np.cumsum(present) - 1)[shifted]


def _encode_objects(y: NDArray[Any], source: str) -> tuple[NDArray[Any], NDArray[Any]]:
    """Encode text and objects by a dict, several times faster than by sorting."""
    labels = y.tolist()
    try:
        distinct = set(labels)
        kinds = {_kind(label) for label in distinct}
        if len(kinds) > 1 or "missing" in kinds:
            raise TypeError("labels of several types")
        ordered = sorted(distinct)
    except TypeError as error:
        raise TypeError(_of_several_types(labels, source)) from error
    at = {label: code for code, label in enumerate(ordered)}
    codes = np.fromiter((at[label] for label in labels), np.intp, len(labels))
    if kinds <= {"bool"} or kinds <= {"integer"}:
        return labels_from_list(ordered), codes
    return np.fromiter(ordered, dtype=y.dtype, count=len(ordered)), codes


def _refuse_missing(y: Any) -> None:
    """Raise if labels are missing; scikit-learn's own message would be unclear."""
    if not isinstance(y, np.ndarray) and not hasattr(y, "isna"):
        return
    array = np.asarray(y)
    labels = array.ravel().tolist() if array.dtype.kind == "O" else []
    if any(is_missing(label) for label in labels):
        raise TypeError(_of_several_types(labels, "y"))


def _of_several_types(labels: Sequence[Any], source: str) -> str:
    types = sorted({type(label).__name__ for label in labels})
    return (
        f"{source} holds labels that cannot be ordered, of the types {types}: give labels of one "
        "type, and leave out the rows without one."
    )


def _kind(label: Any) -> str:
    """Return the kind of a label; labels of two kinds cannot be ordered."""
    if is_missing(label):
        return "missing"
    for kind, types in (("text", str), ("bool", bool | np.bool_), ("integer", Integral)):
        if isinstance(label, types):
            return kind
    return type(label).__name__


def is_missing(label: Any) -> bool:
    """Return whether a label is None, NaN, or a missing value of pandas."""
    if isinstance(label, str):
        return False
    return label is None or str(label) in ("<NA>", "NaT", "nan")


def _positions(labels: NDArray[Any], classes: Any) -> NDArray[np.int32]:
    """Return the index of every label in the classes, -1 for unknown labels."""
    at = {label: code for code, label in enumerate(to_numpy(classes).tolist())}

    def position(label: Any) -> int:
        try:
            return at.get(label, -1)
        except TypeError:  # unhashable, as a list
            return -1

    if labels.dtype.kind in "iu":
        distinct, codes = _encode_integers(labels)
        found = np.fromiter(map(position, distinct.tolist()), np.int32, len(distinct))
        of_distinct: NDArray[np.int32] = found[codes]
        return of_distinct
    return np.fromiter(map(position, labels.tolist()), np.int32, len(labels))


def _distinct_sample(labels: NDArray[Any]) -> str:
    return sample_of({repr(label): label for label in labels.tolist()}.values())


def _floats(X: Any) -> dict[str, Any]:
    xp, _, _ = get_namespace_and_device(X)
    return {"dtype": [xp.float64, xp.float32], "order": "C"}


def _widen_half(X: Any) -> Any:
    # float16 is how embeddings are stored; scikit-learn would widen it to float64
    xp, _, _ = get_namespace_and_device(X)
    half = [getattr(xp, name) for name in ("float16", "bfloat16") if hasattr(xp, name)]
    return xp.astype(X, xp.float32) if getattr(X, "dtype", None) in half else X
