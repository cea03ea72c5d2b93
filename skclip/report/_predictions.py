"""The page of predictions: what a head says of images, how sure it is, and on what it rests."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.metrics import confusion_matrix, precision_recall_fscore_support

import skclip
from skclip._validation import sample_of
from skclip.metrics import ReliabilityCurve, reliability_curve
from skclip.recall import PrimingPool
from skclip.report._confusion import confused_pairs
from skclip.report._neighbors import nearest_rows
from skclip.report._page import FOLDER, Page
from skclip.report._placing import placed
from skclip.report._render import render
from skclip.report._thumbnails import make_thumbnails

__all__ = ["predictions_page"]

_MAX_MATRIX = 30  # classes that a matrix can show
_N_RUNNERS = 2


def predictions_page(
    head: Any,
    X: Any,
    y: ArrayLike | None = None,
    *,
    images: Sequence[Any] | None = None,
    ids: Sequence[Any] | None = None,
    recalled: PrimingPool | None = None,
    labelled: PrimingPool | None = None,
    n_neighbors: int = 5,
    title: str = "Predictions",
    thumbnail_size: int = 64,
    n_jobs: int | None = None,
) -> Page:
    """Make a page of what a fitted head predicts.

    With labels it shows accuracy, the confusion matrix, a table per class and the reliability of
    the probabilities. All images can be searched, filtered and sorted, the most and the least
    confident first. Each is shown with the nearest images that the head was fitted on.

    Parameters
    ----------
    head : fitted classifier
        Must have ``classes_`` and ``predict_proba``.

    X : array-like of shape (n_samples, n_features), or what the head takes
        Images to predict, embedded.

    y : array-like of shape (n_samples,), default=None
        True labels; None where there are none.

    images : sequence of length n_samples, default=None
        The pictures: paths, bytes, PIL images or arrays. None takes ``X`` where it is a list.

    ids : sequence of length n_samples, default=None
        Names of the images. None takes their paths.

    recalled : PrimingPool, default=None
        Recalled images to look for neighbours among. None takes ``pool_`` of the head.

    labelled : PrimingPool, default=None
        Labelled images to look for neighbours among: ``PrimingPool(y, X, images=paths)``.

    n_neighbors : int, default=5
        Number of nearest images to show beside each.

    title : str, default="Predictions"
        Heading of the page.

    thumbnail_size : int, default=64
        Maximum width and height of a picture, in pixels.

    n_jobs : int or None, default=None
        Number of threads that read images.

    Returns
    -------
    page : Page
        Ready to be saved.

    Raises
    ------
    ValueError
        If the head has no probabilities, or lengths differ.

    See Also
    --------
    skclip.display.ReliabilityDisplay : The reliability as a figure.

    Examples
    --------
    >>> import numpy as np
    >>> from skclip import ZeroShotClassifier
    >>> from skclip.report import predictions_page
    >>> head = ZeroShotClassifier({"cat": [1.0, 0.0], "dog": [0.0, 1.0]}).fit()
    >>> page = predictions_page(head, np.array([[1.0, 0.2], [0.4, 0.6]]), ["cat", "cat"])
    >>> page.save("predictions.html")  # doctest: +SKIP
    """
    if not hasattr(head, "predict_proba"):
        raise ValueError(
            f"head must have predict_proba, and {type(head).__name__} has not: wrap it in "
            "sklearn.calibration.CalibratedClassifierCV."
        )
    proba = np.asarray(head.predict_proba(X), dtype=np.float64)
    n = len(proba)
    classes = np.asarray(head.classes_).tolist()
    if images is None and isinstance(X, list | tuple) and not _is_matrix(X):
        images = X
    for name, values in (("y", y), ("images", images), ("ids", ids)):
        if values is not None and len(np.asarray(values, dtype=object)) != n:
            raise ValueError(f"{name} has {len(values)} values but X has {n} rows.")  # type: ignore[arg-type]
    truth = None if y is None else _codes(y, classes)
    predicted, confidence = proba.argmax(axis=1), proba.max(axis=1)
    if ids is None and images is not None:
        ids = [one if isinstance(one, str) or hasattr(one, "__fspath__") else "" for one in images]
    sources, neighbors = _neighbors(
        X, classes, {"recalled": _recalled(head, recalled), "labelled": labelled}, n_neighbors
    )
    pictures = [*(images if images is not None else [None] * n), *(one["image"] for one in sources)]
    thumbnails, files = placed(
        make_thumbnails(pictures, len(pictures), thumbnail_size, n_jobs=n_jobs)
    )
    runners = np.argsort(-proba, axis=1, kind="stable")[:, 1 : 1 + _N_RUNNERS]
    data = {
        "classes": [str(name) for name in classes],
        "true": None if truth is None else truth.tolist(),
        "predicted": predicted.tolist(),
        "confidence": confidence.round(4).tolist(),
        "runners": [
            [[int(i), round(float(p[i]), 4)] for i in order]
            for p, order in zip(proba, runners, strict=True)
        ],
        "ids": None if ids is None else [str(one) for one in ids],
        "thumbnails": thumbnails,
        "folder": FOLDER if files else None,
        "sources": [
            {"class": one["class"], "kind": one["kind"], "thumbnail": n + i}
            for i, one in enumerate(sources)
        ],
        "neighbors": neighbors,
    }
    curve = None if truth is None else reliability_curve(predicted == truth, confidence)
    columns, rows = _table(classes, truth, predicted, confidence)
    names = [str(name) for name in classes]
    html = render(
        "predictions.html",
        script="predictions.js",
        local_images=bool(files),
        version=skclip.__version__,
        title=title,
        lead=f"{n} images, {len(classes)} classes, by {type(head).__name__}.",
        figures=_figures(truth, predicted, confidence, curve, head),
        curve=[] if curve is None else _drawn(curve),
        columns=columns,
        rows=rows,
        names=names,
        matrix=[]
        if truth is None or len(names) > _MAX_MATRIX
        else _matrix(truth, predicted, names),
        pairs=[] if truth is None else confused_pairs(truth, predicted, names),
        data=data,
    )
    return Page(html, files)


def _is_matrix(X: Sequence[Any]) -> bool:
    return bool(len(X)) and isinstance(X[0], list | tuple | np.ndarray) and np.ndim(X[0]) == 1


def _codes(y: ArrayLike, classes: list[Any]) -> NDArray[np.intp]:
    """Return labels as positions among the classes."""
    position = {name: i for i, name in enumerate(classes)}
    labels = np.asarray(y).tolist()
    unknown = sorted({str(label) for label in labels if label not in position})
    if unknown:
        raise ValueError(
            f"y holds {sample_of(unknown)}, which the head does not know: it was fitted on "
            f"{sample_of(classes)}."
        )
    return np.asarray([position[label] for label in labels], dtype=np.intp)


def _recalled(head: Any, given: PrimingPool | None) -> PrimingPool | None:
    found = given if given is not None else getattr(head, "pool_", None)
    return found if isinstance(found, PrimingPool) else None


def _neighbors(
    X: Any, classes: list[Any], pools: Mapping[str, PrimingPool | None], k: int
) -> tuple[list[dict[str, Any]], list[list[list[float]]] | None]:
    """Return the images that are near to some row, and for each row which they are."""
    there = {
        kind: pool
        for kind, pool in pools.items()
        if pool is not None and pool.embeddings is not None and len(pool)
    }
    rows: NDArray[Any] = np.asarray(X) if there else np.empty(0)
    if not there or k < 1 or rows.ndim != 2 or rows.dtype.kind not in "fiu":
        return [], None
    widths = {pool.embeddings.shape[1] for pool in there.values() if pool.embeddings is not None}
    if widths != {rows.shape[1]}:
        raise ValueError(
            f"X has {rows.shape[1]} features, the images to find neighbours among have "
            f"{sample_of(sorted(widths))}: embed both with one model."
        )
    fitted = np.concatenate([np.asarray(pool.embeddings) for pool in there.values()])
    nearest, cosines = nearest_rows(rows, fitted, k)
    shown = np.unique(nearest)
    position = {str(name): i for i, name in enumerate(classes)}
    about = [
        {
            "class": position.get(str(label), -1),
            "kind": kind,
            "image": None if pool.images is None else pool.images[row],
        }
        for kind, pool in there.items()
        for row, label in enumerate(pool.labels.tolist())
    ]
    at = np.searchsorted(shown, nearest)
    lists = [
        [[int(i), round(float(c), 3)] for i, c in zip(one, cos, strict=True)]
        for one, cos in zip(at, cosines, strict=True)
    ]
    return [about[i] for i in shown], lists


def _figures(
    truth: NDArray[np.intp] | None,
    predicted: NDArray[np.intp],
    confidence: NDArray[np.float64],
    curve: ReliabilityCurve | None,
    head: Any,
) -> list[tuple[str, str]]:
    figures = [("images", str(len(predicted)))]
    if len(predicted):
        if truth is not None and curve is not None:
            figures += [
                ("accuracy", f"{100 * np.mean(truth == predicted):.1f} %"),
                ("expected calibration error", f"{100 * curve.calibration_error:.1f} %"),
            ]
        figures.append(("mean confidence", f"{100 * confidence.mean():.1f} %"))
    weights = getattr(head, "head_weights_", None) or {}
    return figures + [(f"mixing weight: {name}", f"{w:.2f}") for name, w in weights.items()]


def _table(
    classes: list[Any],
    truth: NDArray[np.intp] | None,
    predicted: NDArray[np.intp],
    confidence: NDArray[np.float64],
) -> tuple[list[str], list[tuple[str, list[str]]]]:
    """Return a line per class."""
    codes = np.arange(len(classes))
    n_predicted = np.bincount(predicted, minlength=len(classes))
    sums = np.bincount(predicted, weights=confidence, minlength=len(classes))
    sure = [f"{100 * s / n:.0f} %" if n else "-" for s, n in zip(sums, n_predicted, strict=True)]
    if truth is None:
        cells = [[str(n), s] for n, s in zip(n_predicted, sure, strict=True)]
        return ["predicted", "mean confidence"], list(zip(map(str, classes), cells, strict=True))
    precision, recall, f1, support = precision_recall_fscore_support(
        truth, predicted, labels=codes, zero_division=np.nan
    )
    percent = [
        [f"{100 * v:.1f} %" if v == v else "-" for v in one] for one in (recall, precision, f1)
    ]
    lines = zip(map(str, support), map(str, n_predicted), *percent, sure, strict=True)
    names = ["true", "predicted", "recall", "precision", "F1", "mean confidence"]
    return names, [(str(name), list(line)) for name, line in zip(classes, lines, strict=True)]


def _matrix(
    truth: NDArray[np.intp], predicted: NDArray[np.intp], names: list[str]
) -> list[tuple[str, list[dict[str, Any]]]]:
    counts = confusion_matrix(truth, predicted, labels=np.arange(len(names)))
    part = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    heat = np.digitize(part, [1e-9, 0.1, 0.3, 0.6])
    return [
        (
            name,
            [
                {"n": int(counts[i, j]), "heat": int(heat[i, j]), "right": i == j}
                for j in range(len(names))
            ],
        )
        for i, name in enumerate(names)
    ]


def _drawn(curve: ReliabilityCurve) -> list[dict[str, Any]]:
    """Return the points of the curve where the page draws them: 210 by 190 from (40, 200) up."""
    part = curve.n_predictions / max(int(curve.n_predictions.max(initial=1)), 1)
    return [
        {
            "x": round(40 + 210 * float(p), 1),
            "y": round(200 - 190 * float(a), 1),
            "r": round(2 + 4 * float(np.sqrt(share)), 1),
            "confidence": f"{p:.3f}",
            "accuracy": f"{a:.3f}",
            "count": int(n),
        }
        for p, a, n, share in zip(
            curve.confidence, curve.accuracy, curve.n_predictions, part, strict=True
        )
    ]
