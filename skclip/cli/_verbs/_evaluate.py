"""Measure a head on labelled images."""

import warnings
from argparse import ArgumentParser, Namespace
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import balanced_accuracy_score, confusion_matrix

from skclip._files import find_file
from skclip._linalg import nonzero_rows
from skclip._optional import import_optional
from skclip._validation import sample_of
from skclip.cli._common import add_model_arguments, add_quiet_argument
from skclip.cli._fitting import rows_of
from skclip.cli._inputs import (
    LABELLED_HELP,
    Batch,
    Labelled,
    add_embeddings_argument,
    add_label_arguments,
    batches_of_images,
    batches_of_vectors,
    given_vectors,
    read_labelled,
)
from skclip.cli._job import add_job_arguments, is_dry_run
from skclip.cli._output import choose_format, open_rows
from skclip.cli._terminal import say, standard_output, tell
from skclip.cli._verbs._predict import HEAD_HELP, check_vectors, embedder_of
from skclip.embedding import CLIPEmbedder
from skclip.exceptions import UnreadableImageWarning
from skclip.export import LoadedHead, load_head
from skclip.recall import PrimingPool
from skclip.report import page_path, predictions_page

__all__ = ["add_arguments", "run"]


def add_arguments(parser: ArgumentParser) -> None:
    """Add the options of the verb."""
    parser.add_argument("head", help=HEAD_HELP)
    parser.add_argument("labelled", metavar="LABELLED", help=f"labelled images: {LABELLED_HELP}")
    add_embeddings_argument(parser, "IMAGES")
    parser.add_argument(
        "--output",
        metavar="FILE",
        help="file of class, images, right and most often taken for; its ending decides: .csv, "
        ".tsv, .json, .jsonl or .parquet (default: none)",
    )
    parser.add_argument(
        "--report",
        metavar="FILE",
        help="page to write, for instance predictions.html: images by confidence, mistakes, "
        "reliability and a table per class (default: none)",
    )
    parser.add_argument(
        "--shots",
        metavar="PATH",
        help="labelled images that the head was fitted on: --report shows the nearest of them "
        "beside each image",
    )
    add_label_arguments(parser)
    parser.add_argument("--image-column", help="column of image paths, if not found by name")
    parser.add_argument(
        "--images-root",
        metavar="DIR",
        help="folder that the image paths of a table start from (default: the table's own)",
    )
    add_quiet_argument(parser)
    add_job_arguments(parser)
    add_model_arguments(parser, default="the one of the head")


def run(args: Namespace) -> int:
    """Print accuracies; write a line per class and a page if that is asked for."""
    standard_output()
    kind = None if args.output is None else choose_format(args.output)
    page = check_report(args)
    if args.images_root is not None and not find_file(args.images_root).is_dir():
        raise ValueError(f"--images-root {args.images_root!r} is no folder.")
    head = load_head(args.head)
    vectors = given_vectors(args)
    labelled = read_labelled(args.labelled, "LABELLED", args, vectors)
    labels = known_labels(head, labelled.labels, "LABELLED", args.head)
    shots = None if args.shots is None else read_labelled(args.shots, "--shots", args)
    if shots is not None:
        own = known_labels(head, shots.labels, "--shots", args.head)
        shots = shots._replace(labels=own)
    if vectors is not None:
        check_vectors(head, vectors, args.head)
    embedder = embedder_of(head, args) if vectors is None or shots is not None else None
    if is_dry_run(args):
        return 0
    if vectors is not None:
        batches = batches_of_vectors(vectors)
    else:
        assert embedder is not None
        embedder.set_params(verbose=int(not args.quiet))
        batches = batches_of_images(embedder, labelled.paths or [])
    scored = score(head, batches, keep_rows=page is not None)
    seen = scored.seen
    if not seen.any():
        say(f"error: none of the {len(seen)} images could be read")
        return 1
    if not seen.all():
        say(f"{int((~seen).sum())} images could not be read and are left out")
    y, guessed = labels[seen], scored.predicted[seen]
    for line in summary(y, guessed):
        tell(line)
    if kind is not None:
        columns = ["class", "images", "right", "most often taken for"]
        with open_rows(args.output, kind, columns) as write:
            for row in by_class(head, y, guessed):
                write(row)
    if page is not None:
        are_files = vectors is None or vectors.images is not None
        names = np.array(scored.names)[seen].tolist()
        written = predictions_page(
            head,
            scored.rows[seen],
            y,
            ids=names,
            images=names if are_files else None,
            labelled=None if shots is None else as_pool(shots, embedder, quiet=args.quiet),
            title=f"Predictions of {find_file(args.head).stem}",
            n_jobs=args.jobs,
        ).save(page)
        if not args.quiet:
            say(f"page of {len(y)} predictions: {written}")
    return 0


