"""Measure a head on labelled images."""

import warnings
from argparse import ArgumentParser, Namespace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import balanced_accuracy_score, confusion_matrix

from skclip._paths import find_file
from skclip._validation import sample_of
from skclip.cli._common import add_model_arguments, add_quiet_argument
from skclip.cli._inputs import (
    LABELLED_HELP,
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
from skclip.exceptions import UnreadableImageWarning
from skclip.export import LoadedHead, load_head

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
    """Print accuracies; write a line per class if that is asked for."""
    standard_output()
    kind = None if args.output is None else choose_format(args.output)
    if args.images_root is not None and not find_file(args.images_root).is_dir():
        raise ValueError(f"--images-root {args.images_root!r} is no folder.")
    head = load_head(args.head)
    vectors = given_vectors(args)
    labelled = read_labelled(args.labelled, "LABELLED", args, vectors)
    labels = known_labels(head, labelled.labels, args.head)
    if vectors is not None:
        check_vectors(head, vectors, args.head)
        if is_dry_run(args):
            return 0
        batches = batches_of_vectors(vectors)
    else:
        embedder = embedder_of(head, args)
        embedder.set_params(verbose=int(not args.quiet))
        if is_dry_run(args):
            return 0
        batches = batches_of_images(embedder, labelled.paths or [])
    predicted, readable = [], []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UnreadableImageWarning)
        for batch in batches:
            predicted.append(head.predict(batch.rows))
            readable += [problem is None for problem in batch.problems]
    seen = np.array(readable)
    if not seen.any():
        say(f"error: none of the {len(seen)} images could be read")
        return 1
    if not seen.all():
        say(f"{int((~seen).sum())} images could not be read and are left out")
    y, guessed = labels[seen], np.concatenate(predicted)[seen]
    for line in summary(y, guessed):
        tell(line)
    if kind is not None:
        columns = ["class", "images", "right", "most often taken for"]
        with open_rows(args.output, kind, columns) as write:
            for row in by_class(head, y, guessed):
                write(row)
    return 0


def known_labels(head: LoadedHead, labels: NDArray[Any], name: str) -> NDArray[Any]:
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
            f"LABELLED has labels that the head {name!r} does not know: {sample_of(unknown)}. It "
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
