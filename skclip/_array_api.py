"""Rows of other array libraries (torch, CuPy), where scikit-learn's array API dispatch is on.

Arrays with one row per sample are computed on the device of ``X``. Arrays with one row per class
are small: they are computed in numpy and moved there, so that sums, counts and means have one
implementation.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from skclip._compat import get_namespace_and_device, move_to

__all__ = [
    "cast",
    "dtype_name",
    "in_double",
    "is_elsewhere",
    "labels_like",
    "like",
    "take_labels",
    "take_rows",
    "to_numpy",
]


def is_elsewhere(X: Any) -> bool:
    """Return whether another library than numpy computes on ``X``."""
    is_array = hasattr(X, "__dlpack__") and not isinstance(X, np.ndarray)
    return is_array and get_namespace_and_device(X)[1]


def to_numpy(array: Any) -> NDArray[Any]:
    """Return an array of any library and device, or a sequence, as a numpy array."""
    if is_elsewhere(array):
        array = move_to(array, xp=np, device="cpu")
    return np.asarray(array)


def cast(array: Any, dtype: Any) -> Any:
    """Return ``array`` in a dtype of its own library, without a copy if it has that dtype."""
    return get_namespace_and_device(array)[0].astype(array, dtype, copy=False)


def in_double(array: Any) -> Any:
    """Return an array in float64, or as it is on devices without float64."""
    xp, _, device = get_namespace_and_device(array)
    if is_elsewhere(array):
        kinds = xp.__array_namespace_info__().dtypes(kind="real floating", device=device)
        if "float64" not in kinds:
            return array
    return cast(array, xp.float64)


def dtype_name(array: Any) -> str:
    """Return numpy's name for the dtype of an array of any library."""
    return str(array.dtype).rpartition(".")[2]


def like(array: Any, reference: Any, dtype: Any = None) -> Any:
    """Move an array to the library and device of ``reference``, and cast it there.

    ``dtype`` is a dtype of that library, or its name.
    """
    xp, dispatched, device = get_namespace_and_device(reference)
    if dispatched:
        array = move_to(array, xp=xp, device=device)
    if dtype is None:
        return array
    return xp.astype(array, getattr(xp, dtype) if isinstance(dtype, str) else dtype, copy=False)


def labels_like(labels: Any, X: Any) -> Any:
    """Move labels to the device of ``X``; text labels stay in numpy."""
    is_text = isinstance(labels, np.ndarray) and labels.dtype.kind not in "biuf"
    return labels if is_text else like(labels, X)


def take_labels(classes: Any, codes: Any, X: Any) -> Any:
    """Return ``classes[codes]`` on the device of ``X``; text labels stay in numpy."""
    return labels_like(take_rows(classes, codes), X)


def take_rows(array: Any, rows: Any) -> Any:
    """Return ``array[rows]`` on the device of ``array``, for integer ``rows`` of any library."""
    return get_namespace_and_device(array)[0].take(array, like(rows, array), axis=0)
