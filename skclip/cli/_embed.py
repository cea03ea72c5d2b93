"""Embed the images of a corpus that was built without a model."""

from argparse import ArgumentParser, Namespace

from skclip.cli._common import add_model_arguments, add_quiet_argument, make_embedder
from skclip.cli._index import report
from skclip.corpus import Corpus

__all__ = ["add_arguments", "run"]


def add_arguments(parser: ArgumentParser) -> None:
    """Add the options of the verb."""
    parser.add_argument("corpus", help="corpus that `skclip index` wrote")
    add_quiet_argument(parser)
    add_model_arguments(parser)


def run(args: Namespace) -> int:
    """Add embeddings to a corpus."""
    corpus = Corpus(args.corpus).embed(make_embedder(args), verbose=int(not args.quiet))
    if not args.quiet:
        report(corpus)
    return 0
