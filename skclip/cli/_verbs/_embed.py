"""Embed the images or captions of a corpus, or again what failed; or any images, to a file."""

import warnings
from argparse import ArgumentParser, Namespace

from skclip._files import find_file
from skclip.cli._common import (
    DEFAULT_MODEL,
    add_engine_arguments,
    add_model_arguments,
    add_quiet_argument,
    engine_of,
    is_corpus,
    make_embedder,
    note_resumed,
    take_model,
    take_model_of,
)
from skclip.cli._inputs import check_vectors_file, find_images, grow_vectors
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
        help="write the embeddings of images to this file, one row per image, and beside it "
        "X.npy.json with the images and the model. An image that cannot be read has a row of zeros",
    )
    parser.add_argument(
        "--retry-failed",
        action="store_true",
        help="embed the images of an embedded corpus that could not be read when it was built",
    )
    parser.add_argument(
        "--captions",
        action="store_true",
        help="embed the captions of a corpus by the text encoder of the model, to rank by caption "
        "and for `skclip search --by caption`",
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
    if args.captions:
        if args.retry_failed:
            raise ValueError("--retry-failed is about images: leave --captions out.")
        take_model(
            args,
            corpus.caption_model_id,
            f"The captions of the corpus {str(corpus.path)!r} were",
        )
    take_model_of(corpus, args)
    embedder, engine = make_embedder(args), engine_of(args)
    if is_dry_run(args):
        return 0
    note_resumed(corpus.path / UNFINISHED, quiet=args.quiet)
    if args.captions:
        with engine:
            corpus = corpus.embed_captions(embedder, verbose=verbose)
        if not args.quiet:
            say(f"{len(corpus)} captions embedded by {corpus.caption_model_id}, in {corpus.path}")
        return 0
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
    if args.captions:
        raise ValueError("--captions is about a corpus: leave --output out.")
    if is_corpus(find_file(args.corpus)):
        raise ValueError(
            f"{args.corpus!r} is a corpus, which keeps its own embeddings: leave --output out."
        )
    images = find_images(args.corpus, option="IMAGES", quiet=args.quiet)
    embedder = make_embedder(args)
    if is_dry_run(args):
        return 0
    embedder.set_params(verbose=int(not args.quiet))
    loaded, n = embedder.load_model(), len(images)
    with grow_vectors(path, loaded.n_features, images, embedder.model_id, loaded.dtype) as rows:
        if rows.n_rows:
            say(f"resuming {args.output}: {rows.n_rows} of {n} images are embedded")
        elif rows.other is not None:
            say(f"starting again: the interrupted run of {args.output} was of {rows.other}")
        try:
            for batch in embedder.iter_transform(images[rows.n_rows :]):
                rows.append(batch)
        except KeyboardInterrupt:
            say(f"{rows.n_rows} of {n} images are embedded: the same command continues")
            raise
    if not args.quiet:
        say(f"{n} embeddings of {loaded.n_features} features in {path}")
    if rows.n_zero:
        say(f"{rows.n_zero} images could not be read: their rows are zero")
    return 0 if rows.n_zero < n else 1
