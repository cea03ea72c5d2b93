"""One half of an estimator at a time: a transformer or a sampler.

imbalanced-learn's ``Pipeline`` refuses steps that can both ``transform`` and ``fit_resample``, so
estimators that can do both have a parameter ``step`` and show the half it names.
"""

from collections.abc import Callable
from typing import Any, TypeVar

from sklearn.utils.metaestimators import available_if

from skclip._compat import StrOptions

__all__ = ["STEP_CONSTRAINT", "available_as"]

_Method = TypeVar("_Method", bound=Callable[..., Any])

STEP_CONSTRAINT = [StrOptions({"transform", "resample"})]


def available_as(step: str) -> Callable[[_Method], _Method]:
    """Show the decorated method only while the estimator's ``step`` parameter is ``step``.

    A class that uses it on ``transform`` and inherits from ``TransformerMixin`` must pass
    ``auto_wrap_output_keys=None``, since wrapping the output would undo the hiding.

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
