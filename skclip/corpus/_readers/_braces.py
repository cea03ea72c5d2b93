"""Ranges in braces: ``{00000..00123}.tar`` means 124 archives."""

import os
import re

from skclip.exceptions import CorpusError

__all__ = ["expand_braces"]

_RANGE = re.compile(r"\{(\d+)\.\.(\d+)\}")
_MOST = 1_000_000


def expand_braces(path: str) -> list[str]:
    """Return the paths of a range such as ``{00000..00010}``; other paths are unchanged.

    The path of an existing file is not expanded. A range may be descending.

    Examples
    --------
    >>> from skclip.corpus._readers._braces import expand_braces
    >>> expand_braces("data/{08..10}.tar")
    ['data/08.tar', 'data/09.tar', 'data/10.tar']
    """
    if os.path.lexists(path):
        return [path]
    paths = [""]
    end = 0
    for found in _RANGE.finditer(path):
        first, last = map(int, found.groups())
        step = 1 if first <= last else -1
        if (abs(last - first) + 1) * len(paths) > _MOST:
            raise CorpusError(
                f"The range {path!r} gives more than {_MOST} paths: give a folder instead."
            )
        width = len(found[1]) if found[1].startswith("0") else 0
        numbers = [f"{n:0{width}d}" for n in range(first, last + step, step)]
        paths = [p + path[end : found.start()] + n for p in paths for n in numbers]
        end = found.end()
    return [p + path[end:] for p in paths]
