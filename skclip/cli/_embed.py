"""Embed the images of a corpus built without a model, or retry unreadable images."""

import warnings
from argparse import ArgumentParser, Namespace

from skclip.cli._common import (
    DEFAULT_MODEL,
    add_model_arguments,
    add_quiet_argument,
    make_embedder,
    note_resumed,
    take_model_of,
)
from skclip.cli._index import report
from skclip.corpus import UNFINISHED, Corpus
from skclip.exceptions import UnreadableImageWarning

__all__ = ["add_arguments", "run"]


def add_arguments(parser: ArgumentParser) -> None:
    """Add the options of the verb."""
    parser.add_argument("corpus", help="corpus written by `skclip index`")
    parser.add_argument(
        "--retry-failed",
        action="store_true",
        help="retry to embed the images that could not be read",
    )
    add_quiet_argument(parser)
    add_model_arguments(parser, default=f"the model of the corpus, else {DEFAULT_MODEL}")


def run(args: Namespace) -> int:
    """Add embeddings to a corpus."""
    warnings.simplefilter("ignore", UnreadableImageWarning)  # `report` counts them
    corpus, verbose = Corpus(args.corpus), int(not args.quiet)
    take_model_of(corpus, args)
    embedder = make_embedder(args)
    note_resumed(corpus.path / UNFINISHED, quiet=args.quiet)
    if args.retry_failed:
        corpus = corpus.retry_failed(embedder, verbose=verbose)
    else:
        corpus = corpus.embed(embedder, verbose=verbose)
    return report(corpus, quiet=args.quiet)
