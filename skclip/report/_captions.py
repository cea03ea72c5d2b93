"""Captions with the name of the class marked."""

import re
from collections.abc import Iterable

__all__ = ["cut_at_names", "name_pattern"]


def name_pattern(names: Iterable[str]) -> re.Pattern[str] | None:
    """Return what finds a class's names in a caption.

    Words are compared without case, whatever stands between them; longer names come first.

    Parameters
    ----------
    names : iterable of str
        The class name and its synonyms.

    Returns
    -------
    pattern : re.Pattern or None
        None where no name has a word.
    """
    words = [re.findall(r"\w+", name.replace("_", " ")) for name in names]
    phrases = [r"[\W_]+".join(map(re.escape, one)) for one in words if one]
    if not phrases:
        return None
    phrases.sort(key=len, reverse=True)
    return re.compile(rf"(?<!\w)(?:{'|'.join(phrases)})(?!\w)", re.IGNORECASE)


def cut_at_names(caption: str, pattern: re.Pattern[str] | None) -> list[str]:
    """Cut a caption where its class's names begin and end.

    Parameters
    ----------
    caption : str
        A caption.

    pattern : re.Pattern or None
        From :func:`name_pattern`.

    Returns
    -------
    pieces : list of str
        Every second one is a name; together they are the caption.

    Examples
    --------
    >>> from skclip.report._captions import cut_at_names, name_pattern
    >>> cut_at_names("A palm-tree and a tree", name_pattern(["palm tree"]))
    ['A ', 'palm-tree', ' and a tree']
    """
    pieces, end = [], 0
    for found in pattern.finditer(caption) if pattern else ():
        pieces += [caption[end : found.start()], found.group()]
        end = found.end()
    return [*pieces, caption[end:]]
