"""The file of embeddings of a shard: it grows by chunks of rows, and resumes after a crash."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skclip._files import append_bytes, resume_rows, start_rows
from skclip._linalg import nonzero_rows
from skclip.corpus._engine import ShardTask
from skclip.exceptions import CorpusError

__all__ = ["Rows", "as_stored", "grow_file"]

# Makes the rows of the given numbers in half precision; the width is None before the first.
Rows = Callable[[NDArray[np.int64], int | None], NDArray[np.float16]]

# Batches between two writes: few, so that little work is lost, but enough that prefetching, which
# ends with each call of the embedder, hardly pauses.
BATCHES_A_CHUNK = 8


def grow_file(
    task: ShardTask, path: Path, embedder: Any, make: Rows, finish: Callable[[Path], None], of: str
) -> Iterator[int]:
    """Write the embeddings of a shard, unless they are there; resume interrupted work.

    Chunks of rows are appended to a file with the final header; an incomplete chunk is made again.
    Rows are always made in the same chunks, so that interrupted work writes the same bytes as
    uninterrupted work with the same batch size.

    Parameters
    ----------
    task : ShardTask
        The shard.

    path : Path
        File to write.

    embedder : Embedder
        Its batch size is that of the chunks.

    make : callable
        Called with the numbers of the rows of a chunk, and the width of the rows before.

    finish : callable
        Called with the complete file before it gets its name.

    of : str
        What the rows are called in messages.

    Yields
    ------
    n_rows : int
        Rows that are there since the last yield.
    """
    if not path.exists():
        with task.lock():
            if not path.exists():
                partial = path.with_suffix(".partial")
                yield from _append(partial, task, embedder, make, of)
                finish(partial)
                partial.replace(path)
                return
    yield task.entry.n_rows


def _append(partial: Path, task: ShardTask, embedder: Any, make: Rows, of: str) -> Iterator[int]:
    n_rows, chunk = task.entry.n_rows, BATCHES_A_CHUNK * getattr(embedder, "batch_size", 64)
    done, width = resume_rows(partial, n_rows, chunk)
    yield done
    while done < n_rows:
        rows = np.arange(done, min(done + chunk, n_rows))
        half = make(rows, width)
        if width is None:
            width = half.shape[1]
            start_rows(partial, (n_rows, width))
        elif half.shape[1] != width:
            raise CorpusError(
                f"The embedder returned {half.shape[1]} features for {of} {done} onwards of "
                f"{task.entry.name} but {width} before: an embedder must not change its width."
            )
        append_bytes(partial, half.tobytes())
        done += len(rows)
        yield len(rows)


def as_stored(
    vectors: NDArray[np.float32], reasons: Sequence[str | None]
) -> tuple[NDArray[np.float16], list[str | None]]:
    """Return rows in half precision, as stored in a corpus, and the reasons for zero rows.

    Parameters
    ----------
    vectors : ndarray of shape (n_rows, n_features)
        Output of the model.

    reasons : sequence of str or None
        Known reasons for zero rows.

    Returns
    -------
    half : ndarray of shape (n_rows, n_features)
        float16; a row that half precision cannot represent is zero.

    reasons : list of str or None
        The reasons, including those of such rows.
    """
    with np.errstate(over="ignore", under="ignore"):
        half = vectors.astype("<f2")
    too_large, found = ~np.isfinite(half).all(axis=1), list(reasons)
    half[too_large] = 0
    for i in np.flatnonzero(nonzero_rows(vectors) & ~nonzero_rows(half)):
        size = "large" if too_large[i] else "small"
        found[i] = f"its embedding is too {size} for half precision: normalise it"
        if not np.isfinite(vectors[i]).all():
            found[i] = "its embedding is not finite"
    return half, found
