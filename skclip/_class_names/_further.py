"""Look up what a mapping holds for each class name, such as synonyms."""

import unicodedata
from collections.abc import Mapping, Sequence
from typing import Any

from skclip._validation import sample_of
from skclip._warn import warn_caller
from skclip.exceptions import NoMatchWarning

__all__ = ["of_each_name"]


def of_each_name(names: Sequence[Any], given: Mapping[Any, Any], parameter: str) -> list[Any]:
    """Return the value of each name in a mapping; an empty tuple where there is none.

    Underscores in keys and names count as spaces, and composed and decomposed letters as equal.

    Parameters
    ----------
    names : sequence
        Class names.

    given : mapping
        Values by class name.

    parameter : str
        Name of the mapping, for the warning.

    Returns
    -------
    values : list
        One per name.

    Warns
    -----
    NoMatchWarning
        If a key differs from a name in capital letters only. Other unknown keys are ignored: they
        may be of other classes.

    Examples
    --------
    >>> from skclip._class_names import of_each_name
    >>> of_each_name(["car_side", "cat"], {"car side": ["car"]}, "synonyms")
    [['car'], ()]
    """
    exact = {str(key): value for key, value in given.items()}
    folded = {_folded(key): value for key, value in given.items()}
    known = set(map(_folded, names))
    # a mapping may serve more classes than these, but other capitals are a mistake
    in_capitals = {name.casefold() for name in known}
    unknown = [k for k in given if (f := _folded(k)) not in known and f.casefold() in in_capitals]
    if unknown:
        warn_caller(
            f"{parameter} has keys that differ from a class name in capital letters "
            f"({sample_of(unknown)}): they have no effect. The classes are {sample_of(names)}.",
            NoMatchWarning,
        )
    return [exact.get(str(name), folded.get(_folded(name), ())) for name in names]


def _folded(name: Any) -> str:
    return " ".join(unicodedata.normalize("NFC", str(name)).replace("_", " ").split())
