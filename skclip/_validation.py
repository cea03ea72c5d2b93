"""What every estimator checks about its input, in one wording."""

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils.validation import validate_data

__all__ = ["check_class_names", "check_embeddings", "sample_of"]


def sample_of(values: Iterable[Any], n: int = 3) -> str:
    """Return the first ``n`` values for an error message, and how many more there are."""
    values = list(values)
    shown = ", ".join(repr(v.item() if isinstance(v, np.generic) else v) for v in values[:n])
    more = len(values) - n
    return f"{shown} and {more} more" if more > 0 else shown


def check_embeddings(estimator: Any, X: Any, *, reset: bool) -> NDArray[Any]:
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

    Returns
    -------
    X : ndarray of shape (n_samples, n_features)
        float32 or float64.
    """
    # float16 is how embeddings are stored; scikit-learn would widen it to float64
    if getattr(X, "dtype", None) == np.float16:
        X = X.astype(np.float32)
    checked: NDArray[Any] = validate_data(
        estimator, X, reset=reset, dtype=[np.float64, np.float32], order="C"
    )
    return checked


def check_class_names(names: Iterable[Any], *, parameter: str = "names") -> list[Any]:
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
    return names
