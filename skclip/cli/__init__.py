"""``skclip`` on the command line: it parses, calls the Python API, and prints."""

import sys
from collections.abc import Sequence

__all__ = ["main"]


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command.

    Parameters
    ----------
    argv : sequence of str, default=None
        Arguments; None means those of the process.

    Returns
    -------
    status : int
        0 if all went well, 1 if there is no result, 2 if what was asked cannot be done, 130 if
        interrupted.
    """
    try:
        # seconds on a cold disk, in which people interrupt too
        from skclip.cli._main import run
    except KeyboardInterrupt:
        if sys.stderr is not None:
            print("skclip: interrupted", file=sys.stderr)
        return 130
    return run(argv)
