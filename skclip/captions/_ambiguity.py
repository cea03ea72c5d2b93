"""Captions that name several classes: decide which of the names count."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skclip.captions._containment import containing_classes
from skclip.captions._matching import Matching
from skclip.captions._query import Query

__all__ = ["Captions", "Disambiguator", "Matches", "Named"]

Rows = NDArray[np.int64]
Captions = Callable[[Rows], Sequence[str]]


@dataclass(frozen=True)
class Named:
    """Pairs of rows and the classes they name, without repetition.

    Attributes
    ----------
    rows : ndarray of shape (n_pairs,)
        Row of a caption.

    classes : ndarray of shape (n_pairs,)
        Number of the class that the caption names.
    """

    rows: Rows
    classes: Rows

    @classmethod
    def of(cls, rows_by_class: Sequence[Rows]) -> "Named":
        """Return the pairs, given one array of rows per class."""
        classes = np.repeat(np.arange(len(rows_by_class)), [len(rows) for rows in rows_by_class])
        return cls(np.concatenate([_NONE, *rows_by_class]), classes)

    def where(self, chosen: NDArray[np.bool_]) -> "Named":
        """Return the pairs selected by a mask."""
        return Named(self.rows[chosen], self.classes[chosen])

    def by_class(self, n_classes: int) -> list[Rows]:
        """Return the ascending rows of each class."""
        order = np.lexsort((self.rows, self.classes))
        ends = np.cumsum(np.bincount(self.classes, minlength=n_classes))
        return np.split(self.rows[order], ends[:-1])

    def shared(self) -> NDArray[np.bool_]:
        """Return which pairs belong to a row that names several classes."""
        _, inverse, counts = np.unique(self.rows, return_inverse=True, return_counts=True)
        return counts[inverse] > 1

    def groups(self) -> Iterator[tuple[int, Rows]]:
        """Yield each row with the positions of its pairs."""
        order = np.argsort(self.rows, kind="stable")
        rows, starts = np.unique(self.rows[order], return_index=True)
        return zip(rows.tolist(), np.split(order, starts[1:]), strict=False)


@dataclass(frozen=True)
class Matches:
    """Matches of every class in a set of captions.

    Attributes
    ----------
    named : Named
        Matches that count.

    n_matches : ndarray of shape (n_classes,)
        Number of captions that name the class.

    n_ambiguous : ndarray of shape (n_classes,)
        Number of these captions that also name another class.
    """

    named: Named
    n_matches: NDArray[np.int64]
    n_ambiguous: NDArray[np.int64]

    @property
    def rows(self) -> list[Rows]:
        """Ascending rows, one array per class."""
        return self.named.by_class(len(self.n_matches))


class Disambiguator:
    """Select the matches that count.

    Parameters
    ----------
    names : sequence
        Class names; they break ties between classes named at the same place.

    queries : sequence of Query
        Phrases of each class.

    matching : Matching
        When a caption names a phrase.

    longest : bool
        Whether an occurrence inside a longer one of another class does not count.

    ambiguous : {"keep", "drop", "first"}
        How to treat a caption that names several classes: use it for each of them, for none, or
        for the class named first.
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
        if matching.stem:  # all at once
            matching.learn(w for query in queries for p in query.all_phrases for w in p)
        self._phrases = [[matching.phrase(p) for p in query.phrases] for query in queries]
        self._requires = np.asarray([query.required is not None for query in queries], dtype=bool)
        self._inside = containing_classes(queries, matching) if longest else {}

    def resolve(
        self, found: Named, excluded: Named, required: Named, captions: Captions
    ) -> Matches:
        """Return the rows that count.

        Parameters
        ----------
        found : Named
            Rows whose caption has one of the class's phrases.

        excluded : Named
            Rows whose caption has one of its excluded phrases.

        required : Named
            Rows whose caption has one of its required phrases; not used for classes without.

        captions : callable
            Returns the captions of rows; called only for ambiguous ones.

        Returns
        -------
        matches : Matches
            For each class.
        """
        named = found.where(~self._covered(found, captions))
        named = named.where(~_among(named, excluded))
        if self._requires.any():
            named = named.where(~self._requires[named.classes] | _among(named, required))
        shared = named.shared()
        n_classes = len(self.queries)
        n_matches = np.bincount(named.classes, minlength=n_classes)
        n_ambiguous = np.bincount(named.classes[shared], minlength=n_classes)
        if self._ambiguous == "first":
            shared &= ~self._first_named(named, shared, captions)
        if self._ambiguous != "keep":
            named = named.where(~shared)
        return Matches(named, n_matches, n_ambiguous)

    def _covered(self, named: Named, captions: Captions) -> NDArray[np.bool_]:
        """Return the pairs all of whose occurrences lie inside a longer name of another class."""
        covered = np.zeros(len(named.rows), dtype=bool)
        if not self._inside:
            return covered
        shared = np.flatnonzero(named.shared())
        in_doubt = []
        for row, at in named.where(_mask(shared, len(covered))).groups():
            present = set(named.classes[shared[at]].tolist())
            for pair in shared[at].tolist():
                others = self._inside.get(int(named.classes[pair]), set()) & present
                if others:
                    in_doubt.append((row, pair, others))
        for words, (_, pair, others) in self._read(
            [row for row, *_ in in_doubt], in_doubt, captions
        ):
            longer = [place for j in others for place in self._places(words, j)]
            covered[pair] = all(
                any(place < cover for cover in longer)
                for place in self._places(words, int(named.classes[pair]))
            )
        return covered

    def _first_named(
        self, named: Named, shared: NDArray[np.bool_], captions: Captions
    ) -> NDArray[np.bool_]:
        """Return which of the shared pairs belong to the class named first in the caption."""
        first = np.zeros(len(named.rows), dtype=bool)
        positions = np.flatnonzero(shared)
        groups = list(named.where(shared).groups())
        for words, (_, at) in self._read([row for row, _ in groups], groups, captions):
            pairs = positions[at].tolist()
            first[min(pairs, key=lambda p: self._position(words, int(named.classes[p])))] = True
        return first

    def _read(
        self, rows: list[int], items: Sequence[Any], captions: Captions
    ) -> Iterator[tuple[list[str], Any]]:
        """Yield items with the words of their row's caption."""
        if not rows:
            return
        distinct, inverse = np.unique(np.asarray(rows, dtype=np.int64), return_inverse=True)
        words = self.matching.words(captions(distinct))
        for i, item in zip(inverse.tolist(), items, strict=True):
            yield words[i], item

    def _places(self, words: list[str], i: int) -> list[frozenset[int]]:
        return [p for phrase in self._phrases[i] for p in self.matching.places(words, phrase)]

    def _position(self, words: list[str], i: int) -> tuple[int, int, str]:
        """Return a sort key: position in the caption, then the longer name."""
        start, length = min((min(p), -len(p)) for p in self._places(words, i))
        return start, length, self._names[i]


_NONE = np.empty(0, dtype=np.int64)


def _among(named: Named, others: Named) -> NDArray[np.bool_]:
    """Return which pairs occur among others."""
    if not len(others.rows):
        return np.zeros(len(named.rows), dtype=bool)
    n_rows = 1 + max(named.rows.max(initial=0), others.rows.max())
    return np.isin(named.classes * n_rows + named.rows, others.classes * n_rows + others.rows)


def _mask(positions: NDArray[np.intp], length: int) -> NDArray[np.bool_]:
    mask = np.zeros(length, dtype=bool)
    mask[positions] = True
    return mask
