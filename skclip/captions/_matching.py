"""The definition of when, and where, a caption names a phrase. Both search engines follow it."""

import sqlite3
from collections.abc import Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass, field

from skclip.captions._query import Phrase
from skclip.captions._words import normalize_lines, tokenize

__all__ = ["Matching", "stem_words"]

_LONGEST_STEMMED = 64


@dataclass
class Matching:
    """How phrases are compared with captions.

    Parameters
    ----------
    match : {"phrase", "substring", "all"}
        What must be in the caption: the phrase's words in sequence, its letters anywhere, or all
        its words in any order.

    stem : bool
        Whether words with equal stems count as equal.
    """

    match: str = "phrase"
    stem: bool = False
    _stems: dict[str, str] = field(default_factory=dict, repr=False, compare=False)

    def words(self, captions: Iterable[str]) -> list[list[str]]:
        """Return the tokens of captions, stemmed if ``stem`` is true."""
        tokens = [tokenize(caption) for caption in captions]
        if not self.stem:
            return tokens
        self.learn({word for caption in tokens for word in caption})
        return [[self._stems[word] for word in caption] for caption in tokens]

    def lines(self, captions: Sequence[str]) -> str:
        """Return :meth:`words` as text: one caption per line, spaces around every word."""
        if not self.stem:
            return normalize_lines(captions)
        return "\n".join(f" {' '.join(words)} " for words in self.words(captions))

    def learn(self, words: Iterable[str]) -> dict[str, str]:
        """Return all stems computed so far, including those of ``words``."""
        new = [word for word in words if word not in self._stems]
        if new:
            self._stems.update(zip(new, stem_words(new), strict=True))
        return self._stems

    def phrase(self, phrase: Phrase) -> Phrase:
        """Return a phrase in the form of :meth:`words`."""
        if not self.stem:
            return phrase
        stems = self.learn(phrase)
        return tuple(stems[word] for word in phrase)

    def needles(self, phrase: Phrase) -> list[str]:
        """Return strings; a line of :meth:`lines` that has all of them names the phrase."""
        wanted = self.phrase(phrase)
        if self.match == "substring":
            return [" ".join(wanted)]
        parts = sorted(set(wanted)) if self.match == "all" else [" ".join(wanted)]
        return [f" {part} " for part in parts]

    def places(self, words: Sequence[str], phrase: Phrase) -> list[frozenset[int]]:
        """Return where a caption names a phrase.

        Parameters
        ----------
        words : sequence of str
            One caption of :meth:`words`.

        phrase : tuple of str
            From :meth:`phrase`.

        Returns
        -------
        places : list of frozenset
            Positions of the words (letters, for substrings) that each occurrence covers.
        """
        if self.match == "substring":
            text, wanted = " ".join(words), " ".join(phrase)
            starts = [i for i in range(len(text)) if text.startswith(wanted, i)]
            return [frozenset(range(i, i + len(wanted))) for i in starts]
        if self.match == "all":
            if not set(phrase) <= set(words):
                return []
            return [frozenset(words.index(word) for word in phrase)]
        n = len(phrase)
        starts = [i for i in range(len(words) - n + 1) if tuple(words[i : i + n]) == phrase]
        return [frozenset(range(i, i + n)) for i in starts]


def stem_words(words: Sequence[str]) -> list[str]:
    """Return the Porter stems of words, by SQLite's stemmer.

    Parameters
    ----------
    words : sequence of str
        Tokens of :func:`skclip.captions._words.tokenize`.

    Returns
    -------
    stems : list of str
        One stem per word.

    Examples
    --------
    >>> from skclip.captions._matching import stem_words
    >>> stem_words(["climbing", "climbed", "climber", "café"])
    ['climb', 'climb', 'climber', 'café']
    """
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.execute("CREATE VIRTUAL TABLE words USING fts5(word, tokenize='porter ascii')")
        connection.execute("CREATE VIRTUAL TABLE stems USING fts5vocab(words, 'instance')")
        # the stemmer skips longer words, and SQLite truncates very long ones
        short = ((i, word) for i, word in enumerate(words) if len(word) <= _LONGEST_STEMMED)
        connection.executemany("INSERT INTO words(rowid, word) VALUES (?, ?)", short)
        stems = dict(connection.execute("SELECT doc, term FROM stems"))
    return [stems.get(i, word) for i, word in enumerate(words)]
