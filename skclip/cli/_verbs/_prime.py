"""Classify images by class names and a captioned collection: recall, filter, prime, predict."""

from argparse import ArgumentParser, Namespace

from skclip.cli._common import (
    DEFAULT_MODEL,
    add_model_arguments,
    add_quiet_argument,
    add_table_arguments,
    table_options,
)
from skclip.cli._fitting import fit_head, prepare
from skclip.cli._heads import WITH_TEXT, add_head_arguments, check_head_options, class_names
from skclip.cli._inputs import (
    CORPUS_HELP,
    add_embeddings_argument,
    batches_of_images,
    batches_of_vectors,
    find_images,
    given_vectors,
)
from skclip.cli._job import add_job_arguments, is_dry_run
from skclip.cli._output import choose_format
from skclip.cli._predictions import add_output_argument, check_top, classify

__all__ = ["add_arguments", "run"]


def add_arguments(parser: ArgumentParser) -> None:
    """Add the options of the verb."""
    parser.add_argument(
        "--images",
        metavar="PATH",
        help="image, or folder of images (and its subfolders), to classify",
    )
    add_embeddings_argument(parser, "IMAGES")
    add_output_argument(parser)
    add_head_arguments(parser, corpus_help=CORPUS_HELP, heads=WITH_TEXT)
    add_table_arguments(parser)
    add_quiet_argument(parser)
    add_job_arguments(parser)
    add_model_arguments(parser, default=f"the one of the corpus, else {DEFAULT_MODEL}")


def run(args: Namespace) -> int:
    """Prime a classifier and write its predictions."""
    # whatever can be wrong is found before the work that it would spoil
    check_head_options(args, has_shots=False)
    kind = choose_format(args.output)
    classes, _ = class_names(args, None)
    top = check_top(args.top, len(classes.names))
    vectors = given_vectors(args)
    if (args.images is None) == (vectors is None):
        raise ValueError("give --images to classify, or else --embeddings, and not both.")
    paths = [] if vectors is not None else find_images(args.images, quiet=args.quiet)
    n_images = len(paths) if vectors is None else len(vectors.rows)
    options = table_options(args)
    embedder = prepare(args, vectors)
    assert embedder is not None  # the heads of this verb embed class names
    if is_dry_run(args):
        return 0
    if vectors is not None and vectors.rows.shape[1] != embedder.load_model().n_features:
        raise ValueError(
            f"--embeddings {str(vectors.path)!r} has {vectors.rows.shape[1]} features, and the "
            f"model gives {embedder.load_model().n_features}: they are of another model."
        )
    head = fit_head(args, classes, embedder, options)
    batches = batches_of_images(embedder, paths)
    if vectors is not None:
        batches = batches_of_vectors(vectors)
    return classify(head, batches, n_images, args.output, kind, top=top, quiet=args.quiet)
