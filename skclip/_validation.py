"""What every estimator checks about its input, in one wording."""

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import validate_data

from skclip._array_api import to_numpy
from skclip._compat import get_namespace_and_device

__all__ = [
    "check_class_names",
    "check_embeddings",
    "check_labelled_embeddings",
    "encode_labels",
    "sample_of",
]


def sample_of(values: Iterable[Any], n: int = 3) -> str:
    """Return the first ``n`` values for an error message, and how many more there are."""
    values = list(values)
    shown = ", ".join(repr(v.item() if isinstance(v, np.generic) else v) for v in values[:n])
    more = len(values) - n
    return f"{shown} and {more} more" if more > 0 else shown


def check_embeddings(
    estimator: Any, X: Any, *, reset: bool, ensure_all_finite: bool = True
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
        False saves a pass over ``X`` for callers who find NaN and infinity on their own way.

    Returns
    -------
    X : ndarray of shape (n_samples, n_features)
        float32 or float64.
    """
    checked: NDArray[Any] = validate_data(
        estimator, _widen_half(X), reset=reset, ensure_all_finite=ensure_all_finite, **_floats(X)
    )
    return checked


def check_labelled_embeddings(
    estimator: Any, X: Any, y: Any, *, reset: bool = True, ensure_all_finite: bool = True
) -> tuple[NDArray[Any], NDArray[Any]]:
    """Validate embeddings and their class labels; see :func:`check_embeddings`.

    Returns
    -------
    X : ndarray of shape (n_samples, n_features)
        float32 or float64.

    y : ndarray of shape (n_samples,)
        Labels; :func:`encode_labels` checks that they are class labels.
    """
    X, y = validate_data(
        estimator, _widen_half(X), y, reset=reset, ensure_all_finite=ensure_all_finite, **_floats(X)
    )
    return X, y


def encode_labels(y: NDArray[Any]) -> tuple[NDArray[Any], NDArray[np.int32]]:
    """Return the sorted classes and the index of every label in them.

    Parameters
    ----------
    y : ndarray of shape (n_samples,)
        Class labels.

    Returns
    -------
    classes : ndarray of shape (n_classes,)
        Sorted.

    codes : ndarray of shape (n_samples,)
        ``classes[codes]`` is ``y``.

    Raises
    ------
    ValueError
        If the labels are no class labels (floats with a fractional part).
    TypeError
        If they are of types that have no order between them, or missing.

    Examples
    --------
    >>> import numpy as np
    >>> from skclip._validation import encode_labels
    >>> encode_labels(np.array(["dog", "cat", "dog"]))
    (array(['cat', 'dog'], dtype='<U3'), array([1, 0, 1], dtype=int32))
    """
    y = to_numpy(y)
    if y.dtype.kind in "iu" and len(y) and int(y.max()) - int(y.min()) < 4 * len(y) + 1024:
        # counting costs a fraction of sorting, and sorting more than the class sums
        offset = y.min()
        shifted = y - offset
        present = np.bincount(shifted) > 0
        classes = (np.flatnonzero(present) + offset).astype(y.dtype)
        codes = (np.cumsum(present) - 1)[shifted]
    else:
        try:
            classes, codes = np.unique(y, return_inverse=True)
        except TypeError as error:
            kinds = sorted({type(label).__name__ for label in y})
            raise TypeError(
                f"y holds labels that cannot be ordered, of the types {kinds}: give labels of one "
                "type, and leave out the rows without one."
            ) from error
    # twice, since labels that are all different look like a regression target and warn
    check_classification_targets(np.repeat(classes, 2))
    return classes, codes.astype(np.int32, copy=False)


def _floats(X: Any) -> dict[str, Any]:
    xp, _, _ = get_namespace_and_device(X)
    return {"dtype": [xp.float64, xp.float32], "order": "C"}


def _widen_half(X: Any) -> Any:
    # float16 is how embeddings are stored; scikit-learn would widen it to float64
    xp, _, _ = get_namespace_and_device(X)
    half = [getattr(xp, name) for name in ("float16", "bfloat16") if hasattr(xp, name)]
    return xp.astype(X, xp.float32) if getattr(X, "dtype", None) in half else X


def check_class_names(names: Any, *, parameter: str = "names") -> list[Any]:
    """Validate class names: at least one, each with a visible character, no duplicates.

    Parameters
    ----------
    names : iterable
        Class labels; the query and the prompt are ``str(name)``.

    parameter : str, default="names"
        Name of the caller's parameter, for the message.

    Returns
    -------
    names : list
        The names as given.

    Examples
    --------
    >>> from skclip._validation import check_class_names
    >>> check_class_names(["cat", "dog", "cat"])
    Traceback (most recent call last):
        ...
    ValueError: names holds duplicates: 'cat'. Give every class once; synonyms go to `synonyms`.
    """
    if isinstance(names, str):
        raise ValueError(
            f"{parameter} must be a list of class names, got the single string {names!r}: "
            f"write [{names!r}]."
        )
    names = [n.item() if isinstance(n, np.generic) else n for n in names]
    if not names:
        raise ValueError(f"{parameter} is empty: give at least one class name.")
    blank = [n for n in names if not str(n).strip()]
    if blank:
        raise ValueError(
            f"{parameter} holds blank class names: {sample_of(blank)} (position "
            f"{names.index(blank[0])}). Every class needs a name with at least one character."
        )
    seen: set[Any] = set()
    duplicates = [n for n in names if n in seen or seen.add(n)]  # type: ignore[func-returns-value]
    if duplicates:
        raise ValueError(
            f"{parameter} holds duplicates: {sample_of(dict.fromkeys(duplicates))}. "
            "Give every class once; synonyms go to `synonyms`."
        )
    kinds = {str if isinstance(n, str) else type(n) for n in names}
    if str in kinds and len(kinds) > 1:
        raise ValueError(
            f"{parameter} mixes strings with other types ({sample_of(names)}): labels must have "
            "one order. Write all names as strings."
        )
    checked: list[Any] = names
    return checked
