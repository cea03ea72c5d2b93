"""Find the file that a user's path means."""

import os
import unicodedata
from pathlib import Path
from urllib.parse import unquote, urlsplit
from urllib.request import url2pathname

__all__ = ["file_to_write", "find_file", "is_remote"]


def is_remote(path: str) -> bool:
    """Return whether a path is a URL of another scheme than ``file``."""
    return "://" in path and urlsplit(path).scheme.lower() != "file"


def find_file(path: str | os.PathLike[str]) -> Path:
    """Return the file that a path names.

    A ``file://`` URL is decoded and ``~`` is the home folder. A name that does not exist is looked
    for in the other Unicode form: macOS writes "é" as two characters, most tables as one.

    Parameters
    ----------
    path : str or path
        As given by the user.

    Returns
    -------
    path : Path
        An existing file or folder if there is one, else the decoded path.

    Examples
    --------
    >>> from skclip._files import find_file
    >>> find_file("file:///photos/a%20b.png").as_posix()
    '/photos/a b.png'
    """
    text = os.fspath(path)
    if text[:7].lower() == "file://":
        parts = urlsplit(text)
        host = "" if parts.netloc in ("", "localhost") else f"//{parts.netloc}"
        # urlsplit cuts at # and ?, which may be part of a file name
        rest = text[7 + len(parts.netloc) :]
        text = host + (
            url2pathname(rest) if os.name == "nt" else unquote(rest, errors="surrogateescape")
        )
    if not os.path.lexists(text):
        text = os.path.expanduser(text)
        if not text.isascii() and not os.path.lexists(text):
            text = _other_form(text)
    return Path(text)


def file_to_write(path: str | os.PathLike[str], name: str = "path") -> Path:
    """Return the file that a user's path means; raise where none can be written.

    Parameters
    ----------
    path : str or path-like
        As for :func:`find_file`.

    name : str, default="path"
        What holds the path, for the message.
    """
    target = find_file(path)
    if target.is_dir():
        raise ValueError(f"{name} {str(target)!r} is a folder: name a file in it.")
    if not target.parent.is_dir():
        raise ValueError(
            f"{name} {str(target)!r} is in a folder that does not exist: make it first."
        )
    return target


def _other_form(path: str) -> str:
    """Return ``path`` with each part in the Unicode form that exists in its folder."""
    found = Path(path).anchor
    for part in Path(path).parts[1 if found else 0 :]:
        candidate = os.path.join(found, part)
        if not os.path.lexists(candidate):
            candidate = _same_but_for_form(found or ".", part) or ""
            if not candidate:
                return path
            candidate = os.path.join(found, candidate)
        found = candidate
    return found


def _same_but_for_form(folder: str, name: str) -> str | None:
    wanted = unicodedata.normalize("NFC", name)
    if wanted.isascii():
        return None
    for form in ("NFC", "NFD"):
        other = unicodedata.normalize(form, name)
        if other != name and os.path.lexists(os.path.join(folder, other)):
            return other
    return None
