"""The checks for columns of images or texts."""

import pickle
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import SkipTest
from unittest.mock import patch

import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.utils import get_tags

__all__ = [
    "Items",
    "check_a_single_item_is_no_column",
    "check_batch_size",
    "check_containers",
    "check_empty_input_is_refused",
    "check_fit_returns_self",
    "check_image_paths",
    "check_nothing_is_changed",
    "check_order_and_subset",
    "check_output_as_data_frames",
    "check_output_is_floating",
    "check_pickle",
    "check_read_only_image_pixels",
    "check_transform_without_fit",
    "check_unreadable_image_is_named",
]

MAX_PICKLE_BYTES = 1_000_000

# rounding of estimators with a parameter ``dtype`` can exceed that of their output type
PRECISION = {"float16": 2.0**-13, "bfloat16": 2.0**-10}


@dataclass(frozen=True)
class Items:
    """Input of the checks.

    Parameters
    ----------
    strings : list of str
        Texts, or paths of image files.

    pixels : list of ndarray of uint8, or None
        The same images as arrays ``(height, width, 3)``; None for texts.

    folder : Path
        Folder for files of a check.
    """

    strings: list[str]
    pixels: list[NDArray[np.uint8]] | None
    folder: Path


def check_fit_returns_self(estimator: Any, items: Items) -> None:
    """Check that ``fit`` returns the estimator itself."""
    estimator = clone(estimator)
    assert estimator.fit(items.strings, _target(items)) is estimator


def check_transform_without_fit(estimator: Any, items: Items) -> None:
    """Check that an unfitted estimator gives the same rows, if ``requires_fit=False``."""
    if get_tags(estimator).requires_fit:
        raise SkipTest("the estimator requires fit")
    unfitted = _rows(clone(estimator), items.strings)
    _assert_equal(
        estimator, unfitted, _rows(_fitted(estimator, items), items.strings), "fit changed rows"
    )


def check_nothing_is_changed(estimator: Any, items: Items) -> None:
    """Check that ``fit`` and ``transform`` change neither parameters nor input."""
    before = list(items.strings)
    fitted = _fitted(estimator, items)
    after_fit = dict(vars(fitted))
    fitted.transform(items.strings)
    assert items.strings == before, "the input was changed"
    assert fitted.get_params() == estimator.get_params(), "parameters were changed"
    assert vars(fitted).keys() == after_fit.keys(), "transform set attributes"


def check_containers(estimator: Any, items: Items) -> None:
    """Check that every container of strings gives the same rows as a list."""
    fitted = _fitted(estimator, items)
    expected = _rows(fitted, items.strings)
    frozen = np.array(items.strings, dtype=object)
    frozen.flags.writeable = False
    containers: dict[str, Any] = {
        "a tuple": tuple(items.strings),
        "an array of str": np.array(items.strings),
        "a read-only array of objects": frozen,
    }
    index = range(7, 7 + len(items.strings))
    if pandas := _installed("pandas"):
        containers["a pandas Series"] = pandas.Series(items.strings, index=index, name="item")
    if polars := _installed("polars"):
        containers["a polars Series"] = polars.Series("item", items.strings)
    for name, container in containers.items():
        _assert_equal(
            estimator,
            _rows(fitted, container),
            expected,
            f"rows of {name} and of a list differ",
        )


def check_image_paths(estimator: Any, items: Items) -> None:
    """Check that a :class:`pathlib.Path` and its ``str`` give the same row."""
    fitted = _fitted(estimator, items)
    paths = [Path(path) for path in items.strings]
    _assert_equal(estimator, _rows(fitted, paths), _rows(fitted, items.strings), "Path is not str")


def check_read_only_image_pixels(estimator: Any, items: Items) -> None:
    """Check that read-only pixels give the same rows as their files."""
    assert items.pixels is not None
    for pixels in items.pixels:
        pixels.flags.writeable = False
    fitted = _fitted(estimator, items)
    _assert_equal(
        estimator, _rows(fitted, items.pixels), _rows(fitted, items.strings), "pixels differ"
    )


def check_unreadable_image_is_named(estimator: Any, items: Items) -> None:
    """Check that the error names the missing or broken file."""
    fitted = _fitted(estimator, items)
    broken = items.folder / "a broken file.jpg"
    broken.write_bytes(b"\xff\xd8\xff\xe0 this is no image")
    for path in (broken, items.folder / "a missing file.png"):
        error = _error_of(fitted, [*items.strings, str(path)])
        assert error is not None, f"{path.name!r} raised nothing"
        assert path.name in str(error), f"{path.name!r} is not named by: {error}"


