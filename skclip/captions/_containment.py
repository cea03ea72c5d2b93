"""Names inside names: ``fire`` in ``fire truck``, ``star`` in ``starfish``."""

from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from typing import Any

from skclip.captions._matching import Matching
from skclip.captions._query import Phrase, Query

__all__ = ["containing_classes"]


def containing_classes(queries: Sequence[Query], matching: Matching) -> dict[int, set[int]]:
    """Return, for each class, the classes whose names may contain one of its names.

    The work grows with the number of names, not with its square.

    Parameters
    ----------
    queries : sequence of Query
        Phrases of each class.

    matching : Matching
        When a caption names a phrase.

    Returns
    -------
    containing : dict of int to set of int
        Class numbers; classes contained in no other are absent.
    """
    classes: dict[Hashable, set[int]] = {}
    for i, query in enumerate(queries):
        for phrase in query.phrases:
            classes.setdefault(_key(phrase, matching), set()).add(i)
    inside = _subsets(classes) if matching.match == "all" else _runs
    containing: dict[int, set[int]] = {}
    for j, query in enumerate(queries):
        for outer in query.phrases:
            for key in inside(_key(outer, matching)):
                for i in classes.get(key, set()) - {j}:
                    containing.setdefault(i, set()).add(j)
    return containing


def _key(phrase: Phrase, matching: Matching) -> Any:
    """Return the form in which phrases contain each other: letters, words, or a set of words."""
    words = matching.phrase(phrase)
    if matching.match == "substring":
        return " ".join(words)
    return frozenset(words) if matching.match == "all" else words


def _runs(whole: Any) -> Iterator[Any]:
    """Yield all shorter runs of a sequence."""
    for length in range(1, len(whole)):
        for start in range(len(whole) - length + 1):
            yield whole[start : start + length]


def _subsets(sets: Iterable[Any]) -> Callable[[Any], Iterator[Any]]:
    """Return a function that yields those of ``sets`` that are proper subsets of a given set."""
    frequency = Counter(word for words in sets for word in words)
    by_rarest: dict[str, list[frozenset[str]]] = {}
    for words in sets:
        rarest = min(words, key=lambda word: (frequency[word], word))
        by_rarest.setdefault(rarest, []).append(words)

    def subsets(whole: frozenset[str]) -> Iterator[frozenset[str]]:
        for word in whole:
            yield from (words for words in by_rarest.get(word, ()) if words < whole)

    return subsets
