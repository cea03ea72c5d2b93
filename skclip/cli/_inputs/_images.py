"""What images stand for on the command line: files, or embeddings that were made of them."""

from argparse import ArgumentParser, Namespace
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from skclip._files import find_file
from skclip.cli._inputs._vectors import Vectors, read_vectors
from skclip.cli._terminal import say
from skclip.corpus import ImageFinder
from skclip.embedding import IMAGE_SUFFIXES, CLIPEmbedder, decode_image, fetch_image
from skclip.exceptions import UnreadableImageError

__all__ = [
    "Batch",
    "add_embeddings_argument",
    "batches_of_images",
    "batches_of_vectors",
    "find_all_images",
    "find_images",
    "given_vectors",
    "why_unreadable",
]

# Rows of an .npy file that are read and scored at a time.
ROWS_A_BATCH = 4096


class Batch(NamedTuple):
    """Some images in order: what to call each, its row, and why it has none."""

    names: list[str]
    rows: NDArray[Any]
    problems: list[str | None]


def add_embeddings_argument(parser: ArgumentParser, instead_of: str) -> None:
    """Add ``--embeddings``."""
    parser.add_argument(
        "--embeddings",
        metavar="X.npy",
        help=f"embeddings that `skclip embed {instead_of} --output X.npy` or another program made: "
        "one row per image. No model is loaded for images then",
    )


def given_vectors(args: Namespace) -> Vectors | None:
    """Return what ``--embeddings`` names, if it is given."""
    return None if args.embeddings is None else read_vectors(args.embeddings)


def find_images(path: str | Path, *, option: str = "--images", quiet: bool = True) -> list[Path]:
    """Return an image, or the sorted images below a folder, found by their suffixes."""
    path = find_file(path)
    if path.is_file():
        return [path]
    if not path.is_dir():
        raise ValueError(f"{option} {str(path)!r} does not exist.")
    files = [path / name for name in ImageFinder(path).files]
    images = [file for file in files if file.suffix.lower() in IMAGE_SUFFIXES]
    if not images:
        raise ValueError(
            f"{option} {str(path)!r} has no images, which are files ending in "
            f"{', '.join(sorted(IMAGE_SUFFIXES))}."
        )
    if not quiet and len(images) < len(files):
        others = sorted({file.suffix.lower() or "no ending" for file in files} - IMAGE_SUFFIXES)
        n_others = len(files) - len(images)
        say(f"{n_others} files of {option} have no image suffix: {', '.join(others[:9])}")
    return images


def find_all_images(paths: Sequence[str], *, option: str, quiet: bool) -> list[Path]:
    """Return the images that several paths name, each once."""
    found = [image for path in paths for image in find_images(path, option=option, quiet=quiet)]
    return list(dict.fromkeys(found))


def batches_of_images(embedder: CLIPEmbedder, paths: Sequence[Path]) -> Iterator[Batch]:
    """Embed images batch by batch."""
    remaining = iter(paths)
    for rows in embedder.iter_transform(paths):
        files = list(islice(remaining, len(rows)))
        problems = [
            None if row.any() else why_unreadable(file)
            for file, row in zip(files, rows, strict=True)
        ]
        yield Batch(list(map(str, files)), rows, problems)


def batches_of_vectors(vectors: Vectors) -> Iterator[Batch]:
    """Read embeddings batch by batch; rows without a name are called by their number."""
    for start in range(0, len(vectors.rows), ROWS_A_BATCH):
        rows = np.array(vectors.rows[start : start + ROWS_A_BATCH], dtype=vectors.dtype)
        finite = np.isfinite(rows).all(axis=1)
        rows[~finite] = 0
        problems = [
            None
            if row.any()
            else "its embedding is zero"
            if is_finite
            else "its embedding is not finite"
            for row, is_finite in zip(rows, finite, strict=True)
        ]
        numbers = range(start, start + len(rows))
        names = [str(i) if vectors.images is None else vectors.images[i] for i in numbers]
        yield Batch(names, rows, problems)


def why_unreadable(path: Path) -> str:
    """Return the reason why an image has no embedding."""
    try:
        decode_image(fetch_image(path))
    except UnreadableImageError as error:
        return str(error)
    return "its embedding is zero"
