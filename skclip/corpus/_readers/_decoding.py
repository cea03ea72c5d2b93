"""From the bytes of a caption file to its text, and what was doubtful on the way."""

import codecs
import json
import warnings
from typing import Any

from skclip.exceptions import DoubtfulTextWarning

__all__ = ["MAX_TEXT", "Doubts", "decoded", "encoding_of", "json_caption"]

# Bytes of the longest text that may be a caption: a member of an archive can claim any size.
MAX_TEXT = 1 << 20

CAPTION_KEYS = ("caption", "text")

# UTF-32 goes first: its mark begins with that of UTF-16.
_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


class Doubts:
    """Texts that were not read as they may have been meant, told in one warning."""

    _SHOWN = 5

    def __init__(self) -> None:
        self._first: list[str] = []
        self._n = 0

    def add(self, name: str, why: str) -> None:
        """Note what is doubtful about a file, a member or a row."""
        self._n += 1
        if self._n <= self._SHOWN:
            self._first.append(f"{name}: {why}")

    def warn(self) -> None:
        """Warn of all that was noted since the last time."""
        if not self._n:
            return
        more = f" and {self._n - self._SHOWN} more" if self._n > self._SHOWN else ""
        warnings.warn(
            f"{self._n} texts are doubtful: {'; '.join(self._first)}{more}.",
            DoubtfulTextWarning,
            stacklevel=3,
        )
        self.__init__()  # type: ignore[misc]


def encoding_of(head: bytes) -> str:
    """Return the encoding that the beginning of a text shows; UTF-8 where it shows none.

    Examples
    --------
    >>> from skclip.corpus._readers._decoding import encoding_of
    >>> encoding_of("a cat".encode("utf-16")), encoding_of("a cat".encode("utf-16-be"))
    ('utf-16', 'utf-16-be')
    """
    for mark, encoding in _MARKS:
        if head.startswith(mark):
            return encoding
    if head.count(0) * 4 > len(head):  # UTF-16 without a mark: every other byte of a letter is 0
        return "utf-16-le" if head[1::2].count(0) > head[::2].count(0) else "utf-16-be"
    return "utf-8"


def decoded(data: bytes, name: str, doubts: Doubts) -> str:
    """Return a text; what is no Unicode is read as Western European, and noted.

    Parameters
    ----------
    data : bytes
        The whole file.

    name : str
        What it is called.

    doubts : Doubts
        Gets a note where the encoding is a guess.

    Returns
    -------
    text : str
        Without a byte order mark.
    """
    encoding = encoding_of(data)
    try:
        return data.decode(encoding)
    except UnicodeDecodeError:
        # bytes without a meaning in Windows-1252 have one in Latin-1
        guess = "cp1252" if not set(data) & {0x81, 0x8D, 0x8F, 0x90, 0x9D} else "latin-1"
        doubts.add(name, f"no {encoding.removesuffix('-sig').upper()}, read as {guess}")
        return data.decode(guess)


def json_caption(text: str) -> str | list[str]:
    """Return the caption, or the captions, of a JSON object.

    Raises
    ------
    ValueError
        If there is none; the message continues a sentence that begins with the file's name.
    """
    try:
        content: Any = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"is not JSON: {error}") from error
    if not isinstance(content, dict):
        raise ValueError(f"is no JSON object but {type(content).__name__}")
    for key in CAPTION_KEYS:
        value = content.get(key)
        if isinstance(value, str):
            return value
        if isinstance(value, list) and value and all(isinstance(v, str) for v in value):
            return value
    raise ValueError(f"has no caption: expected a string under {CAPTION_KEYS}")
