"""Feature banks: a frozen teacher's features of all images or captions, computed once, as float16.

A bank in a file is written in chunks, and resumes after a crash.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from os import PathLike
from pathlib import Path
from typing import Any

import joblib
import numpy as np
from numpy.typing import NDArray
from scipy.sparse import issparse

from skclip._files import append_bytes, find_file, resume_rows, start_rows
from skclip._linalg import unit_rows
from skclip._progress import progress_bar
from skclip._validation import sample_of
from skclip.distill._damage import damaged_file
from skclip.distill._neighbors import Guides, find_guides
from skclip.distill._pairs import Pairs

__all__ = [
    "Banks",
    "image_rows",
    "make_banks",
    "open_teacher",
    "read_bank",
    "teacher_identity",
    "text_rows",
]

_CHUNK = 1024

Rows = Callable[[NDArray[np.int64]], NDArray[Any]]


@dataclass(frozen=True)
class Banks:
    """Features of both teachers, and the rows that guide each pair.

    Parameters
    ----------
    image : ndarray of shape (n_images, n_image_features)
        float16.

    text : ndarray of shape (n_pairs, n_text_features)
        float16.

    guides : Guides
        Rows to gather.
    """

    image: NDArray[np.float16]
    text: NDArray[np.float16]
    guides: Guides

    @property
    def nbytes(self) -> int:
        """Size of the features."""
        return self.image.nbytes + self.text.nbytes

    def gather(self, pairs: NDArray[np.int64]) -> dict[str, NDArray[np.float16]]:
        """Return the rows of a batch, each of shape ``(2, n_batch, n_features)``."""
        return {
            "image_rows": self.image[self.guides.image[:, pairs]],
            "text_rows": self.text[self.guides.text[:, pairs]],
        }


def open_teacher(teacher: Any, name: str) -> Any:
    """Return a teacher as a transformer or an array.

    Parameters
    ----------
    teacher : transformer, array-like or path
        As given by the user.

    name : str
        Name of the parameter, for messages.

    Returns
    -------
    teacher : transformer or ndarray of shape (n_rows, n_features)
        Arrays are not copied; ``.npy`` files are memory-mapped.
    """
    if teacher is None:
        raise ValueError(
            f"{name} is None: give a transformer or its precomputed rows, or set lambda_nn and "
            "lambda_xnn to 0 for plain CLIP training."
        )
    if hasattr(teacher, "transform"):
        return teacher
    if isinstance(teacher, str | PathLike):
        path = find_file(teacher)
        try:
            teacher = np.load(path, mmap_mode="r", allow_pickle=False)
        except OSError as error:
            raise ValueError(f"{name}={str(path)!r} is not an .npy file: {error}.") from error
        except Exception:  # NumPy's message may recommend a parameter that allows code execution
            raise ValueError(
                f"{name}={str(path)!r} is not an .npy file of numbers, or is damaged."
            ) from None
    rows = np.asanyarray(teacher)
    if rows.ndim != 2 or rows.dtype.kind not in "fiu":
        raise ValueError(
            f"{name} must have a method transform, or be an array of numbers of shape (n_rows, "
            f"n_features), or the path of one; got {type(teacher).__name__} of shape {rows.shape} "
            f"and dtype {rows.dtype}."
        )
    return rows


def teacher_identity(teacher: Any) -> str:
    """Return the identity of a teacher: its model, its parameters, or a hash of its rows."""
    if isinstance(teacher, np.ndarray):
        digest = blake2b(f"{teacher.shape}{teacher.dtype}".encode(), digest_size=8)
        for start in range(0, len(teacher), _CHUNK):
            digest.update(np.ascontiguousarray(teacher[start : start + _CHUNK]).data)
        return f"rows {digest.hexdigest()}"
    if hasattr(teacher, "model_id"):
        return str(teacher.model_id)
    return f"{type(teacher).__name__} {joblib.hash(teacher)}"


def image_rows(teacher: Any, pairs: Pairs, n_given: int, name: str = "image_teacher") -> Rows:
    """Return a function from image numbers to features.

    Parameters
    ----------
    teacher : transformer or ndarray
        From :func:`open_teacher`. An array has one row per given pair, or is indexed by
        ``image_ids``.

    pairs : Pairs
        The pairs to train on.

    n_given : int
        Number of given pairs.

    name : str, default="image_teacher"
        Name of the parameter, for messages.

    Returns
    -------
    rows : callable
        ``(n,) -> (n, n_features)``.
    """
    if not isinstance(teacher, np.ndarray):
        return lambda i: _transform(teacher, [pairs.images[k] for k in i])
    at = pairs.image_positions
    if len(teacher) != n_given:
        ids = pairs.ids
        if ids is None or ids.dtype.kind not in "iu":
            raise ValueError(
                f"{name} has {len(teacher)} rows but there are {n_given} pairs: give one row per "
                "pair, or one row per image and their row numbers as image_ids."
            )
        if ids.min() < 0 or ids.max() >= len(teacher):
            wrong = np.unique(ids[(ids < 0) | (ids >= len(teacher))])
            raise ValueError(
                f"image_ids must be row numbers of {name}, because it has {len(teacher)} rows for "
                f"{n_given} pairs; got {sample_of(wrong)}."
            )
        at = ids[at]
    return lambda i: teacher[at[i]]


def text_rows(teacher: Any, pairs: Pairs, n_given: int, name: str = "text_teacher") -> Rows:
    """Return a function from pair numbers to features of their captions.

    See :func:`image_rows`; an array has one row per given pair.
    """
    if not isinstance(teacher, np.ndarray):
        return lambda i: _transform(teacher, [pairs.captions[k] for k in i])
    if len(teacher) != n_given:
        raise ValueError(
            f"{name} has {len(teacher)} rows but there are {n_given} pairs: give one row per pair."
        )
    return lambda i: teacher[pairs.positions[i]]


def _transform(teacher: Any, items: Sequence[Any]) -> NDArray[Any]:
    rows = teacher.transform(items)
    return rows.toarray() if issparse(rows) else np.asarray(rows)


def read_bank(
    rows: Rows, n_rows: int, *, name: str, path: Path | None = None, verbose: int = 0
) -> NDArray[np.float16]:
    """Compute or finish a bank of unit rows.

    Parameters
    ----------
    rows : callable
        Maps row numbers to features.

    n_rows : int
        Number of rows.

    name : str
        Parameter of the teacher, for messages and the progress bar.

    path : Path, default=None
        ``.npy`` file. A complete file is used unchanged.

    verbose : int, default=0
        Whether to show a progress bar. It is shown on terminals only.

    Returns
    -------
    bank : ndarray of shape (n_rows, n_features)
        float16; memory-mapped if there is a file.
    """
    chunks = range(0, n_rows, _CHUNK)
    with progress_bar(shown=bool(verbose), desc=name, total=n_rows) as bar:
        if path is None:
            parts = []
            for start in chunks:
                parts.append(_chunk(rows, start, n_rows, name))
                bar.update(len(parts[-1]))
            return np.concatenate(parts)
        if not path.exists():
            partial = path.with_suffix(".partial")
            done, width = resume_rows(partial, n_rows, _CHUNK)
            bar.update(done)
            for start in chunks[done // _CHUNK :] if done < n_rows else ():
                part = _chunk(rows, start, n_rows, name)
                if width is None:
                    width = part.shape[1]
                    start_rows(partial, (n_rows, width))
                elif part.shape[1] != width:
                    raise damaged_file(partial, f"{width} features, but {name} has {part.shape[1]}")
                append_bytes(partial, part.tobytes())
                bar.update(len(part))
            partial.replace(path)
    try:
        bank: NDArray[np.float16] = np.load(path, mmap_mode="r", allow_pickle=False)
    except Exception:  # NumPy's message may recommend a parameter that allows code execution
        raise damaged_file(path, "it is not an array of numbers, or is truncated") from None
    if bank.ndim != 2 or len(bank) != n_rows or bank.dtype != "<f2" or not bank.flags.c_contiguous:
        raise damaged_file(path, f"{bank.dtype} of shape {bank.shape}, expected {n_rows} rows")
    return bank


def _chunk(rows: Rows, start: int, n_rows: int, name: str) -> NDArray[np.float16]:
    numbers = np.arange(start, min(start + _CHUNK, n_rows))
    part = rows(numbers)
    if part.ndim != 2 or len(part) != len(numbers):
        raise ValueError(
            f"{name} returned an array of shape {part.shape} for {len(numbers)} items: its "
            "transform must return one row per item."
        )
    bad = ~np.isfinite(part).all(axis=1)
    if bad.any():
        raise ValueError(
            f"{name} has NaN or infinity in {bad.sum()} of rows {start} to {numbers[-1]}, such as "
            f"{sample_of(numbers[bad])}: leave these pairs out."
        )
    return unit_rows(part).astype("<f2")


def make_banks(
    teachers: tuple[Any, Any],
    pairs: Pairs,
    n_given: int,
    *,
    method: str,
    directory: Path | None = None,
    verbose: int = 0,
) -> Banks:
    """Embed all images and captions, and find the neighbours of every pair.

    Parameters
    ----------
    teachers : tuple of two transformers or ndarrays
        Of images and of captions, from :func:`open_teacher`.

    pairs : Pairs
        The pairs to train on.

    n_given : int
        Number of given pairs.

    method : {"exact", "hnsw", "faiss"}
        Search method.

    directory : Path, default=None
        Folder in which features and neighbours are stored and reused.

    verbose : int, default=0
        Whether to show progress bars. They are shown on terminals only.

    Returns
    -------
    banks : Banks
        Features and neighbours.
    """
    image, text = (
        read_bank(
            rows,
            n_rows,
            name=f"{modality}_teacher",
            path=None if directory is None else directory / f"{modality}_bank.npy",
            verbose=verbose,
        )
        for modality, rows, n_rows in (
            ("image", image_rows(teachers[0], pairs, n_given), len(pairs.images)),
            ("text", text_rows(teachers[1], pairs, n_given), len(pairs.captions)),
        )
    )
    path = None if directory is None else directory / "guides.npz"
    if path is not None and path.exists():
        return Banks(image, text, Guides.load(path, (len(image), len(text))))
    guides = find_guides(image, text, pairs.image_of, method)
    if path is not None:
        guides.save(path)
    return Banks(image, text, guides)
