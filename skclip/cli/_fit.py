"""Fit a head for your classes, and keep it as a file."""

import warnings
from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skclip.cli._collection import CORPUS_HELP, open_collection
from skclip.cli._common import (
    DEFAULT_MODEL,
    add_model_arguments,
    add_quiet_argument,
    add_table_arguments,
    check_folder,
    is_corpus,
    make_embedder,
    table_options,
    take_model,
    take_model_of,
)
from skclip.cli._heads import (
    WITH_TEXT,
    Classes,
    add_head_arguments,
    check_head_options,
    class_names,
    make_head,
    recall,
)
from skclip.cli._images import add_embeddings_argument, given_vectors
from skclip.cli._job import add_job_arguments, is_dry_run
from skclip.cli._labelled import LABELLED_HELP, Labelled, add_label_arguments, read_labelled
from skclip.cli._summary import say_recall
from skclip.cli._terminal import say
from skclip.cli._vectors import Vectors
from skclip.corpus import Corpus
from skclip.embedding import CLIPEmbedder
from skclip._paths import find_file
from skclip.exceptions import ModelMismatchError, UnreadableImageWarning
from skclip.export import save_head

__all__ = ["add_arguments", "fit_head", "prepare", "run"]


def add_arguments(parser: ArgumentParser) -> None:
    """Add the options of the verb."""
    parser.add_argument(
        "--output", required=True, metavar="FILE", help="head to write, such as birds.skclip"
    )
    parser.add_argument(
        "--shots", metavar="PATH", help=f"labelled images: {LABELLED_HELP} (default: none)"
    )
    add_embeddings_argument(parser, "SHOTS")
    add_head_arguments(parser, corpus_help=CORPUS_HELP)
    add_label_arguments(parser)
    add_table_arguments(parser)
    add_quiet_argument(parser)
    add_job_arguments(parser)
    add_model_arguments(parser, default=f"the one of the corpus, else {DEFAULT_MODEL}")


def run(args: Namespace) -> int:
    """Fit a head and write it."""
    output = check_head_file(args.output)
    vectors = given_vectors(args)
    shots = None
    if args.shots is not None:
        shots = read_labelled(args.shots, "--shots", args, vectors)
    elif vectors is not None:
        raise ValueError("--embeddings are those of --shots: give their labels by it.")
    check_head_options(args, has_shots=shots is not None)
    classes, shots = class_names(args, shots)
    options = table_options(args)
    embedder = prepare(args, vectors)
    if is_dry_run(args):
        return 0
    X = None if shots is None else rows_of(shots, vectors, embedder, quiet=args.quiet)
    head = fit_head(args, classes, embedder, options, X, None if shots is None else shots.labels)
    model = embedder if embedder is not None else vectors and vectors.model_id
    save_head(head, output, embedder=model, provenance=_provenance(args, shots))
    if not args.quiet:
        weights = getattr(head, "head_weights_", {})
        parts = ", ".join(f"{name} {weight:.3g}" for name, weight in weights.items())
        say(f"weights of the parts: {parts}" if parts else f"fitted {args.head}")
        say(f"{len(classes.names)} classes in {output}: skclip predict {output} IMAGES")
    return 0


def check_head_file(given: str) -> Path:
    """Return the file that a head is to be written to, or raise."""
    path = find_file(given)
    if path.is_dir():
        raise ValueError(f"--output {given!r} is a folder: name a file in it, as head.skclip.")
    if not path.parent.is_dir():
        raise ValueError(f"--output {given!r} is in a folder that does not exist: make it first.")
    return path


def prepare(args: Namespace, vectors: Vectors | None = None) -> CLIPEmbedder | None:
    """Settle the model; None where nothing is to be embedded."""
    if args.save_corpus is not None:
        check_folder(args.save_corpus, "--save-corpus")
    if args.corpus is not None and is_corpus(source := find_file(args.corpus)):
        take_model_of(Corpus(source), args)
    if vectors is not None:
        if args.head not in WITH_TEXT:
            return None
        if args.model is None and vectors.model_id is None:
            raise ValueError(
                f"--head {args.head} embeds class names, and nobody knows which model made "
                "--embeddings: name it by --model, or choose --head class-means, discriminant or "
                "proxies."
            )
        take_model(args, vectors.model_id, f"{str(vectors.path)!r} was")
    embedder = make_embedder(args)
    if vectors is not None and vectors.model_id not in (None, embedder.model_id):
        raise ModelMismatchError(
            f"--embeddings {str(vectors.path)!r} are of {vectors.model_id!r}, the model is "
            f"{embedder.model_id!r}: use one model for all."
        )
    return embedder


def rows_of(
    shots: Labelled, vectors: Vectors | None, embedder: CLIPEmbedder | None, *, quiet: bool
) -> NDArray[Any]:
    """Return the embeddings of labelled images; those that cannot be read are zero."""
    if vectors is not None:
        return np.array(vectors.rows, dtype=vectors.dtype)
    assert embedder is not None
    embedder.set_params(verbose=int(not quiet))
    with warnings.catch_warnings():
        # they are counted here
        warnings.simplefilter("ignore", UnreadableImageWarning)
        X: NDArray[Any] = embedder.transform(shots.paths)
    missing = int((~X.any(axis=1)).sum())
    if missing == len(X):
        raise ValueError(f"none of the {len(X)} images of --shots can be read.")
    if missing:
        say(f"{missing} of {len(X)} images of --shots could not be read and are left out")
    return X


def fit_head(
    args: Namespace,
    classes: Classes,
    embedder: CLIPEmbedder | None,
    options: dict[str, Any],
    X: NDArray[Any] | None = None,
    y: NDArray[Any] | None = None,
) -> Any:
    """Recall, fit, and say what was recalled."""
    if args.corpus is None:
        return make_head(args, classes, embedder, None).fit(X, y)
    assert embedder is not None
    with open_collection(args, embedder, options) as corpus:
        pool = recall(args, classes, corpus, embedder)
        head = make_head(args, classes, embedder, pool).fit(X, y)
    if not args.quiet:
        say_recall(pool, head.pool_)
    return head


def _provenance(args: Namespace, shots: Labelled | None) -> dict[str, Any]:
    """Return what the options say about where a head came from; folders stay private."""
    facts: dict[str, Any] = {}
    if args.corpus is not None:
        facts["corpus"] = {
            "name": find_file(args.corpus).name,
            **{name: getattr(args, name) for name in ("k", "plural", "filter")},
        }
    if shots is not None:
        labels, counts = np.unique(shots.labels, return_counts=True)
        facts["labelled_images"] = dict(zip(labels.tolist(), counts.tolist(), strict=True))
    return facts
