"""Standard output and standard error: UTF-8, and without control characters.

Captions, file names and manifests are untrusted, and a terminal would execute control characters in
them.
"""

import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import IO, Any

__all__ = [
    "escaped",
    "give_up_on",
    "is_terminal",
    "results_in_utf8",
    "say",
    "standard_output",
    "tell",
]

# C0 without line feeds, C1, and changes of text direction
_CONTROL = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")


def escaped(text: str) -> str:
    r"""Return a text with its control characters escaped as in Python.

    Examples
    --------
    >>> from skclip.cli._terminal import escaped
    >>> escaped("a \x1b[31mred cat")
    'a \\x1b[31mred cat'
    """
    text = _CONTROL.sub(lambda found: repr(found[0])[1:-1], text)
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def say(message: str) -> None:
    """Write a message that is not a result to standard error."""
    if sys.stderr is not None:  # print would use standard output instead
        print(escaped(f"skclip: {message}"), file=sys.stderr)


def tell(line: str) -> None:
    """Write a line of a result to standard output."""
    print(escaped(line), file=standard_output())


def standard_output() -> IO[str]:
    """Return standard output; raise if it was closed by the parent process."""
    if sys.stdout is None:
        raise OSError("standard output is closed.")
    return sys.stdout


def is_terminal(file: Any) -> bool:
    """Return whether a file is a terminal."""
    with suppress(AttributeError, ValueError):
        return bool(file.isatty())
    return False


@contextmanager
def results_in_utf8() -> Iterator[None]:
    """Let standard output accept all characters in any locale.

    Files and pipes get UTF-8, as with ``--output FILE``; a terminal keeps its encoding. Characters
    that cannot be encoded are escaped, so that they do not stop the output.
    """
    file = sys.stdout
    reconfigure = getattr(file, "reconfigure", None)
    if file is None or reconfigure is None:
        yield
        return
    encoding, errors = file.encoding, file.errors
    reconfigure(
        encoding=encoding if is_terminal(file) else "utf-8",
        errors="backslashreplace",
    )
    try:
        yield
    finally:
        with suppress(OSError, ValueError):
            reconfigure(encoding=encoding, errors=errors)


def give_up_on(file: Any) -> None:
    """Discard the buffered output of a stream that cannot be written to, also at exit."""
    with suppress(AttributeError, OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), file.fileno())
