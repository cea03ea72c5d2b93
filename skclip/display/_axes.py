"""The axes that a display draws on."""

from typing import Any

from skclip._optional import import_optional

__all__ = ["axes_of"]


def axes_of(ax: Any, purpose: str, **options: Any) -> Any:
    """Return the given axes, or those of a new figure."""
    pyplot: Any = import_optional("matplotlib.pyplot", extra="plot", purpose=purpose)
    if ax is not None:
        return ax
    return pyplot.subplots(layout="constrained", **options)[1]
