"""The command ``skclip``: parse arguments, call the Python API, print results."""

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
        0 for success, 1 if there is no result, 2 for an error, 130 if interrupted.
    """
    try:
        # takes seconds on a cold disk, and may be interrupted
        from skclip.cli._main import run
    except KeyboardInterrupt:
        if sys.stderr is not None:
            print("skclip: interrupted", file=sys.stderr)
        return 130
    return run(argv)
