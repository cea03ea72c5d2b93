"""Fit a head for your classes, and keep it as a file."""

from argparse import ArgumentParser, Namespace
from typing import Any

import numpy as np

from skclip._files import file_to_write, find_file
from skclip.cli._common import (
    DEFAULT_MODEL,
    add_model_arguments,
    add_quiet_argument,
    add_table_arguments,
    table_options,
)
from skclip.cli._fitting import fit_head, prepare, rows_of
from skclip.cli._heads import add_head_arguments, check_head_options, class_names
from skclip.cli._inputs import (
    CORPUS_HELP,
    LABELLED_HELP,
    Labelled,
    add_embeddings_argument,
    add_label_arguments,
    given_vectors,
    read_labelled,
)
from skclip.cli._job import add_job_arguments, is_dry_run
from skclip.cli._terminal import say
from skclip.export import save_head

__all__ = ["add_arguments", "run"]


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
    output = file_to_write(args.output, "--output")
    vectors = given_vectors(args)
    shots = None
    if args.shots is not None:
        shots = read_labelled(args.shots, "--shots", args, vectors)
    elif vectors is not None:
        raise ValueError("--embeddings are of labelled images: give their labels by --shots.")
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
