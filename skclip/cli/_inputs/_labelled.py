"""Images with labels: one folder per class, or a table."""

import csv
from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pyarrow import parquet

from skclip._files import find_file, unguard_cell
from skclip._validation import sample_of
from skclip.cli._inputs._vectors import Vectors
from skclip.corpus import IMAGE_COLUMNS, ImageFinder
from skclip.datasets import LABEL_COLUMNS, load_image_folder

__all__ = ["LABELLED_HELP", "Labelled", "add_label_arguments", "read_labelled"]

LABELLED_HELP = (
    "a folder with one folder per class, or a table (CSV, TSV or Parquet) with a column of image "
    "paths and one of labels"
)


class Labelled(NamedTuple):
    """Images with labels; the images are rows of ``--embeddings`` where ``paths`` is None."""

    paths: list[Path] | None
    labels: NDArray[Any]


def add_label_arguments(parser: ArgumentParser) -> None:
    """Add the options that say where a table has its labels."""
    parser.add_argument("--label-column", help="column of labels, if not found by name")


def read_labelled(
    given: str, option: str, args: Namespace, vectors: Vectors | None = None
) -> Labelled:
    """Read labels and the images that they are of.

    Parameters
    ----------
    given : str
        Folder or table.

    option : str
        What names it, for messages.

    args : Namespace
        ``label_column``, and where the verb has them ``image_column`` and ``images_root``.

    vectors : Vectors or None
        Embeddings. Rows of a table are theirs in order; images of a folder are found among
        them by name.

    Returns
    -------
    labelled : Labelled
        At least one image.
    """
    path = find_file(given)
    if path.is_dir():
        try:
            data = load_image_folder(path)
        except ValueError as error:
            raise ValueError(str(error).replace("path=", f"{option} ")) from None
        return Labelled(data.images, data.target) if vectors is None else _in_rows(data, vectors)
    if not path.is_file():
        raise ValueError(f"{option} {given!r} does not exist: give {LABELLED_HELP}.")
    columns = _read_table(path, option)
    label = _column(columns, args.label_column, LABEL_COLUMNS, "label", option)
    labels = [str(value) if value is not None else "" for value in columns[label]]
    if not labels:
        raise ValueError(f"{option} {given!r} has no rows.")
    if blank := [i for i, value in enumerate(labels, 1) if not value.strip()]:
        raise ValueError(f"{option} {given!r} has no label in the rows {sample_of(blank)}.")
    if vectors is not None:
        if len(vectors.rows) != len(labels):
            raise ValueError(
                f"{option} {given!r} has {len(labels)} rows, and --embeddings has "
                f"{len(vectors.rows)}: give one label per row."
            )
        return Labelled(None, np.asarray(labels))
    image = _column(columns, getattr(args, "image_column", None), IMAGE_COLUMNS, "image", option)
    root = getattr(args, "images_root", None)
    root = path.parent if root is None else find_file(root)
    finder = ImageFinder(root)
    named = [str(value) for value in columns[image]]
    found = [finder.find(name)[0] for name in named]
    if not any(found):
        raise ValueError(
            f"{option} {given!r}: none of its images are where it says ({sample_of(named)}). "
            "--images-root names the folder that its paths start from."
        )
    # one that is missing is told of when it is read
    paths = [root / (place or name) for place, name in zip(found, named, strict=True)]
    return Labelled(paths, np.asarray(labels))


def _in_rows(data: Any, vectors: Vectors) -> Labelled:
    """Return the labels of the rows of an .npy file, by the images that are noted beside it."""
    if vectors.images is None:
        raise ValueError(
            f"--embeddings {str(vectors.path)!r} does not say which images its rows are of: give "
            "the labels as a table with one row for each, or make it by `skclip embed`."
        )
    label_of = {path.resolve(): label for path, label in zip(data.images, data.target, strict=True)}
    labels = [label_of.get(Path(name).resolve()) for name in vectors.images]
    unknown = [n for n, label in zip(vectors.images, labels, strict=True) if label is None]
    if unknown:
        raise ValueError(
            f"--embeddings {str(vectors.path)!r} has images that are in no folder of a class: "
            f"{sample_of(unknown)}."
        )
    return Labelled(None, np.asarray(labels))


def _read_table(path: Path, option: str) -> dict[str, list[Any]]:
    kind = path.suffix.lower()
    if kind == ".parquet":
        table: dict[str, list[Any]] = parquet.read_table(path).to_pydict()
        return table
    if kind not in (".csv", ".tsv"):
        raise ValueError(f"{option} {str(path)!r} must be {LABELLED_HELP}.")
    with path.open(newline="", encoding="utf-8-sig") as file:
        try:
            reader = csv.reader(file, delimiter="\t" if kind == ".tsv" else ",", strict=True)
            lines = [line for line in reader if line]
        except (UnicodeDecodeError, csv.Error) as error:
            raise ValueError(f"{option} {str(path)!r} cannot be read ({error}).") from None
    if not lines:
        raise ValueError(f"{option} {str(path)!r} is empty.")
    header, *rows = lines
    if short := [i for i, row in enumerate(rows, 2) if len(row) != len(header)]:
        raise ValueError(
            f"{option} {str(path)!r} has {len(header)} columns, and other numbers of cells in the "
            f"lines {sample_of(short)}."
        )
    return {name: [unguard_cell(row[i]) for row in rows] for i, name in enumerate(header)}


def _column(
    columns: dict[str, list[Any]],
    wanted: str | None,
    usual: tuple[str, ...],
    what: str,
    option: str,
) -> str:
    if wanted is not None:
        if wanted not in columns:
            raise ValueError(
                f"{option} has no column {wanted!r}: its columns are {sample_of(columns, 9)}."
            )
        return wanted
    by_name = {name.strip().lower(): name for name in columns}
    found = next((by_name[name] for name in usual if name in by_name), None)
    if found is None:
        raise ValueError(
            f"{option} has no column of {what}s among {sample_of(columns, 9)}: name it by "
            f"--{what}-column."
        )
    return found
