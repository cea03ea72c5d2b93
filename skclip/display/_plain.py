"""Show names in plots literally; matplotlib parses text between two ``$`` as a formula."""

from collections.abc import Iterable
from typing import Any

__all__ = ["show_as_they_are"]


def show_as_they_are(texts: Iterable[Any]) -> None:
    """Disable formulas in texts with names given by the user."""
    for text in texts:
        text.set_parse_math(False)
