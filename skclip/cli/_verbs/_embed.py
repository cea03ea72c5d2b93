"""Embed the images of a corpus, or again what could not be read; or any images, to a file."""

import warnings
from argparse import ArgumentParser, Namespace

import numpy as np

from skclip._paths import find_file
from skclip.cli._common import (
    DEFAULT_MODEL,
    add_engine_arguments,
    add_model_arguments,
    add_quiet_argument,
    engine_of,
    is_corpus,
    make_embedder,
    note_resumed,
    take_model_of,
)
from skclip.cli._inputs import check_vectors_file, find_images, write_vectors
from skclip.cli._job import add_job_arguments, is_dry_run
from skclip.cli._terminal import say
from skclip.cli._verbs._index import report
from skclip.corpus import UNFINISHED, Corpus
from skclip.exceptions import UnreadableImageWarning

__all__ = ["add_arguments", "run"]


def add_arguments(parser: ArgumentParser) -> None:
    """Add the options of the verb."""
    parser.add_argument(
        "corpus",
        metavar="CORPUS|IMAGES",
        help="corpus that `skclip index` wrote; with --output an image, or a folder of images",
    )
    parser.add_argument(
        "--output",
        metavar="X.npy",
        help="write the embeddings of images to this file, one row an image, and beside it "
        "X.npy.json with the images and the model. An image that cannot be read has a row of zeros",
    )
    parser.add_argument(
        "--retry-failed",
        action="store_true",
        help="embed the images of an embedded corpus that could not be read when it was built",
    )
    add_engine_arguments(parser)
    add_quiet_argument(parser)
    add_job_arguments(parser)
    add_model_arguments(parser, default=f"the one of the corpus, else {DEFAULT_MODEL}")


def run(args: Namespace) -> int:
    """Add embeddings to a corpus, or write them to a file."""
    warnings.simplefilter("ignore", UnreadableImageWarning)  # they are counted
    if args.output is not None:
        return to_file(args)
    if not is_corpus(place := find_file(args.corpus)) and place.is_dir() and any(place.iterdir()):
        raise ValueError(
            f"{args.corpus!r} is no corpus. To embed the images in it, name a file by --output "
            "X.npy; to make a corpus of captioned images, use `skclip index`."
        )
    corpus, verbose = Corpus(args.corpus), int(not args.quiet)
    take_model_of(corpus, args)
    embedder, engine = make_embedder(args), engine_of(args)
    if is_dry_run(args):
        return 0
    note_resumed(corpus.path / UNFINISHED, quiet=args.quiet)
    if args.retry_failed:
        corpus = corpus.retry_failed(embedder, verbose=verbose)
    else:
        with engine:
            corpus = corpus.embed(embedder, verbose=verbose)
    return report(corpus, quiet=args.quiet)


def to_file(args: Namespace) -> int:
    """Write embeddings of images to a file."""
    path = check_vectors_file(args.output)
    if args.retry_failed:
        raise ValueError("--retry-failed is about a corpus: leave --output out.")
    if is_corpus(find_file(args.corpus)):
        raise ValueError(
            f"{args.corpus!r} is a corpus, which keeps its own embeddings: leave --output out."
        )
    images = find_images(args.corpus, option="IMAGES", quiet=args.quiet)
    embedder = make_embedder(args)
    if is_dry_run(args):
        return 0
    embedder.set_params(verbose=int(not args.quiet))
    shape, n_missing, start = (len(images), embedder.load_model().n_features), 0, 0
    with write_vectors(path, shape, list(map(str, images)), embedder.model_id) as rows:
        for batch in embedder.iter_transform(images):
            rows[start : start + len(batch)] = batch
            start += len(batch)
            n_missing += int(np.sum(~batch.any(axis=1)))
    if not args.quiet:
        say(f"{shape[0]} embeddings of {shape[1]} features in {path}")
    if n_missing:
        say(f"{n_missing} images could not be read: their rows are zero")
    return 0 if n_missing < len(images) else 1