def check_report(args: Namespace) -> Path | None:
    """Return the file of ``--report``, or raise where it cannot be written."""
    if args.report is None:
        if args.shots is not None:
            raise ValueError("--shots are shown in a page: give --report too.")
        return None
    import_optional("jinja2", extra="report", purpose="--report")
    return page_path(args.report, "--report")


class Scored(NamedTuple):
    """What a head says of images in order: names, labels, which have a row, and the rows."""

    names: list[str]
    predicted: NDArray[Any]
    seen: NDArray[np.bool_]
    rows: NDArray[Any]


def score(head: LoadedHead, batches: Iterable[Batch], *, keep_rows: bool) -> Scored:
    """Predict batch by batch; rows are kept only where they are asked for."""
    names, predicted, seen = list[str](), list[NDArray[Any]](), list[bool]()
    rows = [np.empty((0, head.n_features_in_), np.float32)]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UnreadableImageWarning)
        for batch in batches:
            names += batch.names
            predicted.append(head.predict(batch.rows))
            seen += [problem is None for problem in batch.problems]
            if keep_rows:
                rows.append(batch.rows)
    return Scored(names, np.concatenate(predicted), np.array(seen), np.concatenate(rows))


def as_pool(shots: Labelled, embedder: CLIPEmbedder | None, *, quiet: bool) -> PrimingPool:
    """Return labelled images as neighbours to show; those that cannot be read are left out."""
    X = rows_of(shots, None, embedder, quiet=quiet)
    seen = nonzero_rows(X)
    paths = np.array(shots.paths, dtype=object)[seen].tolist()
    return PrimingPool(shots.labels[seen], X[seen], images=paths)


def known_labels(head: LoadedHead, labels: NDArray[Any], option: str, name: str) -> NDArray[Any]:
    """Return labels as the head has them, or raise for those that it does not know."""
    own = {str(label): label for label in head.classes_.tolist()}
    for label, called in (head.class_names_ or {}).items():
        own.setdefault(called, label)
    spaced = {" ".join(text.replace("_", " ").split()): label for text, label in own.items()}
    found = [
        own.get(label, spaced.get(" ".join(label.replace("_", " ").split()))) for label in labels
    ]
    unknown = sorted({label for label, as_own in zip(labels, found, strict=True) if as_own is None})
    if unknown:
        raise ValueError(
            f"{option} has labels that the head {name!r} does not know: {sample_of(unknown)}. It "
            f"knows {sample_of(own)}."
        )
    return np.array(found, dtype=head.classes_.dtype)


def summary(y: NDArray[Any], guessed: NDArray[Any]) -> list[str]:
    """Return what was measured, one line each."""
    right = float(np.mean(y == guessed))
    error = np.sqrt(right * (1 - right) / len(y))
    return [
        f"images: {len(y)}",
        f"classes: {len(np.unique(y))}",
        f"accuracy: {right:.4f} (standard error {error:.4f})",
        f"mean accuracy of classes: {_balanced(y, guessed):.4f}",
    ]


def _balanced(y: NDArray[Any], guessed: NDArray[Any]) -> float:
    with warnings.catch_warnings():
        # a class that is predicted and has no image is no matter here
        warnings.simplefilter("ignore", UserWarning)
        return float(balanced_accuracy_score(y, guessed))


def by_class(head: LoadedHead, y: NDArray[Any], guessed: NDArray[Any]) -> list[list[Any]]:
    """Return class, images, right ones, and the class that its others are most often taken for."""
    counts = confusion_matrix(y, guessed, labels=head.classes_)
    rows = []
    for code, label in enumerate(head.classes_.tolist()):
        others = counts[code].copy()
        others[code] = 0
        taken = str(head.classes_[others.argmax()]) if others.any() else None
        rows.append([str(label), int(counts[code].sum()), int(counts[code, code]), taken])
    return rows
