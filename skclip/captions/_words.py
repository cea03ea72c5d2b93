"""What a word is: one normalisation for every way of searching captions.

Captions and names become lists of tokens here, before SQLite, an automaton or a test compares
them. All ways of matching therefore agree on every Unicode string, whatever Unicode version the
library below was built with.
"""

import unicodedata
from collections.abc import Sequence

__all__ = ["normalize", "normalize_lines", "tokenize"]

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
    >>> from skclip.captions._words import tokenize
    >>> tokenize("Colt's-foot, CAFÉ (737-200)!")
    ['colt', 's', 'foot', 'cafe', '737', '200']
    >>> tokenize("🦀 ...")
    []
    """
    return unicodedata.normalize("NFD", text).translate(_FOLD).split()


def normalize(text: str) -> str:
    """Return the tokens of ``text`` separated by single spaces."""
    return " ".join(tokenize(text))


# What `normalize` does to ASCII, byte by byte; line feeds stay, bytes beyond ASCII too.
_FOLD_ASCII = bytes(
    (chr(b).lower() if chr(b).isalnum() else "\n" if b == 10 else " ").encode()[0] if b < 128 else b
    for b in range(256)
)


def normalize_lines(texts: Sequence[str]) -> str:
    r"""Return the normal forms of many texts, a line each, with a space around every token.

    Several times as fast as normalising ASCII texts one by one.

    Parameters
    ----------
    texts : sequence of str
        Any strings.

    Returns
    -------
    lines : str
        As many lines as texts; that of a text without tokens is a space.

    Examples
    --------
    >>> from skclip.captions._words import normalize_lines
    >>> normalize_lines(["A cat -- on a mat.", "Café\n!", "?"])
    ' a cat on a mat \n cafe \n '
    """
    lines = [text.replace("\n", " ") if text.isascii() else normalize(text) for text in texts]
    joined = "\n".join(lines)
    data = f" {joined} ".replace("\n", " \n ").encode().translate(_FOLD_ASCII)
    while b"  " in data:
        data = data.replace(b"  ", b" ")
    return data.decode()
