"""Warnings that point at the line of the user's code."""

import sys
import warnings

__all__ = ["warn_caller"]

_NOT_THE_USER = ("skclip", "sklearn", "joblib", "imblearn")


def warn_caller(message: str, category: type[Warning]) -> None:
    """Warn at the line of the user: the nearest one outside of skclip.

    Lines of scikit-learn, joblib and imbalanced-learn between the two are skipped as well: users
    call skclip through their pipelines, searches and parallel loops.

    Parameters
    ----------
    message : str
        Text of the warning.

    category : type
        Class of the warning.
    """
    frame, level = sys._getframe(1), 2
    while frame.f_back is not None and _package(frame.f_globals) in _NOT_THE_USER:
        frame, level = frame.f_back, level + 1
    warnings.warn(message, category, stacklevel=level)


def _package(module: dict[str, object]) -> str:
    return str(module.get("__name__", "")).partition(".")[0]