def check_order_and_subset(estimator: Any, items: Items) -> None:
    """Check that a row does not depend on other items or on order."""
    fitted = _fitted(estimator, items)
    expected = _rows(fitted, items.strings)
    some = [5, 0, 3]
    rows = _rows(fitted, [items.strings[i] for i in some])
    _assert_equal(estimator, rows, expected[some], "rows depend on order or other items")


def check_batch_size(estimator: Any, items: Items) -> None:
    """Check that rows do not depend on the batch size."""
    if "batch_size" not in estimator.get_params():
        raise SkipTest("the estimator has no batch_size")
    expected = _rows(_fitted(estimator, items), items.strings)
    for batch_size in (1, 3, len(items.strings)):
        fitted = _fitted(clone(estimator).set_params(batch_size=batch_size), items)
        _assert_equal(
            estimator, _rows(fitted, items.strings), expected, f"batch_size={batch_size} differs"
        )


def check_empty_input_is_refused(estimator: Any, items: Items) -> None:
    """Check that an empty column raises a ``ValueError``."""
    error = _error_of(_fitted(estimator, items), [])
    assert error is not None, "transform([]) raised nothing"
    assert isinstance(error, ValueError), f"expected a ValueError, got {type(error).__name__}"
    assert "0 sample" in str(error) or "empty" in str(error), f"unclear: {error}"


def check_a_single_item_is_no_column(estimator: Any, items: Items) -> None:
    """Check that a single string raises an error and is not used as a column of letters."""
    error = _error_of(_fitted(estimator, items), items.strings[0])
    assert error is not None, "transform of a single string raised nothing"
    assert isinstance(error, (TypeError, ValueError)), f"got {type(error).__name__}: {error}"


def check_output_is_floating(estimator: Any, items: Items) -> None:
    """Check that there is one row per item, finite and of a floating type."""
    rows = _rows(_fitted(estimator, items), items.strings)
    assert rows.ndim == 2, f"expected two dimensions, got {rows.ndim}"
    assert len(rows) == len(items.strings), f"{len(items.strings)} items, {len(rows)} rows"
    assert rows.dtype.kind == "f", f"expected a floating type, got {rows.dtype}"
    assert np.isfinite(rows).all(), "rows are not finite"


def check_output_as_data_frames(estimator: Any, items: Items) -> None:
    """Check that frames of ``set_output`` have the names of ``get_feature_names_out``."""
    fitted = _fitted(estimator, items)
    expected = _rows(fitted, items.strings)
    names = list(fitted.get_feature_names_out())
    assert len(names) == expected.shape[1], "one name per column"
    for library in filter(_installed, ("pandas", "polars")):
        frame = _fitted(estimator, items).set_output(transform=library).transform(items.strings)
        assert list(frame.columns) == names, f"names of the {library} columns"
        _assert_equal(estimator, np.asarray(frame), expected, f"{library} rows")


def check_pickle(estimator: Any, items: Items) -> None:
    """Check that a pickle has no model, loads without a network and gives the same rows."""
    fitted = _fitted(estimator, items)
    expected = _rows(fitted, items.strings)
    content = pickle.dumps(fitted)
    assert len(content) < MAX_PICKLE_BYTES, f"the pickle has {len(content)} bytes"
    with patch("socket.socket.connect", side_effect=AssertionError("loading used the network")):
        loaded = pickle.loads(content)
    _assert_equal(estimator, _rows(loaded, items.strings), expected, "rows of the pickle differ")


def _target(items: Items) -> list[str]:
    return ["even" if i % 2 == 0 else "odd" for i in range(len(items.strings))]


def _fitted(estimator: Any, items: Items) -> Any:
    return clone(estimator).fit(items.strings, _target(items))


def _rows(fitted: Any, X: Any) -> NDArray[Any]:
    """Transform to a dense array, whatever the output container."""
    rows = fitted.transform(X)
    return rows.toarray() if hasattr(rows, "toarray") else np.asarray(rows)


def _error_of(fitted: Any, X: Any) -> Exception | None:
    try:
        fitted.transform(X)
    except Exception as error:
        return error
    return None


def _assert_equal(
    estimator: Any, actual: NDArray[Any], expected: NDArray[Any], message: str
) -> None:
    """Compare up to the rounding of the output type and of the parameter ``dtype``."""
    assert actual.shape == expected.shape, f"{message}: {actual.shape} instead of {expected.shape}"
    precision = np.finfo(expected.dtype).eps if expected.dtype.kind == "f" else 0.0
    precision = max(float(precision), PRECISION.get(str(estimator.get_params().get("dtype")), 0.0))
    tolerance = 100 * precision * max(1.0, float(np.abs(expected).max(initial=0)))
    worst = float(np.abs(actual - expected).max(initial=0))
    assert worst <= tolerance, f"{message}: off by {worst:.2g}, tolerance {tolerance:.2g}"


def _installed(library: str) -> Any:
    try:
        return __import__(library)
    except ImportError:
        return None
