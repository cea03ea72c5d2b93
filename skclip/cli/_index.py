"""Build a corpus from captioned images: a caption index, and embeddings if a model is named."""

import warnings
from argparse import ArgumentParser, Namespace

from skclip.cli._common import add_model_arguments, add_quiet_argument, make_embedder, say
from skclip.corpus import Corpus
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
    mode.add_argument("--append", action="store_true", help="add to the corpus that is there")
    mode.add_argument("--overwrite", action="store_true", help="replace the corpus that is there")
    parser.add_argument("--caption-column", help="column of captions, if not found by name")
    parser.add_argument("--image-column", help="column of image paths, if not found by name")
    add_quiet_argument(parser)
    add_model_arguments(parser)
    parser.set_defaults(model=None)


def run(args: Namespace) -> int:
    """Build or extend a corpus."""
    warnings.simplefilter("ignore", UnreadableImageWarning)  # `report` counts them
    columns = {"caption_column": args.caption_column, "image_column": args.image_column}
    options = {
        "embedder": None if args.model is None else make_embedder(args),
        "n_jobs": args.jobs,
        "verbose": int(not args.quiet),
    }
    if args.append:
        corpus = Corpus(args.output).append(args.source, **columns, **options)
    else:
        corpus = Corpus.build(
            args.source, args.output, overwrite=args.overwrite, **columns, **options
        )
    report(corpus, quiet=args.quiet)
    return 0


def report(corpus: Corpus, *, quiet: bool) -> None:
    """Say what a corpus holds, and in any case what could not be read."""
    embedded = "without embeddings" if corpus.model_id is None else f"embedded by {corpus.model_id}"
    if not quiet:
        say(f"{len(corpus)} captions, {embedded}, in {corpus.path}")
    if n_failures := corpus.failures().num_rows:
        say(
            f"{n_failures} images could not be read: skclip info {corpus.path} --failures lists "
            "them, skclip embed --retry-failed tries them again"
        )
