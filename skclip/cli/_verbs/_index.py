"""Build a corpus from captioned images: a caption index, and embeddings if a model is given."""

import warnings
from argparse import ArgumentParser, Namespace
from typing import Any

from skclip.cli._common import (
    add_engine_arguments,
    add_model_arguments,
    add_quiet_argument,
    add_table_arguments,
    check_folder,
    engine_of,
    make_embedder,
    note_resumed,
    table_options,
)
from skclip.cli._inputs import add_embeddings_argument, given_vectors
from skclip.cli._job import add_job_arguments, is_dry_run
from skclip.cli._terminal import say
from skclip.corpus import UNFINISHED, Corpus
from skclip.exceptions import UnreadableImageWarning

__all__ = ["add_arguments", "run"]


def add_arguments(parser: ArgumentParser) -> None:
    """Add the options of the verb."""
    parser.add_argument(
        "source",
        help="folder with images and captions (a .txt or .json file beside each image, or one "
        "CSV, TSV or Parquet file), or a table of captions",
    )
    parser.add_argument("--output", required=True, metavar="DIR", help="corpus to write")
    mode = parser.add_mutually_exclusive_group()
    mode.add_argument("--append", action="store_true", help="add to the existing corpus")
    mode.add_argument("--overwrite", action="store_true", help="replace the existing corpus")
    add_embeddings_argument(parser, "IMAGES")
    add_table_arguments(parser)
    add_engine_arguments(parser)
    add_quiet_argument(parser)
    add_job_arguments(parser)
    add_model_arguments(parser, default="none, captions only")


def run(args: Namespace) -> int:
    """Build or extend a corpus."""
    warnings.simplefilter("ignore", UnreadableImageWarning)  # `report` counts them
    options = {
        "embedder": None if args.model is None else make_embedder(args),
        "n_jobs": args.jobs,
        "verbose": int(not args.quiet),
        **table_options(args),
    }
    output = check_folder(args.output, "--output")
    given: dict[str, Any] = {}
    if (vectors := given_vectors(args)) is not None:
        if args.append or args.model is not None:
            other = "--append" if args.append else "--model"
            raise ValueError(f"--embeddings are those of a new corpus: leave {other} out.")
        given = {"embeddings": vectors.path, "model_id": vectors.model_id}
    engine = engine_of(args)
    if is_dry_run(args):
        return 0
    note_resumed(output / UNFINISHED, quiet=args.quiet)
    with engine:
        if args.append:
            corpus = Corpus(output).append(args.source, **options)
        else:
            corpus = Corpus.build(args.source, output, overwrite=args.overwrite, **given, **options)
    return report(corpus, quiet=args.quiet)


def report(corpus: Corpus, *, quiet: bool) -> int:
    """Print a summary of a corpus, and always its failures; return the exit status."""
    embedded = "without embeddings" if corpus.model_id is None else f"embedded by {corpus.model_id}"
    if not quiet:
        say(f"{len(corpus)} captions, {embedded}, in {corpus.path}")
    n_failures = corpus.failures().num_rows
    if n_failures and n_failures == len(corpus):
        reason = corpus.failures().column("reason")[0].as_py()
        say(
            f"error: none of the {n_failures} images could be read (the first: {reason}). "
            "--images-root gives the base folder of the paths of a table; "
            f"skclip info {corpus.path} --failures lists the images"
        )
        return 1
    if n_failures:
        say(
            f"{n_failures} images could not be read: skclip info {corpus.path} --failures lists "
            "them, skclip embed --retry-failed embeds them again"
        )
    return 0
