"""Classify images by class names and a captioned collection: recall, filter, prime, predict."""

import csv
import os
import tempfile
import warnings
from argparse import ArgumentParser, Namespace
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path

import numpy as np
from tqdm.auto import tqdm

from skclip import PrimedNCMClassifier, ZeroShotClassifier
from skclip._validation import sample_of
from skclip.cli._common import (
    CLASSES_HELP,
    add_model_arguments,
    add_quiet_argument,
    is_corpus,
    make_embedder,
    output_file,
    read_classes,
    say,
)
from skclip.corpus import Corpus
from skclip.corpus._readers._finder import ImageFinder
from skclip.embedding import CLIPEmbedder
from skclip.embedding._decode import decode_image, fetch_image
from skclip.embedding._formats import IMAGE_SUFFIXES
from skclip.exceptions import UnreadableImageError, UnreadableImageWarning
from skclip.recall import CaptionRetriever

__all__ = ["add_arguments", "run"]


def add_arguments(parser: ArgumentParser) -> None:
    """Add the options of the verb."""
    parser.add_argument(
        "--corpus",
        required=True,
        type=Path,
        metavar="PATH",
        help="captioned collection to recall from: a corpus that `skclip index` wrote, a folder "
        "with images and captions, or a table of captions",
    )
    parser.add_argument("--classes", required=True, type=Path, metavar="FILE", help=CLASSES_HELP)
    parser.add_argument(
        "--images",
        required=True,
        type=Path,
        metavar="PATH",
        help="image, or folder of images (and its subfolders), to classify",
    )
    parser.add_argument(
        "--output",
        default="-",
        metavar="FILE",
        help="CSV of image, label, probability and error (default: standard output)",
    )
    parser.add_argument(
        "--k", type=int, default=100, help="most images to recall a class (default: %(default)s)"
    )
    parser.add_argument(
        "--templates",
        default="photo",
        help="published set of prompts, or one prompt with {} for the name (default: %(default)s)",
    )
    parser.add_argument(
        "--save-corpus", metavar="DIR", help="keep the corpus that is built from --corpus"
    )
    add_quiet_argument(parser)
    add_model_arguments(parser)


def run(args: Namespace) -> int:
    """Prime a classifier and write its predictions."""
    names, synonyms = read_classes(args.classes)
    paths = find_images(args.images)
    embedder = make_embedder(args)
    zero_shot = ZeroShotClassifier(
        embedder=embedder, templates=args.templates, synonyms=synonyms, classes=names
    )
    with open_collection(args) as corpus:
        retriever = CaptionRetriever(corpus, k=args.k, synonyms=synonyms, embedder=embedder)
        head = PrimedNCMClassifier(zero_shot, retriever=retriever).fit()
    if not args.quiet:
        report_pool(head)
    failures = write_predictions(head, embedder, paths, args.output, quiet=args.quiet)
    if not args.quiet:
        say(f"classified {len(paths) - failures} of {len(paths)} images")
    if failures:
        say(f"{failures} images could not be read: see the column `error`")
    return 0 if failures < len(paths) else 1


def find_images(path: Path) -> list[Path]:
    """Return an image, or those below a folder in sorted order, by their file names' endings."""
    if path.is_file():
        return [path]
    if not path.is_dir():
        raise ValueError(f"--images {str(path)!r} does not exist.")
    files = (path / name for name in ImageFinder(path).files)
    images = [file for file in files if file.suffix.lower() in IMAGE_SUFFIXES]
    if not images:
        raise ValueError(
            f"--images {str(path)!r} holds no images: looked for files that end in "
            f"{', '.join(sorted(IMAGE_SUFFIXES))}."
        )
    return images


@contextmanager
def open_collection(args: Namespace) -> Iterator[Corpus]:
    """Open the corpus, or build one for the time of the block from a folder or a table."""
    if is_corpus(args.corpus):
        yield Corpus(args.corpus)
        return
    with tempfile.TemporaryDirectory(prefix="skclip-") as temporary:
        directory = args.save_corpus or os.path.join(temporary, "corpus")
        if not args.quiet:
            where = args.save_corpus or "a temporary place (--save-corpus DIR keeps it)"
            say(f"indexing the captions of {args.corpus} in {where}")
        yield Corpus.build(args.corpus, directory, n_jobs=args.jobs, verbose=int(not args.quiet))


def report_pool(head: PrimedNCMClassifier) -> None:
    """Say what was recalled and kept, class by class."""
    report = head.pool_.report()
    matches, kept = (report.counts[key].sum() for key in ("matches", "kept"))
    say(f"of {matches} captions that name a class, the images of {kept} were kept")
    say(f"class by class:\n{report}")
    if report.empty:
        say(f"these have the text alone: {sample_of(report.empty, 10)}")


def write_predictions(
    head: PrimedNCMClassifier,
    embedder: CLIPEmbedder,
    paths: list[Path],
    output: str,
    *,
    quiet: bool,
) -> int:
    """Write one line an image, in order, as batches come; return how many could not be read."""
    n_failures, remaining = 0, iter(paths)
    with (
        output_file(output) as file,
        tqdm(total=len(paths), desc="images", unit=" images", disable=quiet or None) as bar,
        warnings.catch_warnings(),
    ):
        # the reason stands in the image's own line
        warnings.simplefilter("ignore", UnreadableImageWarning)
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["image", "label", "probability", "error"])
        for rows in embedder.iter_transform(paths):
            proba = head.predict_proba(rows)
            best = np.argmax(proba, axis=1)
            batch = islice(remaining, len(rows))
            for path, row, i, p in zip(batch, rows, best, proba.max(axis=1), strict=True):
                if row.any():
                    writer.writerow([path, head.classes_[i], f"{p:.6f}", ""])
                else:
                    writer.writerow([path, "", "", why_unreadable(path)])
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
