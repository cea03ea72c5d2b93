"""A float16 ``.npy`` file that is written in chunks of rows and can be resumed after a crash."""

import io
import os
from contextlib import suppress
from pathlib import Path

import numpy as np

__all__ = ["append_bytes", "npy_header", "resume_rows", "start_rows"]


def npy_header(shape: tuple[int, int], descr: str) -> bytes:
    """Return the bytes before the rows of an ``.npy`` file."""
    file = io.BytesIO()
    fields = {"descr": descr, "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(file, fields)
    return file.getvalue()


def start_rows(partial: Path, shape: tuple[int, int]) -> None:
    """Write the header for all rows."""
    partial.write_bytes(npy_header(shape, "<f2"))


def resume_rows(partial: Path, n_rows: int, chunk: int) -> tuple[int, int | None]:
    """Truncate a file to whole chunks; return the number of rows kept and their width.

    Parameters
    ----------
    partial : Path
        File begun by :func:`start_rows`; it may be missing.

    n_rows : int
        Final number of rows; a file made for another number is removed.

    chunk : int
        Rows per chunk.

    Returns
    -------
    done : int
        Complete rows.

    width : int or None
        None if there is no file.
    """
    with suppress(OSError, ValueError), partial.open("rb+") as file:
        np.lib.format.read_magic(file)
        shape, by_column, dtype = np.lib.format.read_array_header_1_0(file)
        if len(shape) == 2 and shape[0] == n_rows and shape[1] and dtype == "<f2" and not by_column:
            header, row = file.tell(), dtype.itemsize * shape[1]
            done = min(n_rows, (os.fstat(file.fileno()).st_size - header) // row)
            if done < n_rows:
                done -= done % chunk
            file.truncate(header + done * row)
            return done, shape[1]
    partial.unlink(missing_ok=True)
    return 0, None


def append_bytes(path: Path, data: bytes) -> None:
    """Append, and flush to disk."""
    with path.open("ab") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
