"""Labels and probabilities of images, one line per image, as batches come."""

import warnings
from argparse import ArgumentParser
from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skclip._progress import progress_bar
from skclip.cli._inputs import Batch
from skclip.cli._output import open_rows
from skclip.cli._terminal import say
from skclip.exceptions import UnreadableImageWarning

__all__ = ["add_output_argument", "check_top", "classify"]


def add_output_argument(parser: ArgumentParser) -> None:
    """Add ``--output`` and ``--top``."""
    parser.add_argument(
        "--output",
        default="-",
        metavar="FILE",
        help="file of image, label, probability and error; its ending decides: .csv, .tsv, .json, "
        ".jsonl or .parquet (default: CSV on standard output)",
    )
    parser.add_argument(
        "--top",
        type=int,
        default=1,
        metavar="N",
        help="labels per image, the most probable first: label, probability, label_2, "
        "probability_2, … (default: %(default)s)",
    )


def check_top(top: int, n_classes: int) -> int:
    """Return how many labels to write per image; all, where more are asked for."""
    if top < 1:
        raise ValueError(f"--top must be at least 1, got {top}.")
    return min(top, n_classes)


def classify(
    head: Any,
    batches: Iterable[Batch],
    n_images: int,
    output: str,
    kind: str,
    *,
    top: int,
    quiet: bool,
) -> int:
    """Write predictions, and say how many images were classified.

    Parameters
    ----------
    head : classifier
        Fitted, or loaded.

    batches : iterable of Batch
        The images in order.

    n_images : int
        Number of images.

    output, kind : str
        For :func:`open_rows`.

    top : int
        Number of labels per image.

    quiet : bool
        Whether to show no progress bar and no summary.

    Returns
    -------
    status : int
        1 if no image could be read, else 0.
    """
    with warnings.catch_warnings():
        # the reason is in the line of the image
        warnings.simplefilter("ignore", UnreadableImageWarning)
        n_failures = _write(head, batches, n_images, output, kind, top=top, quiet=quiet)
    if not quiet:
        say(f"classified {n_images - n_failures} of {n_images} images")
    if n_failures:
        say(f"{n_failures} images could not be read: see the column `error`")
    return 0 if n_failures < n_images else 1


def _write(
    head: Any,
    batches: Iterable[Batch],
    n_images: int,
    output: str,
    kind: str,
    *,
    top: int,
    quiet: bool,
) -> int:
    """Write one line per image; return how many images could not be read."""
    n_failures = 0
    ranks = ["" if i == 1 else f"_{i}" for i in range(1, top + 1)]
    columns = [f"{name}{rank}" for rank in ranks for name in ("label", "probability")]
    with (
        open_rows(output, kind, ["image", *columns, "error"]) as write,
        progress_bar(shown=not quiet, total=n_images, desc="images", unit=" images") as bar,
    ):
        for batch in batches:
            proba = head.predict_proba(batch.rows)
            best = _most_probable(head, batch.rows, proba, top)
            for name, problem, codes, p in zip(
                batch.names, batch.problems, best, proba, strict=True
            ):
                cells: list[Any] = [None] * len(columns)
                if problem is None:
                    cells = [
                        cell
                        for code in codes
                        for cell in (str(head.classes_[code]), round(float(p[code]), 6))
                    ]
                else:
                    n_failures += 1
                write([name, *cells, problem])
            bar.update(len(batch.rows))
    return n_failures


def _most_probable(head: Any, rows: NDArray[Any], proba: NDArray[Any], top: int) -> NDArray[Any]:
    """Return the codes of the most probable classes; the first is the one that is predicted."""
    code_of = {label: code for code, label in enumerate(head.classes_.tolist())}
    predicted = [code_of[label] for label in head.predict(rows).tolist()]
    order = proba.copy()
    # probabilities may be rounded to the same number where scores differ
    order[np.arange(len(rows)), predicted] = 2
    best: NDArray[Any] = np.argsort(-order, axis=1, kind="stable")[:, :top]
    return best
