"""Further names of classes, found by the name of the class."""

import unicodedata
from collections.abc import Mapping, Sequence
from typing import Any

from skclip._validation import sample_of
from skclip._warn import warn_caller
from skclip.exceptions import NoMatchWarning

__all__ = ["of_each_name"]


def of_each_name(names: Sequence[Any], given: Mapping[Any, Any], parameter: str) -> list[Any]:
    """Return what a mapping gives each name; an empty tuple where it gives nothing.

    A key need not be written as its name is: underscores are spaces, and composed and decomposed
    letters are the same.

    Parameters
    ----------
    names : sequence
        Class names.

    given : mapping
        Anything by class name.

    parameter : str
        What the user calls the mapping.

    Returns
    -------
    values : list
        One a name.

    Warns
    -----
    NoMatchWarning
        If a key differs from a name in capital letters alone. Other keys are of other classes.

    Examples
    --------
    >>> from skclip._further_names import of_each_name
    >>> of_each_name(["car_side", "cat"], {"car side": ["car"]}, "synonyms")
    [['car'], ()]
    """
    exact = {str(key): value for key, value in given.items()}
    folded = {_folded(key): value for key, value in given.items()}
    known = set(map(_folded, names))
    # a mapping may be meant for more classes than these, but not for these in capitals
    in_capitals = {name.casefold() for name in known}
    unknown = [k for k in given if (f := _folded(k)) not in known and f.casefold() in in_capitals]
    if unknown:
        warn_caller(
            f"{parameter} has keys that are no class here but for capital letters "
            f"({sample_of(unknown)}): they have no effect. The classes are {sample_of(names)}.",
            NoMatchWarning,
        )
    return [exact.get(str(name), folded.get(_folded(name), ())) for name in names]


def _folded(name: Any) -> str:
    return " ".join(unicodedata.normalize("NFC", str(name)).replace("_", " ").split())
