"""One half of an estimator at a time: a transformer or a sampler.

imbalanced-learn's ``Pipeline`` refuses steps that can both ``transform`` and ``fit_resample``, so
estimators that can do both have a parameter ``step`` and show the half it names.
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
    """Show the decorated method only while the estimator's ``step`` parameter is ``step``.

    On a class that inherits from ``TransformerMixin`` use :func:`shows_one_half` instead: wrapping
    the output for ``set_output`` would undo the hiding.

    Parameters
    ----------
    step : {"transform", "resample"}
        Half of the estimator that the method belongs to.

    Returns
    -------
    decorator : callable
        Turns the method into a descriptor; where it is hidden, access raises an
        ``AttributeError`` whose cause says how to show it.

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
            f"as a {'transformer' if step == 'transform' else 'sampler'}. It is one of the two at "
            "a time because imbalanced-learn's Pipeline refuses steps that are both."
        )

    decorator: Callable[[_Method], _Method] = available_if(check)
    return decorator


def shows_one_half(cls: type[_Class]) -> type[_Class]:
    """Hide ``transform`` and ``fit_transform``, or ``fit_resample``, as ``step`` says.

    A class decorator, so that scikit-learn has wrapped the methods for ``set_output`` by the time
    they are hidden.
    """
    for name, step in _HALVES.items():
        setattr(cls, name, available_as(step)(getattr(cls, name)))
    return cls


_HALVES = {"transform": "transform", "fit_transform": "transform", "fit_resample": "resample"}
