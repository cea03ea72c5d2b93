"""Fit heads on the same few labelled images, many times, and measure them on test images."""

import time
import warnings
from collections.abc import Mapping, Sequence
from numbers import Integral
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import clone

from skclip._array_api import to_numpy
from skclip._progress import progress_bar
from skclip._text_head import resolve_text_head
from skclip._validation import encode_labels, sample_of, unknown_labels
from skclip.evaluation._choices import LEFT_OUT, Entry, described, entries_of
from skclip.evaluation._comparison import HeadComparison, Run
from skclip.evaluation._draws import (
    Shots,
    digest_of,
    draw_rows,
    name_of_shots,
    row_digests,
    shots_of_name,
)
from skclip.evaluation._leaks import check_no_leak
from skclip.evaluation._measures import measure
from skclip.evaluation._usual_heads import usual_heads
from skclip.heads import ZeroShotClassifier

__all__ = ["compare_heads", "replay_comparison"]

ZERO_SHOT = "zero-shot"


def compare_heads(
    heads: Mapping[str, Any] | None,
    X: ArrayLike,
    y: ArrayLike,
    X_test: ArrayLike,
    y_test: ArrayLike,
    *,
    zero_shot: Any = None,
    shots: Sequence[int | tuple[int, ...]] = (1, 2, 4, 8, 16),
    seeds: int | Sequence[int] = 5,
    pool: Any = None,
    near_duplicates: float | None = 0.995,
    verbose: bool = False,
) -> HeadComparison:
    """Compare heads on the same few labelled images.

    For every seed, all heads get the same labelled images, and those of fewer shots are among those
    of more shots. Test images are only used to measure. Whatever is chosen on them is called an
    oracle and is shown apart from the methods.

    Parameters
    ----------
    heads : mapping of str to classifier, or None
        Heads by name; every head is cloned. A classifier chooses its constants on the labelled
        images. To compare ways of choosing them, give a mapping of choice to classifier: ``{"as
        published": head, "left-out choice": head, "oracle on test (not a method)": [head, …]}``. An
        oracle shows the candidate with the best mean test accuracy over all seeds, for each number
        of shots. None is :func:`usual_heads`.

    X : array-like of shape (n_samples, n_features)
        Embeddings to draw labelled images from.

    y : array-like of shape (n_samples,)
        Their labels.

    X_test : array-like of shape (n_test, n_features)
        Embeddings to measure on.

    y_test : array-like of shape (n_test,)
        Their labels.

    zero_shot : ZeroShotClassifier or mapping of class name to vector, default=None
        The text head. It is compared as a head of its own, and is part of the heads of
        :func:`usual_heads`. Given heads are used as they are.

    shots : sequence of int or tuple of int, default=(1, 2, 4, 8, 16)
        Labelled images per class. The numbers of a tuple are assigned to the classes in a random
        order: with ``(0, 1, 15)``, a third of the classes have no image, a third one, and a third
        fifteen.

    seeds : int or sequence of int, default=5
        Number of random samples of labelled images, or their seeds.

    pool : PrimingPool, default=None
        Recalled images. They are searched for test images, and are part of the heads of
        :func:`usual_heads`.

    near_duplicates : float or None, default=0.995
        Cosine from which two images count as the same, see :func:`find_near_duplicates`. None does
        not search; the result says so.

    verbose : bool, default=False
        Whether to show a progress bar.

    Returns
    -------
    comparison : HeadComparison
        Every run, and tables of them.

    Raises
    ------
    TestLeakError
        If a test image is among ``X`` or in the pool.
    ValueError
        If shots ask for more images than a class has, or test labels are unknown.

    See Also
    --------
    usual_heads : The heads that are compared by default.
    HeadComparison : The result.

    Notes
    -----
    If a head cannot be fitted on a random sample, the result has its error instead of numbers;
    cross-validation, for example, needs more than one image per class. Warnings of the heads are
    not shown. Seconds are those of one fit and of one ``predict`` of all test images; other work of
    the machine affects them. The calibration error has 15 bins of equal width.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from skclip import GaussianDiscriminantClassifier, NearestClassMean
    >>> from skclip.evaluation import compare_heads
    >>> X, y = load_digits(n_class=3, return_X_y=True)
    >>> heads = {"means": NearestClassMean(), "GDA": GaussianDiscriminantClassifier()}
    >>> comparison = compare_heads(
    ...     heads, X[:300], y[:300], X[300:], y[300:], shots=(2, 8), seeds=3, near_duplicates=None
    ... )
    >>> [(row.head, row.shots) for row in comparison.summary()]
    [('means', '2'), ('means', '8'), ('GDA', '2'), ('GDA', '8')]
    >>> print(comparison.to_markdown())  # doctest: +SKIP
    """
    plan = _plan(
        heads,
        _checked(X, y, X_test, y_test),
        zero_shot=zero_shot,
        shots=_checked_shots(shots),
        seeds=_checked_seeds(seeds),
        pool=pool,
        near_duplicates=near_duplicates,
    )
    return _carry_out(plan, zero_shot, verbose=verbose)


