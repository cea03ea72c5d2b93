"""Rows of other array libraries (torch, CuPy), where scikit-learn's array API dispatch is on.

What has one row a sample is computed where ``X`` lies. What has one row a class is small: it is
computed in numpy and moved there, so that sums, counts and means have one implementation.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from skclip._compat import get_namespace_and_device, move_to

__all__ = ["cast", "is_elsewhere", "like", "take_labels", "to_numpy"]


def is_elsewhere(X: Any) -> bool:
    """Return whether ``X`` is to be computed on by another library than numpy."""
    is_array = hasattr(X, "__dlpack__") and not isinstance(X, np.ndarray)
    return is_array and get_namespace_and_device(X)[1]


def to_numpy(array: Any) -> NDArray[Any]:
    """Return an array of any library and device, or a sequence, as a numpy array."""
    if is_elsewhere(array):
        array = move_to(array, xp=np, device="cpu")
    return np.asarray(array)


def cast(array: Any, dtype: Any) -> Any:
    """Return ``array`` with a dtype of its own library, itself if it has that already."""
    return get_namespace_and_device(array)[0].astype(array, dtype, copy=False)


def like(array: Any, reference: Any, dtype: Any = None) -> Any:
    """Move an array to the library and device of ``reference``, and cast it there."""
    xp, dispatched, device = get_namespace_and_device(reference)
    if dispatched:
        array = move_to(array, xp=xp, device=device)
    return array if dtype is None else cast(array, dtype)


def take_labels(classes: Any, codes: Any, X: Any) -> Any:
    """Return ``classes[codes]`` where ``X`` lies, or in numpy for labels that are no numbers."""
    xp, _, _ = get_namespace_and_device(classes)
    labels = xp.take(classes, like(codes, classes), axis=0)
    is_text = isinstance(labels, np.ndarray) and labels.dtype.kind not in "biuf"
    return labels if is_text else like(labels, X)
