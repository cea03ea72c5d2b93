"""Checks for transformers whose items are images or texts.

scikit-learn's checks need two-dimensional numbers and skip nearly all tests of an estimator with
another input. These checks test the same properties for columns of images or texts: containers,
order, empty and read-only input, pickling, and data frames.
"""

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal
from unittest import SkipTest

import numpy as np
from sklearn.utils import estimator_checks as sklearn_checks

from skclip.utils import _item_checks
from skclip.utils._item_checks import Items

__all__ = ["check_item_estimator", "parametrize_with_item_checks", "yield_item_checks"]

Kind = Literal["image", "text"]
Check = Callable[[Any, Items], None]

# scikit-learn's checks that never call fit
CONSTRUCTION_CHECKS = (
    "check_estimator_cloneable",
    "check_estimator_repr",
    "check_do_not_raise_errors_in_init_or_set_params",
    "check_get_params_invariance",
    "check_mixin_order",
    "check_no_attributes_set_in_init",
    "check_set_params",
    "check_valid_tag_types",
)


def yield_item_checks(kind: Kind) -> Iterator[tuple[str, Check]]:
    """Yield the checks for one kind of items.

    Parameters
    ----------
    kind : {"image", "text"}
        Input of the estimator: paths of image files (and pixels), or strings.

    Yields
    ------
    name : str
        Name of the check, as in ``expected_failed_checks``.

    check : callable
        ``check(estimator, items)`` raises :class:`AssertionError`, or the estimator's error.

    Examples
    --------
    >>> from skclip.utils.estimator_checks import yield_item_checks
    >>> names = [name for name, _ in yield_item_checks("text")]
    >>> "check_order_and_subset" in names
    True
    """
    for name in CONSTRUCTION_CHECKS:
        if hasattr(sklearn_checks, name):
            yield name, partial(_run_sklearn_check, getattr(sklearn_checks, name))
    for name in _item_checks.__all__:
        if name.startswith("check_") and (kind == "image" or "image" not in name):
            yield name, getattr(_item_checks, name)


def check_item_estimator(
    estimator: Any,
    kind: Kind,
    *,
    expected_failed_checks: Mapping[str, str] | None = None,
    on_fail: Literal["raise"] | None = "raise",
) -> list[dict[str, Any]]:
    """Check a transformer of images or texts.

    Parameters
    ----------
    estimator : estimator
        An instance; it is cloned for every check.

    kind : {"image", "text"}
        Input of the estimator.

    expected_failed_checks : dict of {str: str}, default=None
        Names of checks that may fail, with reasons.

    on_fail : {"raise"} or None, default="raise"
        Whether to raise the first unexpected failure.

    Returns
    -------
    results : list of dict
        One per check: ``check_name``, ``status`` (``"passed"``, ``"failed"``, ``"xfail"`` or
        ``"skipped"``) and ``exception``, as :func:`sklearn.utils.estimator_checks.check_estimator`
        returns them.

    See Also
    --------
    parametrize_with_item_checks : The checks as a pytest decorator.

    Examples
    --------
    >>> from sklearn.feature_extraction.text import TfidfVectorizer
    >>> from skclip.utils.estimator_checks import check_item_estimator
    >>> results = check_item_estimator(TfidfVectorizer(), "text", on_fail=None)
    >>> [r["check_name"] for r in results if r["status"] == "failed"]
    ['check_output_as_data_frames']
    """
    expected = expected_failed_checks or {}
    results = []
    for name, check in yield_item_checks(kind):
        status: str = "passed"
        exception: Exception | None = None
        try:
            _run_check(check, estimator, kind)
        except SkipTest as skip:
            status, exception = "skipped", skip
        except Exception as error:
            if name not in expected and on_fail == "raise":
                raise
            status, exception = "xfail" if name in expected else "failed", error
        results.append({"check_name": name, "status": status, "exception": exception})
    return results


def parametrize_with_item_checks(
    estimators: list[tuple[Any, Kind]],
    *,
    expected_failed_checks: Callable[[Any], Mapping[str, str]] | None = None,
) -> Any:
    """Return a pytest decorator that runs every check on every estimator as a separate test.

    Parameters
    ----------
    estimators : list of (estimator, {"image", "text"})
        Instances and their input.

    expected_failed_checks : callable, default=None
        Maps an estimator to the names of checks that may fail, with reasons.

    Returns
    -------
    decorator : pytest.MarkDecorator
        Decorator of a test function with the arguments ``estimator`` and ``check``.

    See Also
    --------
    check_item_estimator : The checks without pytest.

    Examples
    --------
    >>> from skclip import CLIPEmbedder
    >>> from skclip.utils.estimator_checks import parametrize_with_item_checks
    >>> @parametrize_with_item_checks([(CLIPEmbedder("skclip-tiny"), "image")])
    ... def test_images_and_texts(estimator, check):
    ...     check(estimator)
    """
    import pytest

    cases = []
    for estimator, kind in estimators:
        expected = expected_failed_checks(estimator) if expected_failed_checks else {}
        for name, check in yield_item_checks(kind):
            marks = [pytest.mark.xfail(reason=expected[name])] if name in expected else []
            run = partial(_run_check, check, kind=kind)
            label = f"{type(estimator).__name__}-{kind}-{name}"
            cases.append(pytest.param(estimator, run, marks=marks, id=label))
    return pytest.mark.parametrize(("estimator", "check"), cases)


def _run_check(check: Check, estimator: Any, kind: Kind) -> None:
    with TemporaryDirectory() as folder:
        check(estimator, _make_items(kind, Path(folder)))


def _run_sklearn_check(check: Callable[[str, Any], None], estimator: Any, items: Items) -> None:
    check(type(estimator).__name__, estimator)


def _make_items(kind: Kind, folder: Path) -> Items:
    """Return eight texts, or eight images as files and as pixels."""
    if kind == "text":
        words = ["red star", "green ring", "a café", "two dogs", "Ein Haus", "sea", "1 car", "???x"]
        return Items(words, None, folder)
    from PIL import Image

    rng = np.random.default_rng(0)
    pixels = [rng.integers(0, 256, (20 + i, 30 - i, 3), dtype=np.uint8) for i in range(8)]
    paths = [folder / f"image {i}.png" for i in range(8)]
    for path, array in zip(paths, pixels, strict=True):
        Image.fromarray(array).save(path)
    return Items([str(path) for path in paths], pixels, folder)