def replay_comparison(
    comparison: HeadComparison,
    heads: Mapping[str, Any] | None,
    X: ArrayLike,
    y: ArrayLike,
    X_test: ArrayLike,
    y_test: ArrayLike,
    *,
    zero_shot: Any = None,
    pool: Any = None,
    verbose: bool = False,
) -> HeadComparison:
    """Run a comparison again on the same images.

    Parameters
    ----------
    comparison : HeadComparison
        From :meth:`HeadComparison.from_json`.

    heads, X, y, X_test, y_test, zero_shot, pool
        As they were given to :func:`compare_heads`.

    verbose : bool, default=False
        Whether to show a progress bar.

    Returns
    -------
    comparison : HeadComparison
        The new runs. On the same machine, with the same versions, ``to_json(timings=False)`` is
        the same text.

    Raises
    ------
    ValueError
        If images, random samples or heads are not those of the comparison. Nothing is fitted then.

    See Also
    --------
    compare_heads : Runs one for the first time.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from skclip import NearestClassMean
    >>> from skclip.evaluation import compare_heads, replay_comparison
    >>> X, y = load_digits(n_class=3, return_X_y=True)
    >>> heads, data = {"means": NearestClassMean()}, (X[:300], y[:300], X[300:], y[300:])
    >>> first = compare_heads(heads, *data, shots=(2,), seeds=3, near_duplicates=None)
    >>> again = replay_comparison(first, heads, *data)
    >>> again.to_json(timings=False) == first.to_json(timings=False)
    True
    """
    settings = comparison.settings
    plan = _plan(
        heads,
        _checked(X, y, X_test, y_test),
        zero_shot=zero_shot,
        shots=[shots_of_name(name) for name in settings["shots"]],
        seeds=list(settings["seeds"]),
        pool=pool,
        near_duplicates=settings["near_duplicates"],
    )
    for what, then, now in (
        ("X and y", comparison.rows["images"], plan.rows["images"]),
        ("X_test and y_test", comparison.rows["test_images"], plan.rows["test_images"]),
        ("the draws of labelled images", comparison.rows["draws"], plan.rows["draws"]),
        ("heads", comparison.settings["heads"], plan.settings["heads"]),
    ):
        if then != now:
            raise ValueError(
                f"The comparison cannot be replayed: {what} differ from those of the first "
                "run. Give the same ones; `settings` and `rows` of the comparison describe them."
            )
    return _carry_out(plan, zero_shot, verbose=verbose)


class _Plan(NamedTuple):
    """What is to be fitted on which images, before anything is."""

    entries: list[Entry]
    data: "_Data"
    draws: dict[tuple[str, int], NDArray[np.intp]]
    settings: dict[str, Any]
    rows: dict[str, Any]


