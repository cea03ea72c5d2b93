"""The only module that uses private or version-dependent names of scikit-learn.

Other modules import them from here, so that a change in scikit-learn needs one edit.
"""

import sys
from collections.abc import Callable
from functools import cache
from importlib.metadata import PackageNotFoundError, metadata
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from sklearn import get_config
from sklearn.base import _fit_context
from sklearn.utils import Tags
from sklearn.utils._param_validation import (
    HasMethods,
    Hidden,
    Interval,
    Options,
    StrOptions,
    validate_params,
)
from sklearn.utils.metaestimators import _BaseComposition as NamedEstimators
from sklearn.utils.validation import _check_sample_weight

__all__ = [
    "SUPPORTS_ARRAY_API",
    "ArrayAPIMixin",
    "CallbackSupportMixin",
    "DocumentedMixin",
    "HasMethods",
    "Hidden",
    "Interval",
    "NamedEstimators",
    "Options",
    "StrOptions",
    "check_same_namespace",
    "check_sample_weight",
    "classes_behind_binary_part",
    "fit_context",
    "get_namespace_and_device",
    "inside_cross_validation",
    "move_to",
    "validate_parameters",
    "validate_params",
    "with_callbacks",
]

_Method = TypeVar("_Method", bound=Callable[..., Any])

try:  # scikit-learn >= 1.9
    from sklearn.callback import CallbackSupportMixin, with_callbacks
except ImportError:  # 1.7 and 1.8 have no callbacks

    class _NoCallbacks:
        """A context without callbacks."""

        def subcontext(self, **kwargs: Any) -> "_NoCallbacks":
            return self

        def call_on_fit_task_begin(self, **kwargs: Any) -> "_NoCallbacks":
            return self

        def call_on_fit_task_end(self, **kwargs: Any) -> bool:
            return False

    class CallbackSupportMixin:  # type: ignore[no-redef]
        """Replaces scikit-learn's mixin where there are no callbacks."""

        def _init_callback_context(self, **kwargs: Any) -> _NoCallbacks:
            return _NoCallbacks()

    def with_callbacks(method: _Method) -> _Method:
        """Return ``method`` unchanged."""
        return method


try:  # scikit-learn >= 1.9
    from sklearn.utils import _array_api
    from sklearn.utils._array_api import check_same_namespace, move_to

    SUPPORTS_ARRAY_API = True

    def get_namespace_and_device(*arrays: Any) -> tuple[Any, bool, Any]:
        """Return scikit-learn's answer, at once where it dispatches nothing: numpy, no device."""
        if get_config()["array_api_dispatch"]:
            answer: tuple[Any, bool, Any] = _array_api.get_namespace_and_device(*arrays)
            return answer
        return _array_api.np_compat, False, None
except ImportError:  # 1.7 and 1.8 lack a part of it: numpy only
    from sklearn.utils._array_api import get_namespace

    SUPPORTS_ARRAY_API = False

    def get_namespace_and_device(*arrays: Any) -> tuple[Any, bool, Any]:
        """Return numpy, False (no dispatch) and None (no device)."""
        return get_namespace()[0], False, None

    def move_to(array: Any, *, xp: Any, device: Any) -> Any:
        """Return the array unchanged."""
        return array

    def check_same_namespace(X: Any, estimator: Any, *, attribute: str, method: str) -> None:
        """Accept any input."""


class ArrayAPIMixin:
    """Tag an estimator as one that accepts arrays of other libraries."""

    def __sklearn_tags__(self) -> Tags:
        tags: Tags = super().__sklearn_tags__()  # type: ignore[misc]
        tags.array_api_support = SUPPORTS_ARRAY_API
        return tags


class DocumentedMixin:
    """Link the HTML diagram of an estimator to its page of the documentation.

    The address is ``Documentation`` of ``project_urls`` in setup.cfg; without one there is no link.
    """

    _doc_link_module = "skclip"

    @property
    def _doc_link_template(self) -> str:
        return f"{_documentation()}/generated/{{estimator_module}}.{{estimator_name}}.html"

    def _get_doc_link(self) -> str:
        kind = type(self)
        public = kind.__module__.partition("._")[0]
        is_documented = kind.__name__ in getattr(sys.modules.get(public), "__all__", ())
        if not is_documented or not _documentation():
            return ""
        link: str = super()._get_doc_link()  # type: ignore[misc]
        return link


@cache
def _documentation() -> str:
    """Return the address of the documentation, as the installed package has it; "" without one."""
    try:
        lines: list[str] = metadata("skclip").get_all("Project-URL") or []
    except PackageNotFoundError:
        return ""
    addresses = dict(line.split(", ", 1) for line in lines if ", " in line)
    return addresses.get("Documentation", "").rstrip("/")


def fit_context(*, prefer_skip_nested_validation: bool) -> Callable[[_Method], _Method]:
    """Decorate ``fit`` to check the parameters first, with scikit-learn's messages."""
    decorate: Callable[[_Method], _Method] = _fit_context(
        prefer_skip_nested_validation=prefer_skip_nested_validation
    )
    return decorate


def check_sample_weight(
    sample_weight: Any, X: NDArray[Any], *, dtype: Any = np.float64
) -> NDArray[Any]:
    """Validate weights: finite, not negative, one per row of ``X``, not all zero.

    ``None`` gives ones.
    """
    weight: NDArray[Any] = _check_sample_weight(
        sample_weight, X, dtype=dtype, ensure_non_negative=True
    )
    # scikit-learn < 1.9, which has numpy arrays only here, lets all-zero weights pass
    if sample_weight is not None and not SUPPORTS_ARRAY_API and not np.any(weight):
        raise ValueError(
            "Sample weights are all zero: at least one of the "
            f"{weight.shape[0]} rows must have a positive weight."
        )
    return weight


def classes_behind_binary_part() -> int | None:
    """Return the number of classes of the one-versus-rest or one-versus-one fit around the caller.

    Such a fit passes labels 0 and 1 to its estimator, whatever the classes are.

    Returns
    -------
    n_classes : int or None
        None outside of :mod:`sklearn.multiclass`; 2 in a worker process, where it is not known.
    """
    frame, inside = sys._getframe(1), False
    while frame.f_back is not None:
        if frame.f_globals.get("__name__") == "sklearn.multiclass":
            inside = True
            meta = frame.f_locals.get("self")
            classes = getattr(getattr(meta, "label_binarizer_", meta), "classes_", None)
            if classes is not None:
                return len(classes)
        frame = frame.f_back
    return 2 if inside else None


def inside_cross_validation() -> bool:
    """Return whether scikit-learn is fitting a fold of a cross-validation.

    Whatever else is passed to ``fit`` and is as long as ``X`` has been split there with ``X``.
    """
    frame = sys._getframe(1)
    while frame.f_back is not None:
        if frame.f_globals.get("__name__") == "sklearn.model_selection._validation":
            return True
        frame = frame.f_back
    return False


def validate_parameters(estimator: Any) -> None:
    """Check an estimator's parameters against its constraints, with scikit-learn's messages.

    For methods of stateless estimators, which may be called without ``fit``.
    """
    estimator._validate_params()
