"""Paths as users write them, and as a corpus stores them."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO
from urllib.parse import quote, unquote_to_bytes

from skclip._files import find_file, is_remote
from skclip._optional import import_optional
from skclip.exceptions import CorpusError

__all__ = [
    "arrow_source",
    "resolved_path",
    "source_path",
    "stored_path",
    "user_path",
    "writable_text",
]

# Prefix of a stored path with percent-encoded bytes.
_ENCODED = "file:"


def user_path(path: str | os.PathLike[str]) -> Path:
    """Return the absolute path given by a user; ``~`` and ``file://`` are expanded."""
    return find_file(path).absolute()


def source_path(path: str | os.PathLike[str]) -> Path:
    """Return the path of a source, which may be on any file system of fsspec."""
    text = os.fspath(path)
    if not is_remote(text):
        return user_path(path)
    upath = import_optional("upath", extra="ray", purpose=f"The source {text!r}")
    try:
        remote: Path = upath.UPath(text)  # has the methods of Path
        remote.exists()
    except (ImportError, ValueError, OSError) as error:
        raise CorpusError(f"The source {text!r} cannot be opened: {error}.") from error
    return remote


@contextmanager
def arrow_source(path: Path) -> Iterator[str | BinaryIO]:
    """Yield a path or open file for pyarrow, which opens only local UTF-8 paths."""
    if writable_text(str(path)) == str(path) and not is_remote(str(path)):
        yield str(path)
    else:
        with path.open("rb") as file:
            yield file


def stored_path(path: str) -> str:
    r"""Return a path as valid Unicode text; see :func:`resolved_path`.

    File names are bytes. In Python, names that are not UTF-8 have lone surrogates.

    Examples
    --------
    >>> from skclip.corpus._stored_paths import resolved_path, stored_path
    >>> stored_path("photos/cat.jpg"), stored_path("caf\udce9.jpg")
    ('photos/cat.jpg', 'file:caf%E9.jpg')
    >>> ascii(resolved_path("file:caf%E9.jpg", None))
    "'caf\\udce9.jpg'"
    """
    plain = path.isascii() or writable_text(path) == path
    if plain and not path.startswith(_ENCODED):
        return path
    return _ENCODED + quote(os.fsencode(path))


def resolved_path(stored: str | None, root: str | None) -> str | None:
    """Return the path of a stored image; URLs and absolute paths are unchanged."""
    if stored is None:
        return None
    path = stored
    if stored.startswith(_ENCODED):
        path = os.fsdecode(unquote_to_bytes(stored.removeprefix(_ENCODED)))
    elif is_remote(stored):
        return stored
    return path if root is None else str(Path(root, path))


def writable_text(text: str) -> str:
    r"""Return a text with lone surrogates, which files cannot store, escaped.

    Examples
    --------
    >>> from skclip.corpus._stored_paths import writable_text
    >>> writable_text("caf\udce9")
    'caf\\udce9'
    """
    return text if text.isascii() else text.encode("utf-8", "backslashreplace").decode("utf-8")
