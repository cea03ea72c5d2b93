"""Search with the caption index: one short query a phrase and shard."""

from collections.abc import Callable, Sequence
from itertools import product
from math import prod
from sqlite3 import Connection

import numpy as np
from numpy.typing import NDArray

from skclip.corpus._index import index_words, matching_rows, phrase_query
from skclip.recall._matching import Matching
from skclip.recall._query import Phrase

__all__ = ["IndexSearch"]

# Beyond so many combinations of spellings, words are looked up one by one and checked on the text.
_MAX_COMBINATIONS = 64
_NONE = np.empty(0, dtype=np.int64)


class IndexSearch:
    """Rows of one shard that name a phrase.

    Parameters
    ----------
    connection : sqlite3.Connection
        Opened caption index.

    captions : callable
        Gives the captions of rows.

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
        self._vocabulary: _Vocabulary | None = None

    def rows(self, phrases: Sequence[Phrase]) -> NDArray[np.int64]:
        """Return the rows that name one of ``phrases``, ascending."""
        if not phrases:
            return _NONE
        exact: list[str] = []
        to_check: list[NDArray[np.int64]] = []
        for phrase in phrases:
            query, decides = self._query(phrase)
            if query is None:
                continue
            if decides:
                exact.append(query)
            else:
                to_check.append(self._checked(matching_rows(self._connection, query), phrase))
        if exact:
            to_check.append(matching_rows(self._connection, " OR ".join(exact)))
        if len(to_check) == 1:
            return to_check[0]
        return np.unique(np.concatenate([_NONE, *to_check]))

    def _query(self, phrase: Phrase) -> tuple[str | None, bool]:
        """Return the FTS5 query of a phrase, and whether its rows need no second look."""
        matching = self._matching
        if matching.match == "phrase" and not matching.stem:
            return phrase_query(phrase), True
        if matching.match == "all" and not matching.stem:
            return _all_of([[word] for word in phrase]), True
        if self._vocabulary is None:
            self._vocabulary = _Vocabulary(index_words(self._connection), matching)
        spellings = self._vocabulary.spellings(phrase)
        if not all(spellings):
            return None, True
        if matching.match == "all" or len(phrase) == 1:
            return _all_of(spellings), True
        if matching.match == "phrase" and prod(map(len, spellings)) <= _MAX_COMBINATIONS:
            return " OR ".join(map(phrase_query, product(*spellings))), True
        return _all_of(spellings), False

    def _checked(self, rows: NDArray[np.int64], phrase: Phrase) -> NDArray[np.int64]:
        if not len(rows):
            return rows
        wanted = self._matching.phrase(phrase)
        words = self._matching.words(self._captions(rows))
        return rows[[bool(self._matching.places(caption, wanted)) for caption in words]]


class _Vocabulary:
    """The words of a shard, by stem or by part."""

    def __init__(self, words: list[str], matching: Matching) -> None:
        self._matching = matching
        self._by_stem: dict[str, list[str]] = {}
        if matching.match == "substring":
            self._lines = "\n" + "\n".join(words) + "\n"
        else:
            stems = matching.learn(words)
            for word in words:
                self._by_stem.setdefault(stems[word], []).append(word)

    def spellings(self, phrase: Phrase) -> list[list[str]]:
        """Return for each word of a phrase the words of the shard that may stand for it."""
        wanted = self._matching.phrase(phrase)
        if self._matching.match != "substring":
            return [self._by_stem.get(stem, []) for stem in wanted]
        if len(wanted) == 1:
            return [self._with(wanted[0])]
        # a substring of several words starts within its first word and ends within its last
        first, *middle, last = wanted
        return [self._with(first + "\n"), *([w] for w in middle), self._with("\n" + last)]

    def _with(self, part: str) -> list[str]:
        """Return the words that contain ``part``, where newlines stand for their ends."""
        found, start = [], self._lines.find(part)
        while start >= 0:
            inside = start + part.startswith("\n")
            begin = self._lines.rfind("\n", 0, inside) + 1
            end = self._lines.find("\n", inside)
            found.append(self._lines[begin:end])
            start = self._lines.find(part, end)
        return found


def _all_of(spellings: Sequence[Sequence[str]]) -> str:
    """Return the query for captions with one spelling of every word, in any order."""
    return (
        "("
        + " AND ".join(
            "(" + " OR ".join(phrase_query([word]) for word in words) + ")" for words in spellings
        )
        + ")"
    )
