"""Classify images with class names and a captioned collection: recall, filter, prime, predict."""

import warnings
from argparse import ArgumentParser, Namespace
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from tqdm.auto import tqdm

from skclip import PrimedNCMClassifier, ZeroShotClassifier
from skclip._paths import find_file
from skclip._validation import sample_of
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
from skclip.cli._output import choose_format, open_rows
from skclip.cli._temporary import temporary_folder
from skclip.cli._terminal import say
from skclip.corpus import Corpus, ImageFinder
from skclip.embedding import IMAGE_SUFFIXES, CLIPEmbedder, decode_image, fetch_image
from skclip.exceptions import BareNumberWarning, UnreadableImageError, UnreadableImageWarning
from skclip.prompts import build_prompts
from skclip.recall import CaptionRetriever, PrimingPool

__all__ = ["add_arguments", "run"]


def add_arguments(parser: ArgumentParser) -> None:
    """Add the options of the verb."""
    parser.add_argument(
        "--corpus",
        required=True,
        metavar="PATH",
        help="captioned collection to recall from: a corpus written by `skclip index`, a folder "
        "with images and captions, or a table of captions",
    )
    parser.add_argument("--classes", required=True, metavar="FILE", help=CLASSES_HELP)
    parser.add_argument(
        "--images",
        required=True,
        metavar="PATH",
        help="image, or folder of images (and its subfolders), to classify",
    )
    parser.add_argument(
        "--output",
        default="-",
        metavar="FILE",
        help="file of image, label, probability and error, with the suffix .csv, .tsv, .json, "
        ".jsonl or .parquet (default: CSV on standard output)",
    )
    parser.add_argument(
        "--k", type=int, default=100, help="most images per class (default: %(default)s)"
    )
    parser.add_argument(
        "--templates",
        default="photo",
        help="published set of prompts, or one prompt with {} for the name (default: %(default)s)",
    )
    parser.add_argument("--save-corpus", metavar="DIR", help="save the corpus built from --corpus")
    add_decisions_argument(parser)
    add_table_arguments(parser)
    add_quiet_argument(parser)
    add_model_arguments(parser, default=f"the model of the corpus, else {DEFAULT_MODEL}")


def run(args: Namespace) -> int:
    """Prime a classifier and write its predictions."""
    # check all arguments before the long work
    check_at_least_one(args, "k")
    kind = choose_format(args.output)
    names, synonyms = read_classes(args.classes)
    check_templates(names, args.templates)
    paths = find_images(args.images, quiet=args.quiet)
    options = table_options(args)
    if args.save_corpus is not None:
        check_folder(args.save_corpus, "--save-corpus")
    if is_corpus(source := find_file(args.corpus)):
        take_model_of(Corpus(source), args)
    embedder = make_embedder(args)
    zero_shot = ZeroShotClassifier(
        embedder=embedder, templates=args.templates, synonyms=synonyms, classes=names
    )
    with open_collection(args, embedder, options) as corpus:
        retriever = CaptionRetriever(corpus, k=args.k, synonyms=synonyms, embedder=embedder)
        pool = retriever.recall(names)
        check_readable(pool)
        pool = as_decided(pool, args)
        head = PrimedNCMClassifier(zero_shot, retriever=pool).fit()
    if not args.quiet:
        report_pool(head)
    failures = write_predictions(head, embedder, paths, args.output, kind, quiet=args.quiet)
    if not args.quiet:
        say(f"classified {len(paths) - failures} of {len(paths)} images")
    if failures:
        say(f"{failures} images could not be read: see the column `error`")
    return 0 if failures < len(paths) else 1


