"""What goes to standard output and standard error: in UTF-8, and without control characters.

Captions, file names and the manifests of corpora come from anywhere. A terminal would obey the
control characters in them.
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

# C0 but for line feeds, C1, and what turns the direction of a line
_CONTROL = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")


def escaped(text: str) -> str:
    r"""Return a text with its control characters as they are written in Python.

    Examples
    --------
    >>> from skclip.cli._terminal import escaped
    >>> escaped("a \x1b[31mred cat")
    'a \\x1b[31mred cat'
    """
    text = _CONTROL.sub(lambda found: repr(found[0])[1:-1], text)
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def say(message: str) -> None:
    """Tell the user something that is no result: on standard error."""
    if sys.stderr is not None:  # print would take standard output instead
        print(escaped(f"skclip: {message}"), file=sys.stderr)


def tell(line: str) -> None:
    """Write a line of a result to standard output."""
    print(escaped(line), file=standard_output())


def standard_output() -> IO[str]:
    """Return standard output; raise where whoever started us has closed it."""
    if sys.stdout is None:
        raise OSError("standard output is closed.")
    return sys.stdout


def is_terminal(file: Any) -> bool:
    """Return whether people look at what is written to a file."""
    with suppress(AttributeError, ValueError):
        return bool(file.isatty())
    return False


@contextmanager
def results_in_utf8() -> Iterator[None]:
    """Let standard output take every character, whatever the locale of the process is.

    Files and pipes get UTF-8 as ``--output FILE`` does; a terminal keeps its encoding. What cannot
    be encoded is escaped: a file name that is not UTF-8 must not lose the lines after it.
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
    """Let a stream that cannot be written to swallow what it still holds, at exit too."""
    with suppress(AttributeError, OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), file.fileno())
