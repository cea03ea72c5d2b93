"""Names in plots, as they are: matplotlib takes what stands between two ``$`` for a formula."""

from collections.abc import Iterable
from typing import Any

__all__ = ["show_as_they_are"]


def show_as_they_are(texts: Iterable[Any]) -> None:
    """Let matplotlib draw texts that hold names of the user letter by letter."""
    for text in texts:
        text.set_parse_math(False)
