"""The definition of words: one normalisation for both search engines.

Captions and names are split into tokens here, before SQLite or an automaton compares them. Both
engines therefore agree on every Unicode string, whatever Unicode version SQLite was built with.

A change of the definition needs a new ``VERSION``: indexes of other versions are refused.
"""

import re
import unicodedata
from collections.abc import Sequence
from html import unescape

__all__ = ["VERSION", "normalize", "normalize_lines", "searchable", "tokenize"]

VERSION = 2

# Accents of Latin, Greek and Cyrillic letters are removed. Marks of other scripts (vowel signs,
# voicing) change the word and are kept.
_FIRST_ACCENT, _LAST_ACCENT = 0x0300, 0x036F

# Scripts written without spaces, by the first word of the Unicode names of their letters. Katakana
# is absent, as in the Unicode rules for word boundaries (UAX #29): a run of it is one word.
_WITHOUT_SPACES = frozenset(
    ("CJK", "IDEOGRAPHIC", "HIRAGANA", "THAI", "LAO", "KHMER", "MYANMAR", "TAI")
)
# Follows a letter of such a script until its marks are known; normalised text has none.
_END = "\ufdd0"
_MARKS = re.compile(rf"{_END}([^\w\s{_END}]+)")

# An entity that was escaped several times (`&amp;amp;quot;`) is decoded at once. Lengths are
# bounded, because Python converts no number of thousands of digits.
_ENTITY = re.compile(r"&(?:amp;)*(#[0-9]{1,12}|#[xX][0-9a-fA-F]{1,12}|[A-Za-z][A-Za-z0-9]{1,31});")


class _Fold(dict[int, str]):
    """Map the code points of decomposed text to their folded form; filled on demand."""

    def __missing__(self, code_point: int) -> str:
        folded = self[code_point] = _fold(chr(code_point))
        return folded


def _fold(character: str) -> str:
    kind, name = unicodedata.category(character), unicodedata.name(character, "")
    if _is_accent(character) or "VARIATION SELECTOR" in name:
        return ""
    if kind == "Cf":  # invisible: soft hyphens, joiners, marks of direction
        return " " if name == "ZERO WIDTH SPACE" else ""
    if not (character.isalnum() or kind.startswith("M")):
        return " "
    decomposed = unicodedata.normalize("NFKD", character.casefold())
    folded = "".join(c for c in decomposed if not _is_accent(c))
    if kind[0] in "LN" and kind != "Nd" and name.partition(" ")[0] in _WITHOUT_SPACES:
        return f" {folded}{_END}"
    return folded


def _is_accent(character: str) -> bool:
    return _FIRST_ACCENT <= ord(character) <= _LAST_ACCENT


_FOLD = _Fold()


def tokenize(text: str) -> list[str]:
    """Split a text into tokens: runs of letters, digits and marks, without case and accents.

    HTML entities are decoded, compatibility forms (full-width letters, ligatures) replaced by the
    usual ones (NFKC), and invisible characters removed, except zero-width spaces, which separate
    words as spaces do. Each letter of a script without spaces (Chinese characters, Hiragana, Thai,
    Lao, Khmer, Burmese) is a token, with its marks.

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
    >>> tokenize("Fish &amp; Chips, m²")
    ['fish', 'chips', 'm2']
    >>> tokenize("一只狗 ネコ")
    ['一', '只', '狗', 'ネコ']
    >>> tokenize("🦀 ...")
    []
    """
    return _separated(_decoded(text)).split()


def _decoded(text: str) -> str:
    """Return a text with its HTML entities decoded."""
    return _ENTITY.sub(lambda found: unescape(f"&{found[1]};"), text) if "&" in text else text


def _separated(text: str) -> str:
    """Return the tokens of a text with white space between them."""
    # a trademark sign is no part of the word before it; NFKC would append "tm"
    text = text.replace("™", " ").replace("℠", " ")
    text = unicodedata.normalize("NFKD", text).translate(_FOLD)
    if _END in text:
        text = _MARKS.sub(r"\1 ", text).replace(_END, " ")
    return unicodedata.normalize("NFC", text)


def normalize(text: str) -> str:
    """Return the tokens of ``text`` separated by single spaces."""
    return " ".join(tokenize(text))


def searchable(text: str) -> str:
    """Return a text from which ASCII rules alone make the tokens.

    Parameters
    ----------
    text : str
        Any string.

    Returns
    -------
    searchable : str
        ASCII text unchanged but for its entities; the normal form of any other. Lower-cased and
        split at all ASCII characters other than letters and digits, it gives the tokens.

    Examples
    --------
    >>> from skclip.captions._words import searchable
    >>> searchable("A cat &amp; a mat"), searchable("Café!")
    ('A cat & a mat', 'cafe')
    """
    text = _decoded(text)
    return text if text.isascii() else " ".join(_separated(text).split())


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
    lines = [
        (text if text.isascii() and "&" not in text else searchable(text)).replace("\n", " ")
        for text in texts
    ]
    joined = "\n".join(lines)
    data = f" {joined} ".replace("\n", " \n ").encode().translate(_FOLD_ASCII)
    while b"  " in data:
        data = data.replace(b"  ", b" ")
    return data.decode()
