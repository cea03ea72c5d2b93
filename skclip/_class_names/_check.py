"""What class names must be."""

import unicodedata
from numbers import Number
from typing import Any

import numpy as np

from skclip._validation import is_missing, sample_of

__all__ = ["check_class_names", "check_names"]


def check_class_names(names: Any, *, parameter: str = "names") -> list[Any]:
    """Validate class names: at least one, each with a visible character, no duplicates.

    Parameters
    ----------
    names : iterable
        Class labels; ``str(name)`` is used in queries and prompts. A data frame must have one
        column.

    parameter : str, default="names"
        Name of the caller's parameter, for the message.

    Returns
    -------
    names : list
        The names as given.

    Examples
    --------
    >>> from skclip._class_names import check_class_names
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
    names = [n.item() if isinstance(n, np.generic) else n for n in _only_column(names, parameter)]
    if not names:
        raise ValueError(f"{parameter} is empty: give at least one class name.")
    check_names(names, parameter=parameter)
    seen: set[Any] = set()
    duplicates = [n for n in names if n in seen or seen.add(n)]  # type: ignore[func-returns-value]
    if duplicates:
        remedy = "synonyms go to `synonyms`"
        if parameter == "classes":
            remedy = (
                "two classes with the same name need integer labels: give "
                "class_names={label: name} with the embedder"
            )
        raise ValueError(
            f"{parameter} holds duplicates: {sample_of(dict.fromkeys(duplicates))}. "
            f"Give every class once; {remedy}."
        )
    _check_unicode_forms(names, parameter)
    kinds = {str if isinstance(n, str) else type(n) for n in names}
    if str in kinds and len(kinds) > 1:
        raise ValueError(
            f"{parameter} mixes strings with other types ({sample_of(names)}), which cannot be "
            "ordered. Write all names as strings."
        )
    checked: list[Any] = names
    return checked


def _check_unicode_forms(names: list[Any], parameter: str) -> None:
    """Raise if two names are the same text with composed and decomposed letters."""
    forms: dict[str, str] = {}
    for name in names:
        if isinstance(name, str) and not name.isascii():
            first = forms.setdefault(unicodedata.normalize("NFC", name), name)
            if first != name:
                raise ValueError(
                    f"{parameter} holds {name!r} twice, as {first!a} and {name!a}: both "
                    "are the same text, with composed and decomposed letters. Bring all names and "
                    "labels into one form: unicodedata.normalize('NFC', name)."
                )


def check_names(names: list[Any], *, parameter: str) -> None:
    """Raise if a class name is missing, blank, or neither text nor number."""
    wrong = [n for n in names if not isinstance(n, str | bool | Number) or is_missing(n)]
    if wrong:
        raise ValueError(
            f"{parameter} holds invalid class names: {sample_of(wrong)} (position "
            f"{_first(names, wrong[0])}). Give one text or number per class."
        )
    blank = [n for n in names if not str(n).strip()]
    if blank:
        raise ValueError(
            f"{parameter} holds blank class names: {sample_of(blank)} (position "
            f"{names.index(blank[0])}). Every class needs a name with at least one character."
        )


def _first(names: list[Any], wanted: Any) -> int:
    return next(i for i, name in enumerate(names) if name is wanted)


def _only_column(names: Any, parameter: str) -> Any:
    """Return the column of a data frame or matrix; iterating over a frame gives its header."""
    shape: tuple[int, ...] = getattr(names, "shape", ())
    if len(shape) < 2:
        return names
    if len(shape) > 2 or shape[1] != 1:
        raise ValueError(
            f"{parameter} must be a list of class names, got a table of shape {tuple(shape)}: give "
            "one column of it."
        )
    return np.asarray(names)[:, 0]
