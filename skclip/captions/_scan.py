"""Search without an index: one pass over the captions for all names at once."""

from collections.abc import Sequence
from functools import reduce
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skclip._optional import import_optional
from skclip.captions._ambiguity import Named
from skclip.captions._matching import Matching
from skclip.captions._query import Phrase

__all__ = ["Scanner"]


class Scanner:
    """Find the phrases of all classes in batches of captions with an Aho-Corasick automaton.

    Parameters
    ----------
    phrases : sequence of sequence of tuple of str
        Phrases of each class.

    matching : Matching
        When a caption names a phrase.
    """

    def __init__(self, phrases: Sequence[Sequence[Phrase]], matching: Matching) -> None:
        ahocorasick: Any = import_optional("ahocorasick", extra="scan", purpose="method='scan'")
        self._matching = matching
        needles: dict[str, int] = {}
        alone: list[tuple[int, int]] = []
        self._together: list[tuple[list[int], int]] = []
        for i, phrase in ((i, phrase) for i, own in enumerate(phrases) for phrase in own):
            numbers = [needles.setdefault(n, len(needles)) for n in matching.needles(phrase)]
            if len(numbers) == 1:
                alone.append((numbers[0], i))
            else:
                self._together.append((numbers, i))
        self._n_needles = len(needles)
        alone.sort()
        self._class_of = np.asarray([i for _, i in alone], dtype=np.int64)
        self._first = np.searchsorted([n for n, _ in alone], np.arange(len(needles) + 1))
        self._automaton = ahocorasick.Automaton()
        for needle, number in needles.items():
            self._automaton.add_word(needle, number)
        if needles:
            self._automaton.make_automaton()

    def scan(self, captions: Sequence[str]) -> Named:
        """Find all phrases in a batch of captions.

        Parameters
        ----------
        captions : sequence of str
            The batch.

        Returns
        -------
        named : Named
            Rows of the batch and the classes they name.
        """
        if not self._n_needles:
            return Named.of([])
        # every caption has a space at both ends; no match crosses a line feed
        text = self._matching.lines(captions)
        starts = np.cumsum([0, *(len(line) + 1 for line in text.split("\n"))])
        hits = np.fromiter(self._automaton.iter(text), dtype=_HIT)
        row = np.searchsorted(starts, hits["end"], side="right") - 1
        # count each needle once per row
        distinct = np.unique(hits["needle"] * len(captions) + row)
        needle, row = np.divmod(distinct, len(captions))
        classes, at = _expand(self._first, needle)
        pairs = [(row[at], self._class_of[classes]), *self._all_together(needle, row)]
        rows, numbers = (np.concatenate(column) for column in zip(*pairs, strict=True))
        distinct = np.unique(numbers * len(captions) + rows)
        numbers, rows = np.divmod(distinct, len(captions))
        return Named(rows, numbers)

    def _all_together(
        self, needle: NDArray[np.int64], row: NDArray[np.int64]
    ) -> list[tuple[NDArray[np.int64], NDArray[np.int64]]]:
        """Return rows and classes of phrases that have several needles."""
        if not self._together:
            return []
        bounds = np.searchsorted(needle, np.arange(self._n_needles + 1))
        found = []
        for numbers, i in self._together:
            parts = [row[bounds[n] : bounds[n + 1]] for n in numbers]
            if all(len(part) for part in parts):
                rows = reduce(np.intersect1d, sorted(parts, key=len))
                found.append((rows, np.full(len(rows), i)))
        return found


def _expand(
    first: NDArray[np.int64], numbers: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the positions ``first[n] .. first[n + 1]`` of each number, and their indices."""
    counts = first[numbers + 1] - first[numbers]
    at = np.repeat(np.arange(len(numbers)), counts)
    within = np.arange(len(at)) - np.repeat(np.cumsum(counts) - counts, counts)
    return first[numbers][at] + within, at


_HIT = np.dtype([("end", np.int64), ("needle", np.int64)])
