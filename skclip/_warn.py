"""Warnings that point at the line of the user's code."""

import sys
import warnings

__all__ = ["warn_caller"]

_OURS = ("skclip", "sklearn")


def warn_caller(message: str, category: type[Warning]) -> None:
    """Warn from the nearest frame that is neither skclip's nor scikit-learn's.

    Parameters
    ----------
    message : str
        Text of the warning.

    category : type
        Class of the warning.
    """
    frame, level = sys._getframe(1), 2
    while frame.f_back is not None and _package(frame.f_globals) in _OURS:
        frame, level = frame.f_back, level + 1
    warnings.warn(message, category, stacklevel=level)


def _package(module: dict[str, object]) -> str:
    return str(module.get("__name__", "")).partition(".")[0]
