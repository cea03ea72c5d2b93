"""Estimators that are either a transformer or a sampler, by their parameter ``step``.

imbalanced-learn's ``Pipeline`` rejects steps that have both ``transform`` and ``fit_resample``, so
estimators with both methods show only those that ``step`` selects.
"""

from collections.abc import Callable
from typing import Any, TypeVar

from sklearn.utils.metaestimators import available_if

from skclip._compat import StrOptions

__all__ = ["STEP_CONSTRAINT", "available_as", "shows_one_half"]

_Method = TypeVar("_Method", bound=Callable[..., Any])
_Class = TypeVar("_Class")

STEP_CONSTRAINT = [StrOptions({"transform", "resample"})]


def available_as(step: str) -> Callable[[_Method], _Method]:
    """Show the decorated method only if the estimator's ``step`` parameter is ``step``.

    Use :func:`shows_one_half` on a class that inherits from ``TransformerMixin``, whose wrapper for
    ``set_output`` would show the method again.

    Parameters
    ----------
    step : {"transform", "resample"}
        Value of ``step`` that shows the method.

    Returns
    -------
    decorator : callable
        Turns the method into a descriptor. Access to a hidden method raises an
        ``AttributeError`` whose cause tells how to show it.

    Examples
    --------
    >>> from skclip.recall._step import available_as
    >>> class Doubler:
    ...     step = "transform"
    ...
    ...     @available_as("transform")
    ...     def transform(self, X):
    ...         return 2 * X
    ...
    ...     @available_as("resample")
    ...     def fit_resample(self, X, y):
    ...         return X + X, y + y
    >>> doubler = Doubler()
    >>> hasattr(doubler, "transform"), hasattr(doubler, "fit_resample")
    (True, False)
    """

    def check(estimator: Any) -> bool:
        if estimator.step == step:
            return True
        raise AttributeError(
            f"{type(estimator).__name__} has step={estimator.step!r}: set step={step!r} to use it "
            f"as a {'transformer' if step == 'transform' else 'sampler'}. It cannot be both, "
            "because imbalanced-learn's Pipeline rejects such steps."
        )

    decorator: Callable[[_Method], _Method] = available_if(check)
    return decorator


def shows_one_half(cls: type[_Class]) -> type[_Class]:
    """Hide ``transform`` and ``fit_transform``, or ``fit_resample``, depending on ``step``.

    This is a class decorator because scikit-learn must wrap the methods for ``set_output`` before
    they are hidden.
    """
    for name, step in _HALVES.items():
        setattr(cls, name, available_as(step)(getattr(cls, name)))
    return cls


_HALVES = {"transform": "transform", "fit_transform": "transform", "fit_resample": "resample"}
