"""Checks for transformers whose items are images or texts.

scikit-learn's own suite wants two-dimensional numbers and runs next to nothing on an estimator
that declares another input. These checks ask the same questions of a column of images or texts:
one container or another, one order or another, empty, pickled, read-only, as data frames.
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

# of scikit-learn's checks those that never call fit
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
        What the estimator transforms: paths of image files (and pixels), or strings.

    Yields
    ------
    name : str
        For ``expected_failed_checks``.

    check : callable
        ``check(estimator, items)``, raising :class:`AssertionError` or whatever the estimator
        raised.

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
        What it transforms.

    expected_failed_checks : dict of {str: str}, default=None
        Names of checks that fail, and why they may.

    on_fail : {"raise"} or None, default="raise"
        Whether the first failure that was not expected is raised.

    Returns
    -------
    results : list of dict
        For every check ``check_name``, ``status`` (``"passed"``, ``"failed"``, ``"xfail"`` or
        ``"skipped"``) and ``exception``, as :func:`sklearn.utils.estimator_checks.check_estimator`
        returns them.

    See Also
    --------
    parametrize_with_item_checks : The same as a pytest decorator.

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
    """Return a pytest decorator that runs every check on every estimator as a test of its own.

    Parameters
    ----------
    estimators : list of (estimator, {"image", "text"})
        Instances and what they transform.

    expected_failed_checks : callable, default=None
        From an estimator to the names of checks that fail, and why they may.

    Returns
    -------
    decorator : pytest.MarkDecorator
        For a test function of the arguments ``estimator`` and ``check``.

    See Also
    --------
    check_item_estimator : The same without pytest.

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
