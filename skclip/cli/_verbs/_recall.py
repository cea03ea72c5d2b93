"""List the images of a corpus whose captions name a class."""

from argparse import ArgumentParser, Namespace
from collections import Counter
from collections.abc import Iterator

from skclip import ZeroShotClassifier
from skclip._validation import sample_of
from skclip.cli._common import (
    CLASSES_HELP,
    add_model_arguments,
    add_select_argument,
    check_at_least_one,
    make_embedder,
    read_classes,
    take_model,
)
from skclip.cli._heads import COMPARED
from skclip.cli._job import add_job_arguments, is_dry_run
from skclip.cli._output import Row, add_output_arguments, choose_format, open_rows
from skclip.corpus import Corpus
from skclip.recall import CaptionRetriever, PrimingPool

__all__ = ["add_arguments", "run"]

COLUMNS = ("label", "id", "caption", "image")


def add_arguments(parser: ArgumentParser) -> None:
    """Add the options of the verb."""
    parser.add_argument("names", nargs="*", metavar="NAME", help="class names to search for")
    parser.add_argument("--classes", metavar="FILE", help=CLASSES_HELP)
    parser.add_argument("--corpus", required=True, help="corpus written by `skclip index`")
    parser.add_argument(
        "--k", type=int, default=100, help="most images per class (default: %(default)s)"
    )
    add_select_argument(parser)
    add_output_arguments(parser)
    add_job_arguments(parser)
    add_model_arguments(parser, default="the one of the corpus, for --select best and caption")


def run(args: Namespace) -> int:
    """Recall and write the rows."""
    if bool(args.names) == (args.classes is not None):
        raise ValueError("give class names, or a file of them as --classes.")
    check_at_least_one(args, "k")
    kind = choose_format(args.output, args.format)
    check_names(args.names)
    names, synonyms = read_classes(args.classes) if args.classes else (args.names, {})
    if is_dry_run(args):
        return 0
    retriever = CaptionRetriever(
        args.corpus, k=args.k, select=args.select, synonyms=synonyms, random_state=0
    )
    if args.select in COMPARED:
        retriever.set_params(zero_shot=text_head(args, names, synonyms))
    pool = retriever.recall(names)
    with open_rows(args.output, kind, COLUMNS, quote=True) as write:
        for row in rows_of(pool):
            write(row)
    return 0 if len(pool) else 1


def text_head(
    args: Namespace, names: list[str], synonyms: dict[str, list[str]]
) -> ZeroShotClassifier:
    """Return the text head of the names, by the model of the images or captions."""
    corpus, by_image = Corpus(args.corpus), args.select == "best"
    (corpus.embeddings if by_image else corpus.caption_embeddings)([])  # raises if there are none
    model_id = corpus.model_id if by_image else corpus.caption_model_id
    what = "" if by_image else "captions of the "
    take_model(args, model_id, f"The {what}corpus {str(corpus.path)!r} was")
    return ZeroShotClassifier(embedder=make_embedder(args), synonyms=synonyms, classes=names)


def check_names(names: list[str]) -> None:
    """Raise for blank or repeated names."""
    if not all(name.strip() for name in names):
        raise ValueError(f"NAME must be the name of a class, got {sample_of(names)}.")
    twice = [name for name, n in Counter(names).items() if n > 1]
    if twice:
        raise ValueError(
            f"NAME is given more than once: {sample_of(twice)}. Give every class once; write "
            "further names of a class after it in the file of --classes."
        )


def rows_of(pool: PrimingPool) -> Iterator[Row]:
    """Yield the rows of a pool; images stored as bytes have no path."""
    nothing = [None] * len(pool)
    images = nothing if pool.images is None else pool.images
    captions = nothing if pool.captions is None else pool.captions
    ids = nothing if pool.ids is None else pool.ids
    for label, name, caption, image in zip(pool.labels, ids, captions, images, strict=True):
        yield str(label), name, caption, image if isinstance(image, str) else None
