"""Search with the caption index: one short query per class and shard."""

from bisect import bisect_left
from collections.abc import Callable, Sequence
from functools import cached_property
from itertools import product
from math import prod
from sqlite3 import Connection

import numpy as np
from numpy.typing import NDArray

from skclip.captions._ambiguity import Named
from skclip.captions._index import (
    index_words,
    indexed_word,
    is_stand_in,
    matching_rows,
    phrase_query,
)
from skclip.captions._matching import Matching
from skclip.captions._query import Phrase

__all__ = ["IndexSearch"]

# With more combinations of spellings, words are looked up separately and the captions checked.
_MAX_COMBINATIONS = 64
_NONE = np.empty(0, dtype=np.int64)


class IndexSearch:
    """Find the phrases of all classes in one shard.

    Parameters
    ----------
    connection : sqlite3.Connection
        Opened caption index.

    captions : callable
        Returns the captions of rows.

    matching : Matching
        When a caption names a phrase.
    """

    def __init__(
        self,
        connection: Connection,
        captions: Callable[[NDArray[np.int64]], Sequence[str]],
        matching: Matching,
    ) -> None:
        self._connection = connection
        self._captions = captions
        self._matching = matching

    def search(self, phrases: Sequence[Sequence[Phrase]]) -> Named:
        """Find all phrases.

        Parameters
        ----------
        phrases : sequence of sequence of tuple of str
            Phrases of each class.

        Returns
        -------
        named : Named
            Rows of the shard and the classes they name.
        """
        found: list[list[NDArray[np.int64]]] = []
        rows_of: dict[str, NDArray[np.int64]] = {}  # classes may require the same words
        doubtful: list[tuple[int, Phrase, NDArray[np.int64]]] = []
        for i, own in enumerate(phrases):
            exact: list[str] = []
            for phrase in own:
                query, decides = self._query(phrase)
                if query is not None and decides:
                    exact.append(query)
                elif query is not None:
                    doubtful.append((i, phrase, matching_rows(self._connection, query)))
            found.append([])
            if joined := " OR ".join(exact):
                if joined not in rows_of:
                    rows_of[joined] = matching_rows(self._connection, joined)
                found[i].append(rows_of[joined])
        for i, rows in self._checked(doubtful):
            found[i].append(rows)
        return Named.of([_union(parts) for parts in found])

    @cached_property
    def _words(self) -> "_Words":
        return _Words(index_words(self._connection), self._matching)

    def _query(self, phrase: Phrase) -> tuple[str | None, bool]:
        """Return the FTS5 query of a phrase, and whether its result is exact."""
        matching = self._matching
        if matching.match == "phrase" and not matching.stem:
            return phrase_query(phrase), True
        if matching.match == "all" and not matching.stem:
            return _all_of([[word] for word in phrase]), True
        spellings = self._words.spellings(phrase)
        if not all(spellings):
            return None, True
        if matching.match == "all" or (
            len(phrase) == 1 and not any(map(is_stand_in, spellings[0]))
        ):
            return _all_of(spellings), True
        if matching.match == "phrase" and prod(map(len, spellings)) <= _MAX_COMBINATIONS:
            return " OR ".join(map(phrase_query, product(*spellings))), True
        return _all_of(spellings), False

    def _checked(
        self, doubtful: Sequence[tuple[int, Phrase, NDArray[np.int64]]]
    ) -> list[tuple[int, NDArray[np.int64]]]:
        """Return the candidate rows whose captions name the phrase; each is read once."""
        distinct = _union([rows for _, _, rows in doubtful])
        if not len(distinct):
            return []
        lines = self._matching.lines(self._captions(distinct)).split("\n")
        checked = []
        for i, phrase, rows in doubtful:
            (needle,) = self._matching.needles(phrase)
            at = np.searchsorted(distinct, rows)
            checked.append((i, rows[[needle in lines[a] for a in at.tolist()]]))
        return checked


class _Words:
    """The words of a shard that match the words of a phrase.

    Parameters
    ----------
    words : list of str
        All words of the shard, sorted.

    matching : Matching
        When a caption names a phrase.
    """

    def __init__(self, words: list[str], matching: Matching) -> None:
        # a stand-in may match any word: check the caption
        self._hidden = [word for word in words if is_stand_in(word)]
        self._words = [word for word in words if not is_stand_in(word)]
        self._matching = matching
        self._lines = "\n" + "\n".join(self._words) + "\n"

    def spellings(self, phrase: Phrase) -> list[list[str]]:
        """Return, for each word of a phrase, the words that may match it."""
        wanted = self._matching.phrase(phrase)
        if self._matching.match != "substring":
            return [self._of_stem(stem) for stem in wanted]
        if len(wanted) == 1:
            return [self._with(wanted[0]) + self._hidden]
        # a substring of several words starts within its first word and ends within its last
        first, *middle, last = wanted
        return [
            self._with(first + "\n") + self._hidden,
            *([word] for word in middle),
            self._beginning(last) + self._hidden,
        ]

    def _of_stem(self, stem: str) -> list[str]:
        if is_stand_in(indexed_word(stem)):  # words this long are not stemmed
            return [stem]
        # stemming changes no letter before the last letter of a stem
        words = self._beginning(stem[:-1])
        stems = self._matching.learn(words)
        return [word for word in words if stems[word] == stem]

    def _beginning(self, part: str) -> list[str]:
        # no word has the last character of Unicode
        last = bisect_left(self._words, part + chr(0x10FFFF))
        return self._words[bisect_left(self._words, part) : last]

    def _with(self, part: str) -> list[str]:
        """Return the words that contain ``part``; a newline in it matches a word's end."""
        found, start = [], self._lines.find(part)
        while start >= 0:
            begin = self._lines.rfind("\n", 0, start) + 1
            end = self._lines.find("\n", start)
            found.append(self._lines[begin:end])
            start = self._lines.find(part, end)
        return found


def _union(parts: Sequence[NDArray[np.int64]]) -> NDArray[np.int64]:
    """Return the distinct rows of ascending parts, ascending."""
    return parts[0] if len(parts) == 1 else np.unique(np.concatenate([_NONE, *parts]))


def _all_of(spellings: Sequence[Sequence[str]]) -> str:
    """Return the query for captions with one spelling of every word, in any order."""
    return (
        "("
        + " AND ".join(
            "(" + " OR ".join(phrase_query([word]) for word in words) + ")" for words in spellings
        )
        + ")"
    )
