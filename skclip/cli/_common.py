"""What several verbs share: messages, the model's options, class files, where output goes."""

import csv
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from skclip.corpus._manifest import MANIFEST, UNFINISHED, replacing
from skclip.embedding import CLIPEmbedder

__all__ = [
    "CLASSES_HELP",
    "add_model_arguments",
    "add_quiet_argument",
    "is_corpus",
    "make_embedder",
    "output_file",
    "read_classes",
    "say",
]

CLASSES_HELP = (
    "text file with one class a line; further names of a class follow it after commas: "
    "'airplane, plane, jet'. A name with a comma stands in double quotes."
)


def say(message: str) -> None:
    """Tell the user something that is no result: on standard error."""
    print(f"skclip: {message}", file=sys.stderr)


def add_model_arguments(parser: ArgumentParser, *, required: bool = False) -> None:
    """Add the options that name and run a model."""
    group = parser.add_argument_group("model")
    group.add_argument(
        "--model",
        required=required,
        default=None if required else "ViT-B-32",
        help="a name open_clip knows, 'hf-hub:ORG/REPO', 'local-dir:FOLDER', or 'skclip-tiny'"
        + ("" if required else " (default: %(default)s)"),
    )
    group.add_argument(
        "--pretrained",
        default="auto",
        help="pretrained tag or checkpoint file (default: the usual one of the model)",
    )
    group.add_argument("--device", default="auto", help="torch device (default: %(default)s)")
    group.add_argument(
        "--dtype",
        choices=("auto", "float32", "float16", "bfloat16"),
        default="float32",
        help="what the model computes in; auto is what the machine does fast "
        "(default: %(default)s)",
    )
    group.add_argument(
        "--batch-size", type=int, default=64, help="images a forward pass (default: %(default)s)"
    )
    group.add_argument(
        "--jobs",
        type=int,
        default=-1,
        help="workers that decode images; -1 is one a core (default: %(default)s)",
    )
    group.add_argument(
        "--cache",
        metavar="DIR",
        help="folder that keeps every embedding, so that none is made twice",
    )


def make_embedder(args: Namespace) -> CLIPEmbedder:
    """Return the embedder that the model's options describe; it skips unreadable images."""
    return CLIPEmbedder(
        args.model,
        args.pretrained,
        device=args.device,
        dtype=args.dtype,
        batch_size=args.batch_size,
        n_jobs=args.jobs,
        cache=args.cache,
        on_error="skip",
    )


def add_quiet_argument(parser: ArgumentParser) -> None:
    """Add ``--quiet``."""
    parser.add_argument("--quiet", action="store_true", help="no progress bars, no summary")


def read_classes(path: Path) -> tuple[list[str], dict[str, list[str]]]:
    """Read class names and their synonyms.

    Parameters
    ----------
    path : Path
        Text file as :data:`CLASSES_HELP` says; blank lines have no meaning.

    Returns
    -------
    names : list of str
        Class names in the file's order.

    synonyms : dict of {str: list of str}
        Further names of the classes that have some.
    """
    names, synonyms = [], {}
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise ValueError(f"{str(path)!r} is no UTF-8 text ({error}): save it as UTF-8.") from error
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        # line by line, so that a quote left open takes no other class with it
        (cells,) = csv.reader([line.strip()], skipinitialspace=True)
        name, *others = (cell.strip() for cell in cells)
        if not name:
            raise ValueError(f"{str(path)!r}, line {number}, begins without a name: {line!r}.")
        names.append(name)
        if any(others):
            synonyms[name] = list(filter(None, others))
    if not names:
        raise ValueError(f"{str(path)!r} holds no class names: write one a line.")
    return names, synonyms


def is_corpus(path: Path) -> bool:
    """Return whether a directory is a corpus, or one whose building was interrupted."""
    return (path / MANIFEST).exists() or (path / UNFINISHED).exists()


@contextmanager
def output_file(path: str) -> Iterator[IO[str]]:
    """Open a text file to write; it appears under its name when it is complete.

    Parameters
    ----------
    path : str
        File, or ``-`` for standard output.

    Yields
    ------
    file : text file
        UTF-8; line ends are written as given.
    """
    if path == "-":
        yield sys.stdout
        return
    with (
        replacing(Path(path)) as temporary,
        temporary.open("w", newline="", encoding="utf-8") as file,
    ):
        yield file