def _plan(
    heads: Mapping[str, Any] | None,
    data: "_Data",
    *,
    zero_shot: Any,
    shots: list[Shots],
    seeds: list[int],
    pool: Any,
    near_duplicates: float | None,
) -> _Plan:
    if heads is None:
        heads = usual_heads(zero_shot, pool=pool)
    entries = entries_of(heads)
    if near_duplicates is not None:
        others = {"X": data.X}
        if pool is not None and pool.embeddings is not None:
            others["pool"] = pool.embeddings
        check_no_leak(data.X_test, others, near_duplicates)
    draws = {
        (name_of_shots(of), seed): draw_rows(data.codes, data.classes.tolist(), of, seed)
        for of in shots
        for seed in seeds
    }
    digests = row_digests(data.X, data.y)
    of_heads: dict[str, dict[str, Any]] = {}
    for entry in entries:
        candidates = [described(head) for head in entry.candidates]
        of_heads.setdefault(entry.name, {})[entry.choice] = candidates
    settings = {
        "shots": [name_of_shots(of) for of in shots],
        "seeds": seeds,
        "near_duplicates": near_duplicates,
        "classes": len(data.classes),
        "images": len(data.X),
        "test_images": len(data.X_test),
        "heads": of_heads,
    }
    rows = {
        "images": digest_of(digests),
        "test_images": digest_of(row_digests(data.X_test, data.y_test)),
        "draws": {
            _draw_name(of, seed): digest_of([digests[i] for i in rows])
            for (of, seed), rows in draws.items()
        },
    }
    return _Plan(entries, data, draws, settings, rows)


def _draw_name(shots: str, seed: int) -> str:
    return f"{shots}, seed {seed}"


def _carry_out(plan: _Plan, zero_shot: Any, *, verbose: bool) -> HeadComparison:
    runs: list[Run] = []
    if zero_shot is not None:
        runs += _zero_shot_runs(zero_shot, plan.data, list(plan.draws))
    n_fits = len(plan.draws) * sum(len(entry.candidates) for entry in plan.entries)
    with progress_bar(shown=bool(verbose), total=n_fits, desc="fits") as bar:
        for entry in plan.entries:
            by_draw: dict[tuple[str, int], list[Run]] = {}
            same_images: dict[tuple[str, str], list[Run]] = {}
            for (shots, seed), rows in plan.draws.items():
                # where all images are drawn, every seed draws the same ones
                images = shots, plan.rows["draws"][_draw_name(shots, seed)]
                if images not in same_images:
                    same_images[images] = [
                        _run(entry, head, plan.data, rows, shots, seed) for head in entry.candidates
                    ]
                by_draw[shots, seed] = [run._replace(seed=seed) for run in same_images[images]]
                bar.update(len(entry.candidates))
            runs += _best_candidates(by_draw)
    return HeadComparison(tuple(runs), plan.settings, plan.rows)


class _Data(NamedTuple):
    X: NDArray[Any]
    y: NDArray[Any]
    codes: NDArray[np.integer]
    classes: NDArray[Any]
    X_test: NDArray[Any]
    y_test: NDArray[Any]


def _checked(X: ArrayLike, y: ArrayLike, X_test: ArrayLike, y_test: ArrayLike) -> _Data:
    rows, test = _floats(X, "X"), _floats(X_test, "X_test")
    if rows.shape[1] != test.shape[1]:
        raise ValueError(
            f"X has {rows.shape[1]} features, but X_test has {test.shape[1]}: embed both with the "
            "same model."
        )
    classes, codes = encode_labels(y)
    test_classes, test_codes = encode_labels(y_test)
    for name, labels, of in (("y", codes, rows), ("y_test", test_codes, test)):
        if len(labels) != len(of):
            raise ValueError(
                f"{name} has {len(labels)} labels for {len(of)} rows: give one label per row."
            )
    if unknown := unknown_labels(test_classes, classes):
        raise ValueError(
            f"y_test holds labels that y lacks: {sample_of(unknown)}. No head could predict them: "
            "give labelled images of these classes, or leave their test rows out."
        )
    return _Data(rows, classes[codes], codes, classes, test, test_classes[test_codes])


