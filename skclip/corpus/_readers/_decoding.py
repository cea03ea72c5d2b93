"""Decode the bytes of a caption file, and collect doubtful texts."""

import codecs
import json
from typing import Any

from skclip._warn import warn_caller
from skclip.exceptions import DoubtfulTextWarning

__all__ = ["MAX_TEXT", "Doubts", "decoded", "encoding_of", "json_caption"]

# Maximum number of bytes of a caption, to limit the memory for members of archives.
MAX_TEXT = 1 << 20

CAPTION_KEYS = ("caption", "text")

# UTF-32 comes first: its mark begins with that of UTF-16.
_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


class Doubts:
    """Texts that may have been read wrongly, collected for one warning."""

    _SHOWN = 5

    def __init__(self) -> None:
        self._first: list[str] = []
        self._n = 0

    def add(self, name: str, why: str) -> None:
        """Add the reason why a file, a member or a row is doubtful."""
        self._n += 1
        if self._n <= self._SHOWN:
            self._first.append(f"{name}: {why}")

    def warn(self) -> None:
        """Warn of all doubts added since the last warning."""
        if not self._n:
            return
        more = f" and {self._n - self._SHOWN} more" if self._n > self._SHOWN else ""
        warn_caller(
            f"{self._n} texts are doubtful: {'; '.join(self._first)}{more}.",
            DoubtfulTextWarning,
        )
        self.__init__()  # type: ignore[misc]


def encoding_of(head: bytes) -> str:
    """Return the encoding detected from the beginning of a text; UTF-8 by default.

    Examples
    --------
    >>> from skclip.corpus._readers._decoding import encoding_of
    >>> encoding_of("a cat".encode("utf-16")), encoding_of("a cat".encode("utf-16-be"))
    ('utf-16', 'utf-16-be')
    """
    for mark, encoding in _MARKS:
        if head.startswith(mark):
            return encoding
    if head.count(0) * 4 > len(head):  # UTF-16 without a mark: every other byte of Latin text is 0
        return "utf-16-le" if head[1::2].count(0) > head[::2].count(0) else "utf-16-be"
    return "utf-8"


def decoded(data: bytes, name: str, doubts: Doubts) -> str:
    """Return a text; text that is not Unicode is read as Western European, with a doubt.

    Parameters
    ----------
    data : bytes
        The whole file.

    name : str
        Name of the file.

    doubts : Doubts
        Collects a note if the encoding is a guess.

    Returns
    -------
    text : str
        Without a byte order mark.
    """
    encoding = encoding_of(data)
    try:
        return data.decode(encoding)
    except UnicodeDecodeError:
        # bytes that are invalid in Windows-1252 are valid in Latin-1
        guess = "cp1252" if not set(data) & {0x81, 0x8D, 0x8F, 0x90, 0x9D} else "latin-1"
        doubts.add(name, f"not {encoding.removesuffix('-sig').upper()}, read as {guess}")
        return data.decode(guess)


def json_caption(text: str) -> str | list[str]:
    """Return the caption, or the captions, of a JSON object.

    Raises
    ------
    ValueError
        If there is none. The message continues a sentence that begins with the file's name.
    """
    try:
        content: Any = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"is not JSON: {error}") from error
    if not isinstance(content, dict):
        raise ValueError(f"is not a JSON object but {type(content).__name__}")
    for key in CAPTION_KEYS:
        value = content.get(key)
        if isinstance(value, str):
            return value
        if isinstance(value, list) and value and all(isinstance(v, str) for v in value):
            return value
    raise ValueError(f"has no caption: expected a string under {CAPTION_KEYS}")
