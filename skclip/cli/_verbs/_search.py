"""List the images of a corpus that a text describes."""

from argparse import ArgumentParser, Namespace

import numpy as np

from skclip._linalg import unit_rows
from skclip.cli._common import (
    add_model_arguments,
    check_at_least_one,
    make_embedder,
    take_model,
)
from skclip.cli._job import add_job_arguments, is_dry_run
from skclip.cli._output import add_output_arguments, choose_format, open_rows
from skclip.corpus import Corpus
from skclip.prompts import encode_texts

__all__ = ["add_arguments", "run"]

COLUMNS = ("similarity", "id", "caption", "image")


def add_arguments(parser: ArgumentParser) -> None:
    """Add the options of the verb."""
    parser.add_argument("text", metavar="TEXT", help="what is looked for: 'a red car on snow'")
    parser.add_argument("--corpus", required=True, help="corpus written by `skclip index`")
    parser.add_argument(
        "--by",
        choices=("image", "caption"),
        default="image",
        help="what is compared with the text: images, or captions (`skclip embed --captions`) "
        "(default: %(default)s)",
    )
    parser.add_argument("--k", type=int, default=10, help="images to list (default: %(default)s)")
    add_output_arguments(parser)
    add_job_arguments(parser)
    add_model_arguments(parser, default="the one of the corpus")


def run(args: Namespace) -> int:
    """Search and write the rows, most similar first."""
    check_at_least_one(args, "k")
    kind = choose_format(args.output, args.format)
    corpus, by_image = Corpus(args.corpus), args.by == "image"
    model_id = corpus.model_id if by_image else corpus.caption_model_id
    what = "" if by_image else "captions of the "
    take_model(args, model_id, f"The {what}corpus {str(corpus.path)!r} was")
    embedder = make_embedder(args)
    if is_dry_run(args):
        return 0
    rows = corpus.search(args.text, args.k, by=args.by, embedder=embedder)
    found = corpus.embeddings(rows) if by_image else corpus.caption_embeddings(rows)
    cosines = unit_rows(found) @ encode_texts(embedder, [args.text])[0]
    similarities = np.round(cosines.astype(float), 4)  # float32 would be written with more digits
    columns = (corpus.ids(rows), corpus.captions(rows), corpus.image_references(rows))
    with open_rows(args.output, kind, COLUMNS, quote=True) as write:
        for similarity, name, caption, image in zip(similarities.tolist(), *columns, strict=True):
            write((similarity, name, caption, image if isinstance(image, str) else None))
    return 0 if len(rows) else 1
