"""Show what is recalled in a page to look through and correct, or write it for other programs."""

from argparse import ArgumentParser, Namespace
from pathlib import Path

from skclip import ZeroShotClassifier
from skclip._files import file_to_write, find_file
from skclip._optional import import_optional
from skclip.cli._common import (
    CLASSES_HELP,
    DEFAULT_MODEL,
    add_decisions_argument,
    add_model_arguments,
    add_quiet_argument,
    add_table_arguments,
    as_decided,
    check_at_least_one,
    check_folder,
    is_corpus,
    make_embedder,
    read_classes,
    table_options,
    take_model_of,
)
from skclip.cli._heads import check_readable, check_templates
from skclip.cli._inputs import open_collection
from skclip.cli._job import add_job_arguments, is_dry_run
from skclip.cli._terminal import say
from skclip.corpus import Corpus
from skclip.recall import CaptionRetriever
from skclip.report import page_path, pool_page, to_embedding_atlas, to_fiftyone, to_lightly

__all__ = ["add_arguments", "run"]

_EXPORTS = {
    "fiftyone": to_fiftyone,
    "lightly": to_lightly,
    "embedding-atlas": to_embedding_atlas,
}


def add_arguments(parser: ArgumentParser) -> None:
    """Add the options of the verb."""
    parser.add_argument(
        "--corpus",
        required=True,
        metavar="PATH",
        help="captioned collection to recall from: a corpus that `skclip index` wrote, a folder "
        "with images and captions, or a table of captions",
    )
    parser.add_argument("--classes", required=True, metavar="FILE", help=CLASSES_HELP)
    parser.add_argument(
        "--output",
        required=True,
        metavar="FILE",
        help="page to write, for instance pool.html",
    )
    parser.add_argument(
        "--format",
        choices=("html", *_EXPORTS),
        default="html",
        help="html is a page; fiftyone writes a folder, lightly a CSV file, embedding-atlas a "
        "Parquet file (default: %(default)s)",
    )
    parser.add_argument(
        "--k", type=int, default=100, help="most images to recall per class (default: %(default)s)"
    )
    parser.add_argument(
        "--templates",
        default="photo",
        help="published set of prompts, or one prompt with {} for the name (default: %(default)s)",
    )
    parser.add_argument(
        "--save-corpus", metavar="DIR", help="keep the corpus that is built from --corpus"
    )
    add_decisions_argument(parser)
    add_table_arguments(parser)
    add_quiet_argument(parser)
    add_job_arguments(parser)
    add_model_arguments(parser, default=f"the one of the corpus, else {DEFAULT_MODEL}")


def run(args: Namespace) -> int:
    """Recall and write the page."""
    # whatever can be wrong is found before the work that it would spoil
    check_at_least_one(args, "k")
    if args.format == "fiftyone":
        output = check_folder(args.output, "--output")
    elif args.format == "html":
        output = page_path(args.output, "--output")
        import_optional("jinja2", extra="report", purpose="The page")
    else:
        output = file_to_write(args.output, "--output")
    names, synonyms = read_classes(args.classes)
    check_templates(names, args.templates)
    options = table_options(args)
    if args.save_corpus is not None:
        check_folder(args.save_corpus, "--save-corpus")
    if is_corpus(source := find_file(args.corpus)):
        take_model_of(Corpus(source), args)
    embedder = make_embedder(args)
    if is_dry_run(args):
        return 0
    zero_shot = ZeroShotClassifier(
        embedder=embedder, templates=args.templates, synonyms=synonyms, classes=names
    ).fit()
    with open_collection(args, embedder, options) as corpus:
        retriever = CaptionRetriever(corpus, k=args.k, synonyms=synonyms, embedder=embedder)
        pool = retriever.recall(names)
        check_readable(pool)
        pool = as_decided(pool, args)
        if args.format == "html":
            written = pool_page(
                pool,
                zero_shot=zero_shot,
                embedder=embedder,
                synonyms=synonyms,
                title=f"Priming pool of {Path(args.corpus).name}",
                n_jobs=args.jobs,
            ).save(output)
        else:
            written = _EXPORTS[args.format](pool, output, zero_shot=zero_shot)
    if not args.quiet:
        say(f"{len(pool)} images of {len(names)} classes: {written}")
    return 0
