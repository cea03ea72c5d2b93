"""What a word is: one normalisation for every way of searching captions.

Captions and names become lists of tokens here, before SQLite, an automaton or a test compares
them. All ways of matching therefore agree on every Unicode string, whatever Unicode version the
library below was built with.
"""

import unicodedata

__all__ = ["normalize", "tokenize"]

# Accents of Latin, Greek and Cyrillic letters. Marks of other scripts (vowel signs, voicing)
# change the word and stay part of it.
_FIRST_ACCENT, _LAST_ACCENT = 0x0300, 0x036F


class _Fold(dict[int, str]):
    """Map a code point to its folded form, filled as code points are met."""

    def __missing__(self, code_point: int) -> str:
        character = chr(code_point)
        if _FIRST_ACCENT <= code_point <= _LAST_ACCENT:
            folded = ""
        elif character.isalnum() or unicodedata.category(character).startswith("M"):
            decomposed = unicodedata.normalize("NFD", character.casefold())
            folded = "".join(c for c in decomposed if not _FIRST_ACCENT <= ord(c) <= _LAST_ACCENT)
        else:
            folded = " "
        self[code_point] = folded
        return folded


_FOLD = _Fold()


def tokenize(text: str) -> list[str]:
    """Split a text into tokens: runs of letters, digits and marks, case and accents folded.

    Parameters
    ----------
    text : str
        Caption or class name; any string.

    Returns
    -------
    tokens : list of str
        Empty where the text has neither letters nor digits.

    Examples
    --------
    >>> from skclip.corpus._text import tokenize
    >>> tokenize("Colt's-foot, CAFÉ (737-200)!")
    ['colt', 's', 'foot', 'cafe', '737', '200']
    >>> tokenize("🦀 ...")
    []
    """
    return unicodedata.normalize("NFD", text).translate(_FOLD).split()


def normalize(text: str) -> str:
    """Return the tokens of ``text`` separated by single spaces."""
    return " ".join(tokenize(text))
