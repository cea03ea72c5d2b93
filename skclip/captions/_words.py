"""The definition of words: one normalisation for both search engines.

Captions and names are split into tokens here, before SQLite or an automaton compares them. Both
engines therefore agree on every Unicode string, whatever Unicode version SQLite was built with.
"""

import unicodedata
from collections.abc import Sequence

__all__ = ["normalize", "normalize_lines", "tokenize"]

# Accents of Latin, Greek and Cyrillic letters are removed. Marks of other scripts (vowel signs,
# voicing) change the word and are kept.
_FIRST_ACCENT, _LAST_ACCENT = 0x0300, 0x036F


class _Fold(dict[int, str]):
    """Map code points to their folded form; filled on demand."""

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
    """Split a text into tokens: runs of letters, digits and marks, without case and accents.

    Parameters
    ----------
    text : str
        Caption or class name; any string.

    Returns
    -------
    tokens : list of str
        Empty if the text has neither letters nor digits.

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


# `normalize` for ASCII bytes; line feeds and bytes beyond ASCII are kept.
_FOLD_ASCII = bytes(
    (chr(b).lower() if chr(b).isalnum() else "\n" if b == 10 else " ").encode()[0] if b < 128 else b
    for b in range(256)
)


def normalize_lines(texts: Sequence[str]) -> str:
    r"""Return the normal forms of many texts, one per line, with spaces around every token.

    This is several times faster than normalising ASCII texts one by one.

    Parameters
    ----------
    texts : sequence of str
        Any strings.

    Returns
    -------
    lines : str
        One line per text; a single space for a text without tokens.

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
