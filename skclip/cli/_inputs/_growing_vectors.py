"""Embeddings that are being written, and go on where an interrupted run stopped.

Rows are appended to ``X.npy.unfinished``, whose length says how many there are;
``X.npy.unfinished.json`` says of which images and by which model. When all rows are there, they
become ``X.npy`` and ``X.npy.json``.
"""

import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

import numpy as np
from filelock import FileLock, Timeout
from numpy.typing import NDArray

from skclip._files import npy_header, replacing
from skclip._linalg import nonzero_rows
from skclip.cli._inputs._vectors import NOTES_FORMAT, notes_file

__all__ = ["GrowingRows", "grow_vectors"]

_ROWS_A_BLOCK = 4096


class GrowingRows:
    """Rows of embeddings on their way to a file.

    Attributes
    ----------
    n_rows : int
        How many there are.

    n_zero : int
        How many of them are zero.

    other : str or None
        What an interrupted run differs in, whose rows were not taken over; None without one.
    """

    def __init__(self, file: IO[bytes], other: str | None) -> None:
        self._file = file
        self.n_rows, self.n_zero, self.other = 0, 0, other

    def append(self, rows: NDArray[Any]) -> None:
        """Write further rows."""
        self._file.write(np.ascontiguousarray(rows, dtype=np.float32).tobytes())
        self._count(rows)

    def take_over(self, n_features: int) -> None:
        """Count the whole rows from here to the end, and cut off what is no whole row."""
        width = n_features * np.dtype(np.float32).itemsize
        begin = self._file.tell()
        while len(content := self._file.read(_ROWS_A_BLOCK * width)) >= width:
            n_whole = len(content) // width
            values = np.frombuffer(content[: n_whole * width], dtype=np.float32)
            self._count(values.reshape(n_whole, n_features))
        self._file.seek(begin + self.n_rows * width)
        self._file.truncate()

    def _count(self, rows: NDArray[Any]) -> None:
        self.n_rows += len(rows)
        self.n_zero += int(np.sum(~nonzero_rows(rows)))


@contextmanager
def grow_vectors(
    path: Path, n_features: int, images: Sequence[Path], model_id: str, dtype: str
) -> Iterator[GrowingRows]:
    """Open embeddings to append to; they take their name when there is one per image.

    Parameters
    ----------
    path : Path
        The ``.npy`` file.

    n_features : int
        Width of the rows.

    images : sequence of Path
        What the rows are of, in order.

    model_id, dtype : str
        What makes them.

    Yields
    ------
    rows : GrowingRows
        With those of an interrupted run on the same images, as long as none of them has changed.

    Raises
    ------
    ValueError
        If another process writes the same file.
    """
    notes = {"format": NOTES_FORMAT, "model_id": model_id, "images": list(map(str, images))}
    state = {**notes, "dtype": dtype, "n_features": n_features, "stamps": list(map(_stamp, images))}
    header = npy_header((len(images), n_features), "<f4")
    unfinished = path.with_name(f"{path.name}.unfinished")
    beside = notes_file(unfinished)
    with _alone(path):
        other = _difference(unfinished, state, header)
        if other is not None:
            unfinished.unlink(missing_ok=True)
            with replacing(beside) as temporary:
                temporary.write_text(json.dumps(state), encoding="utf-8")
            unfinished.write_bytes(header)
        with unfinished.open("rb+") as file:
            file.seek(len(header))
            rows = GrowingRows(file, other or None)
            rows.take_over(n_features)
            yield rows
            file.flush()
            os.fsync(file.fileno())
        # in this order, so that an interruption here costs nothing
        with replacing(notes_file(path)) as temporary:
            temporary.write_text(json.dumps(notes), encoding="utf-8")
        unfinished.replace(path)
        beside.unlink()


def _difference(unfinished: Path, state: dict[str, Any], header: bytes) -> str | None:
    """Return None where an interrupted run can go on, what differs, or "" where there is none."""
    try:
        before = json.loads(notes_file(unfinished).read_text(encoding="utf-8"))
        with unfinished.open("rb") as file:
            begin = file.read(len(header))
    except (OSError, ValueError):
        return ""
    if not isinstance(before, dict) or begin != header:
        return "other images"
    for key, what in (
        ("images", "other images"),
        ("stamps", "images that have changed since"),
        ("model_id", "another model"),
        ("dtype", "another --dtype"),
    ):
        if before.get(key) != state[key]:
            return what
    return None if before == state else "another format"


def _stamp(image: Path) -> list[int]:
    """Return what changes with the content of a file."""
    with suppress(OSError):
        status = image.stat()
        return [status.st_size, status.st_mtime_ns]
    return []


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    """Keep other processes from writing the same file."""
    lock = path.with_name(f"{path.name}.lock")
    try:
        with FileLock(lock, timeout=0):
            yield
            lock.unlink(missing_ok=True)
    except Timeout:
        raise ValueError(f"--output {str(path)!r} is being written by another process.") from None