def check_templates(names: list[str], templates: str) -> None:
    """Raise if prompts cannot be written, without warnings, which come later."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", BareNumberWarning)
        build_prompts(names, templates)


def find_images(path: str | Path, *, quiet: bool = True) -> list[Path]:
    """Return an image, or the sorted images below a folder, found by their suffixes."""
    path = find_file(path)
    if path.is_file():
        return [path]
    if not path.is_dir():
        raise ValueError(f"--images {str(path)!r} does not exist.")
    files = [path / name for name in ImageFinder(path).files]
    images = [file for file in files if file.suffix.lower() in IMAGE_SUFFIXES]
    if not images:
        raise ValueError(
            f"--images {str(path)!r} has no images, which are files ending in "
            f"{', '.join(sorted(IMAGE_SUFFIXES))}."
        )
    if not quiet and len(images) < len(files):
        others = sorted({file.suffix.lower() or "no ending" for file in files} - IMAGE_SUFFIXES)
        n_others = len(files) - len(images)
        say(f"{n_others} files of --images have no image suffix: {', '.join(others[:9])}")
    return images


@contextmanager
def open_collection(
    args: Namespace, embedder: CLIPEmbedder, options: dict[str, Any]
) -> Iterator[Corpus]:
    """Open the corpus, or build one from a folder or table, which is temporary by default."""
    path = find_file(args.corpus)
    corpus = Corpus(path) if is_corpus(path) else None
    if corpus is None and not path.exists() and "{" not in path.name:
        raise ValueError(f"--corpus {args.corpus!r} does not exist.")
    # the tokenizer is needed for class names: fail before indexing
    _ = embedder.load_model().tokenizer
    if corpus is not None:
        yield corpus
        return
    with temporary_folder("prime") as temporary:
        directory = args.save_corpus or temporary / "corpus"
        if not args.quiet:
            where = args.save_corpus or "a temporary folder (--save-corpus DIR keeps it)"
            say(f"indexing the captions of {args.corpus} in {where}")
        yield Corpus.build(
            path, directory, n_jobs=args.jobs, verbose=int(not args.quiet), **options
        )


def check_readable(pool: PrimingPool) -> None:
    """Raise if captions name the classes but none of their images can be read."""
    problems = pool.report().problems
    if not len(pool) and problems:
        raise ValueError(
            f"none of the {len(problems)} images that --corpus has of the classes can be read: "
            f"{sample_of(problems)}. Give the folder of the images as --images-root when building "
            "the corpus."
        )


def report_pool(head: PrimedNCMClassifier) -> None:
    """Print how many images were recalled and kept for each class."""
    report = head.pool_.report()
    matches, kept = (report.counts[key].sum() for key in ("matches", "kept"))
    say(f"of {matches} captions that name a class, the images of {kept} were kept")
    say(f"per class:\n{report}")
    if report.empty:
        say(f"classes without images, which use text only: {sample_of(report.empty, 10)}")


def write_predictions(
    head: PrimedNCMClassifier,
    embedder: CLIPEmbedder,
    paths: list[Path],
    output: str,
    kind: str,
    *,
    quiet: bool,
) -> int:
    """Write one line per image, in order; return the number of unreadable images."""
    n_failures, remaining = 0, iter(paths)
    with (
        open_rows(output, kind, ["image", "label", "probability", "error"]) as write,
        tqdm(total=len(paths), desc="images", unit=" images", disable=quiet or None) as bar,
        warnings.catch_warnings(),
    ):
        # the reason is in the image's line
        warnings.simplefilter("ignore", UnreadableImageWarning)
        for rows in embedder.iter_transform(paths):
            proba = head.predict_proba(rows)
            best = np.argmax(proba, axis=1)
            batch = islice(remaining, len(rows))
            for path, row, i, p in zip(batch, rows, best, proba.max(axis=1), strict=True):
                if row.any():
                    write([str(path), str(head.classes_[i]), round(float(p), 6), None])
                else:
                    write([str(path), None, None, why_unreadable(path)])
                    n_failures += 1
            bar.update(len(rows))
    return n_failures


def why_unreadable(path: Path) -> str:
    """Return the reason why an image has no embedding."""
    try:
        decode_image(fetch_image(path))
    except UnreadableImageError as error:
        return str(error)
    return "its embedding is zero"
