"""Captions that name several classes: which of the names count."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skclip.recall._matching import Matching
from skclip.recall._query import Query

__all__ = ["Matches", "Settler"]

Rows = NDArray[np.int64]


@dataclass(frozen=True)
class Matches:
    """Matches of every class in some captions.

    Attributes
    ----------
    rows : list of ndarray
        Ascending rows, one array a class.

    n_matches : ndarray of shape (n_classes,)
        How many captions name the class.

    n_ambiguous : ndarray of shape (n_classes,)
        How many of these name another class too.
    """

    rows: list[Rows]
    n_matches: NDArray[np.int64]
    n_ambiguous: NDArray[np.int64]


class Settler:
    """Turn what was found into what counts.

    Parameters
    ----------
    names : sequence
        Class names; they break ties between classes named at the same place.

    queries : sequence of Query
        What each class is called.

    matching : Matching
        When a caption names a phrase.

    longest : bool
        Whether an occurrence inside a longer one of another class does not count.

    ambiguous : {"keep", "drop", "first"}
        What becomes of a caption that names several classes: a row for each, no row, or a row for
        the class named first.
    """

    def __init__(
        self,
        names: Sequence[Any],
        queries: Sequence[Query],
        matching: Matching,
        *,
        longest: bool,
        ambiguous: str,
    ) -> None:
        self.queries = queries
        self.matching = matching
        self._names = [str(name) for name in names]
        self._ambiguous = ambiguous
        self._phrases = [[matching.phrase(p) for p in query.phrases] for query in queries]
        self._inside = _containing_classes(queries, matching) if longest else {}

    def settle(
        self,
        found: Sequence[Rows],
        excluded: Sequence[Rows],
        captions: Callable[[Rows], Sequence[str]],
    ) -> Matches:
        """Return the rows that count.

        Parameters
        ----------
        found : sequence of ndarray
            Ascending rows whose caption has one of the class's phrases.

        excluded : sequence of ndarray
            Ascending rows whose caption has one of its excluded phrases.

        captions : callable
            Gives the captions of rows; asked only for those in doubt.

        Returns
        -------
        matches : Matches
            For each class.
        """
        rows = self._uncovered(found, captions)
        rows = [
            np.setdiff1d(r, e, assume_unique=True) if len(e) else r
            for r, e in zip(rows, excluded, strict=True)
        ]
        bounds = np.cumsum([len(r) for r in rows])
        distinct, inverse, counts = np.unique(
            np.concatenate([*rows, _NONE]), return_inverse=True, return_counts=True
        )
        shared = distinct[counts > 1]
        contested = np.split(counts[inverse] > 1, bounds[:-1])
        n_matches = np.asarray([len(r) for r in rows])
        n_ambiguous = np.asarray([c.sum() for c in contested])
        if self._ambiguous != "keep" and len(shared):
            kept = [~c for c in contested]
            if self._ambiguous == "first":
                for i, winners in self._first_named(rows, contested, shared, captions).items():
                    kept[i] |= np.isin(rows[i], winners, assume_unique=True)
            rows = [r[k] for r, k in zip(rows, kept, strict=True)]
        return Matches(rows, n_matches, n_ambiguous)

    def _uncovered(
        self, found: Sequence[Rows], captions: Callable[[Rows], Sequence[str]]
    ) -> list[Rows]:
        """Drop rows where every occurrence of a class lies in a longer one of another class."""
        rows = list(found)
        for i, others in self._inside.items():
            in_doubt = np.intersect1d(
                found[i], np.concatenate([found[j] for j in others]), assume_unique=False
            )
            covered = [
                row
                for row, words in self._words(in_doubt, captions)
                if self._is_covered(words, i, others)
            ]
            rows[i] = np.setdiff1d(found[i], np.asarray(covered, np.int64), assume_unique=True)
        return rows

    def _is_covered(self, words: list[str], i: int, others: Sequence[int]) -> bool:
        longer = [place for j in others for place in self._places(words, j)]
        return all(any(place < cover for cover in longer) for place in self._places(words, i))

    def _places(self, words: list[str], i: int) -> list[frozenset[int]]:
        return [p for phrase in self._phrases[i] for p in self.matching.places(words, phrase)]

    def _first_named(
        self,
        rows: Sequence[Rows],
        contested: Sequence[NDArray[np.bool_]],
        shared: Rows,
        captions: Callable[[Rows], Sequence[str]],
    ) -> dict[int, Rows]:
        """Return the shared rows that go to each class."""
        classes: dict[int, list[int]] = {row: [] for row in shared.tolist()}
        for i, (r, c) in enumerate(zip(rows, contested, strict=True)):
            for row in r[c].tolist():
                classes[row].append(i)
        winners: dict[int, list[int]] = {}
        for row, words in self._words(shared, captions):
            first = min(classes[row], key=lambda i: self._position(words, i))
            winners.setdefault(first, []).append(row)
        return {i: np.asarray(won, np.int64) for i, won in winners.items()}

    def _position(self, words: list[str], i: int) -> tuple[int, int, str]:
        """Return a key that orders classes as a reader meets them, the longer name first."""
        start, length = min((min(p), -len(p)) for p in self._places(words, i))
        return start, length, self._names[i]

    def _words(
        self, rows: Rows, captions: Callable[[Rows], Sequence[str]]
    ) -> list[tuple[int, list[str]]]:
        if not len(rows):
            return []
        return list(zip(rows.tolist(), self.matching.words(captions(rows)), strict=True))


_NONE = np.empty(0, dtype=np.int64)


def _containing_classes(queries: Sequence[Query], matching: Matching) -> dict[int, list[int]]:
    """Return for each class the others whose names may contain one of its own."""
    phrases = [(i, phrase) for i, query in enumerate(queries) for phrase in query.phrases]
    with_word: dict[str, list[int]] = {}
    for at, (_, phrase) in enumerate(phrases):
        for word in set(matching.phrase(phrase)):
            with_word.setdefault(word, []).append(at)
    words = "\n".join(with_word)
    containing: dict[int, set[int]] = {}
    for i, inner in phrases:
        first = matching.phrase(inner)[0]
        # within a substring match a word may also be part of a longer one
        hosts = _words_with(first, words) if matching.match == "substring" else [first]
        for at in {at for host in hosts for at in with_word[host]}:
            j, outer = phrases[at]
            if i != j and matching.lies_in(inner, outer):
                containing.setdefault(i, set()).add(j)
    return {i: sorted(others) for i, others in containing.items()}


def _words_with(part: str, words: str) -> list[str]:
    """Return the lines of ``words`` that contain ``part``."""
    return re.findall(f".*{re.escape(part)}.*", words)