def _floats(X: ArrayLike, name: str) -> NDArray[Any]:
    rows = to_numpy(X)
    if rows.ndim != 2 or not rows.size:
        raise ValueError(
            f"{name} must hold one embedding per row, got an array of shape {rows.shape}."
        )
    if rows.dtype not in (np.float32, np.float64):
        rows = rows.astype(np.float32)
    if not np.isfinite(rows).all():
        wrong = np.flatnonzero(~np.isfinite(rows).all(axis=1))
        raise ValueError(f"{name} holds NaN or infinity in the rows {sample_of(wrong)}.")
    return rows


def _checked_shots(shots: Sequence[Any]) -> list[Shots]:
    found: list[Shots] = []
    for of in shots:
        numbers = of if isinstance(of, tuple) else (of,)
        if not numbers or any(not isinstance(n, Integral) or n < 0 for n in numbers):
            raise ValueError(
                f"shots must hold numbers of images per class, or tuples of numbers, got {of!r}."
            )
        found.append(tuple(map(int, of)) if isinstance(of, tuple) else int(of))
    names = [name_of_shots(of) for of in found]
    if not found or len(set(names)) < len(names):
        raise ValueError(f"shots must hold at least one number, each once, got {shots!r}.")
    return found


def _checked_seeds(seeds: int | Sequence[int]) -> list[int]:
    given = range(int(seeds)) if isinstance(seeds, int | np.integer) else seeds
    found = [int(seed) for seed in given]
    if not found or len(set(found)) < len(found) or min(found) < 0:
        raise ValueError(
            f"seeds must be a number of draws or distinct seeds, none negative, got {seeds!r}."
        )
    return found


def _zero_shot_runs(zero_shot: Any, data: _Data, draws: list[tuple[str, int]]) -> list[Run]:
    """Measure the text head once; it is the same in every draw."""
    text = resolve_text_head(zero_shot, data.classes)
    assert text is not None
    rows = dict(zip(text.classes.tolist(), text.weights, strict=True))
    head = ZeroShotClassifier(rows, logit_scale=text.logit_scale, logit_bias=text.logit_bias)
    entry = Entry(ZERO_SHOT, LEFT_OUT, [head])
    first = _run(entry, head, data, np.arange(len(data.y)), *draws[0])
    return [first._replace(shots=of, seed=seed) for of, seed in draws]


def _run(
    entry: Entry, head: Any, data: _Data, rows: NDArray[np.intp], shots: str, seed: int
) -> Run:
    """Fit a clone on the labelled images and measure it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        begin = time.perf_counter()
        try:
            fitted = clone(head).fit(data.X[rows], data.y[rows])
            after_fit = time.perf_counter()
            fitted.predict(data.X_test)
            after_predict = time.perf_counter()
            measured = measure(fitted, data.X_test, data.y_test)
        except (ValueError, ArithmeticError, np.linalg.LinAlgError) as error:
            return Run(entry.name, entry.choice, shots, seed, error=_first_line(error))
    return Run(
        entry.name,
        entry.choice,
        shots,
        seed,
        measured.right,
        measured.nll,
        measured.ece,
        after_fit - begin,
        after_predict - after_fit,
    )


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


def _best_candidates(by_draw: dict[tuple[str, int], list[Run]]) -> list[Run]:
    """Return the runs of one candidate for each number of shots: the best over all seeds."""
    runs = []
    for shots in dict.fromkeys(shots for shots, _ in by_draw):
        own = [candidates for (of, _), candidates in by_draw.items() if of == shots]
        means = [np.mean([run.accuracy for run in runs]) for runs in zip(*own, strict=True)]
        best = int(np.argmax(np.nan_to_num(means, nan=-1.0)))
        chosen = best if len(means) > 1 else None
        runs += [candidates[best]._replace(candidate=chosen) for candidates in own]
    return runs
