"""Progress bars on terminals, and none elsewhere."""

import sys
from contextlib import AbstractContextManager
from typing import Any, Self

__all__ = ["progress_bar"]


def progress_bar(*, shown: bool, **options: Any) -> Any:
    """Return tqdm's progress bar if it is shown and errors go to a terminal.

    tqdm takes a lock that forked processes share, for hidden bars too. A process that is killed
    while it holds the lock stops the others for good. A hidden bar here takes none.

    Parameters
    ----------
    shown : bool
        Whether to show the bar.

    **options : object
        Arguments of ``tqdm``.

    Returns
    -------
    bar : tqdm or HiddenBar
        A context manager.

    Examples
    --------
    >>> from skclip._progress import progress_bar
    >>> with progress_bar(shown=False, total=3) as bar:
    ...     bar.update(3)
    """
    if not (shown and sys.stderr is not None and sys.stderr.isatty()):
        return HiddenBar()
    from tqdm.auto import tqdm

    return tqdm(**options)


class HiddenBar(AbstractContextManager["HiddenBar"]):
    """A progress bar that does nothing."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        return None

    def update(self, n: float = 1) -> None:
        """Do nothing."""

    def set_description(self, text: str) -> None:
        """Do nothing."""

    def set_postfix(self, values: Any) -> None:
        """Do nothing."""

    def close(self) -> None:
        """Do nothing."""
