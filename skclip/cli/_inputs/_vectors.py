"""Embeddings in an ``.npy`` file, and beside it what they are of: ``X.npy`` and ``X.npy.json``.

The second file names the model and the images. Without it rows are known by their numbers, and
nobody can tell which model made them.
"""

import json
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from skclip._files import file_to_write, find_file

__all__ = ["NOTES_FORMAT", "Vectors", "check_vectors_file", "notes_file", "read_vectors"]

NOTES_FORMAT = "skclip embeddings"


class Vectors(NamedTuple):
    """Embeddings of a file.

    Attributes
    ----------
    path : Path
        The file.

    rows : ndarray of shape (n_images, n_features)
        Not yet read: the file is mapped into memory.

    images : list of str or None
        What each row is of; None if nobody has noted it.

    model_id : str or None
        The model that made the rows, if it was noted.
    """

    path: Path
    rows: NDArray[Any]
    images: list[str] | None
    model_id: str | None

    @property
    def dtype(self) -> Any:
        """What to compute in: float32 for half precision and integers."""
        return np.float64 if self.rows.dtype == np.float64 else np.float32


def notes_file(path: Path) -> Path:
    """Return the file beside an ``.npy`` file that says what its rows are."""
    return path.with_name(f"{path.name}.json")


def check_vectors_file(given: str) -> Path:
    """Return the file that embeddings are to be written to, or raise."""
    path = find_file(given)
    if path.suffix.lower() != ".npy":
        raise ValueError(f"--output {given!r} must end in .npy: embeddings are a NumPy array.")
    return file_to_write(given, "--output")


def read_vectors(given: str, option: str = "--embeddings") -> Vectors:
    """Open embeddings, and read the notes beside them if there are some.

    Raises
    ------
    ValueError
        If the file is no matrix of numbers, or the notes are of other rows.
    """
    path = find_file(given)
    if not path.is_file():
        raise ValueError(f"{option} {given!r} is no file: name an .npy file.")
    try:
        rows = np.load(path, mmap_mode="r", allow_pickle=False)
    except (ValueError, EOFError) as error:
        raise ValueError(f"{option} {given!r} is no .npy file of numbers ({error}).") from None
    if not isinstance(rows, np.ndarray) or rows.ndim != 2 or rows.dtype.kind not in "fiu":
        what = f"{rows.dtype} of shape {rows.shape}" if hasattr(rows, "shape") else "an archive"
        raise ValueError(
            f"{option} {given!r} must have one row of numbers per image, (n_images, n_features), "
            f"got {what}."
        )
    if not len(rows):
        raise ValueError(f"{option} {given!r} has no rows.")
    images, model_id = _read_notes(path, len(rows), option)
    return Vectors(path, rows, images, model_id)


def _read_notes(path: Path, n_rows: int, option: str) -> tuple[list[str] | None, str | None]:
    file = notes_file(path)
    if not file.exists():
        return None, None
    try:
        notes = json.loads(file.read_text(encoding="utf-8"))
        if notes["format"] != NOTES_FORMAT:
            raise ValueError("of another program")
        images, model_id = list(notes["images"]), notes["model_id"]
        if not all(isinstance(name, str) for name in images) or not isinstance(model_id, str):
            raise TypeError("wrong types")
    except (KeyError, TypeError, ValueError, RecursionError) as error:
        raise ValueError(
            f"{str(file)!r} does not say what the rows of {option} are ({error}): remove it, or "
            "make both files again by `skclip embed IMAGES --output X.npy`."
        ) from None
    if len(images) != n_rows:
        raise ValueError(
            f"{str(file)!r} names {len(images)} images, and {option} has {n_rows} rows: they are "
            "not of one run."
        )
    return images, model_id
