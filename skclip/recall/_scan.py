"""Search without an index: one pass over the captions for all names at once."""

from collections.abc import Iterable, Sequence
from functools import reduce
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skclip._optional import import_optional
from skclip.recall._matching import Matching
from skclip.recall._query import Phrase

__all__ = ["Scanner"]


class Scanner:
    """Find phrases in batches of captions with an Aho-Corasick automaton.

    Parameters
    ----------
    phrases : iterable of tuple of str
        What to look for.

    matching : Matching
        When a caption names a phrase.
    """

    def __init__(self, phrases: Iterable[Phrase], matching: Matching) -> None:
        ahocorasick: Any = import_optional("ahocorasick", extra="scan", purpose="method='scan'")
        self._matching = matching
        # what is looked for in the text, by phrase: the phrase itself, or each of its words
        self._needles: dict[Phrase, list[int]] = {}
        needles: dict[str, int] = {}
        for phrase in phrases:
            wanted = matching.phrase(phrase)
            parts = sorted(set(wanted)) if matching.match == "all" else [" ".join(wanted)]
            if matching.match != "substring":
                parts = [f" {part} " for part in parts]
            self._needles[phrase] = [needles.setdefault(part, len(needles)) for part in parts]
        self._n_needles = len(needles)
        self._automaton = ahocorasick.Automaton()
        for needle, number in needles.items():
            self._automaton.add_word(needle, number)
        if needles:
            self._automaton.make_automaton()

    def scan(self, captions: Sequence[str]) -> "Hits":
        """Look for all phrases in a batch of captions.

        Parameters
        ----------
        captions : sequence of str
            The batch.

        Returns
        -------
        hits : Hits
            Rows of the batch by phrase.
        """
        # a space at both ends of every caption; nothing matches across the line feed
        text = self._matching.lines(captions)
        starts = np.cumsum([0, *(len(line) + 1 for line in text.split("\n"))])
        rows: list[NDArray[np.int64]] = [_NONE] * self._n_needles
        if self._n_needles:
            hits = np.fromiter(self._automaton.iter(text), dtype=_HIT)
            row = np.searchsorted(starts, hits["end"], side="right") - 1
            order = np.lexsort((row, hits["needle"]))
            bounds = np.searchsorted(hits["needle"][order], np.arange(self._n_needles + 1))
            for i in np.unique(hits["needle"]):
                rows[i] = np.unique(row[order[bounds[i] : bounds[i + 1]]])
        return Hits(self._needles, rows)


class Hits:
    """Rows of a batch by phrase.

    Parameters
    ----------
    needles : dict
        What each phrase needs.

    rows : list of ndarray
        Ascending rows that have each of these.
    """

    def __init__(self, needles: dict[Phrase, list[int]], rows: Sequence[NDArray[np.int64]]) -> None:
        self._needles = needles
        self._rows = rows

    def rows(self, phrases: Sequence[Phrase]) -> NDArray[np.int64]:
        """Return the rows that name one of ``phrases``, ascending."""
        if not phrases:
            return _NONE
        found = [
            reduce(np.intersect1d, [self._rows[i] for i in self._needles[phrase]])
            for phrase in phrases
        ]
        if len(found) == 1:
            return found[0]
        return np.unique(np.concatenate(found))


_NONE = np.empty(0, dtype=np.int64)
_HIT = np.dtype([("end", np.int64), ("needle", np.int64)])
