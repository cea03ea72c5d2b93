"""Labels of the rows of a corpus, shard by shard."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skclip._validation import encode_labels, labels_from_list
from skclip.corpus import Corpus, ShardTask, is_missing

__all__ = ["LabelledShard", "labelled_shards"]

COLUMNS = ("caption", "id")
# Rows read at once.
BLOCK = 8192


@dataclass(frozen=True)
class LabelledShard:
    """One shard and its labels.

    Parameters
    ----------
    task : ShardTask
        The shard.

    labels : str, Path or ndarray of shape (n_rows,)
        A column of the corpus, an ``.npy`` file with a label for every row of the corpus, or the
        labels of the shard.

    first : int
        Row of the corpus at which the shard begins.
    """

    task: ShardTask
    labels: str | Path | NDArray[Any]
    first: int

    @property
    def stem(self) -> str:
        """Name of the shard, for the log."""
        return self.task.stem

    def codes(self) -> tuple[NDArray[Any], NDArray[np.int64]]:
        """Return the sorted classes, and the class of every row; -1 without a label."""
        n_rows = self.task.entry.n_rows
        if isinstance(self.labels, str):
            labels = self.task.shard.column(self.labels, np.arange(n_rows)).astype(str)
        elif isinstance(self.labels, Path):
            whole = np.load(self.labels, mmap_mode="r", allow_pickle=False)
            labels = np.array(whole[self.first : self.first + n_rows])
        else:
            labels = self.labels
        present = has_label(labels)
        codes = np.full(len(labels), -1)
        if not present.any():
            return labels[:0], codes
        classes, codes[present] = encode_labels(_of_one_type(labels[present]), source="labels")
        return classes, codes

    def blocks(self) -> Iterator[tuple[slice, NDArray[np.float32]]]:
        """Yield embeddings in blocks; rows that are not finite are zero."""
        shard = self.task.shard
        for start in range(0, shard.n_rows, BLOCK):
            rows = slice(start, min(start + BLOCK, shard.n_rows))
            X = shard.embeddings(np.arange(rows.start, rows.stop))
            X[~np.isfinite(X).all(axis=1)] = 0
            yield rows, X


def labelled_shards(corpus: Corpus, labels: Any) -> list[LabelledShard]:
    """Return the shards of a corpus with their labels.

    Parameters
    ----------
    corpus : Corpus
        With embeddings.

    labels : str, path-like or array-like of shape (n_rows,)
        As for :func:`skclip.distributed.fit_corpus`.

    Returns
    -------
    shards : list of LabelledShard
        In the order of the corpus.
    """
    given: Any = labels
    if isinstance(labels, str) and labels in COLUMNS:
        given = labels
    elif isinstance(labels, str | os.PathLike):
        given = Path(labels).absolute()
        if given.suffix != ".npy" or not given.is_file():
            raise ValueError(
                f"labels={str(labels)!r} is neither a column of the corpus "
                f"({', '.join(map(repr, COLUMNS))}) nor an .npy file with one label per row."
            )
        try:
            whole = np.load(given, mmap_mode="r", allow_pickle=False)
        except ValueError as error:
            raise ValueError(
                f"labels={str(labels)!r} cannot be read in parts ({error}): save an array of "
                "numbers or texts, such as np.array(labels, dtype=str)."
            ) from error
        _check_shape(whole.shape, corpus)
    else:
        given = labels_from_list(labels) if isinstance(labels, list) else np.asarray(labels)
        _check_shape(given.shape, corpus)
        if given.dtype == object and (present := has_label(given)).any():
            # shards may be of one type each, and the corpus not
            encode_labels(_of_one_type(given[present]), source="labels")
    shards = []
    for first, shard in zip(corpus.offsets[:-1].tolist(), corpus.shards, strict=True):
        own = given[first : first + shard.n_rows] if isinstance(given, np.ndarray) else given
        task = ShardTask(corpus.path, shard.entry, shard.entry.name)
        shards.append(LabelledShard(task, own, first))
    return shards


def has_label(labels: NDArray[Any]) -> NDArray[np.bool_]:
    """Return which labels are not None, NaN or empty text."""
    if labels.dtype == object:
        return np.array([not is_missing(x) and x != "" for x in labels], dtype=bool)
    if labels.dtype.kind in "US":
        return np.asarray(labels != labels.dtype.type())
    return ~np.isnan(labels) if labels.dtype.kind == "f" else np.ones(len(labels), dtype=bool)


def _of_one_type(labels: NDArray[Any]) -> NDArray[Any]:
    """Return objects as an array of text or numbers, if they are of one type."""
    return labels_from_list(labels.tolist()) if labels.dtype == object else labels


def _check_shape(shape: tuple[int, ...], corpus: Corpus) -> None:
    if shape != (len(corpus),):
        what = f"{shape[0]} entries" if len(shape) == 1 else f"the shape {shape}"
        raise ValueError(
            f"labels has {what}, and the corpus has {len(corpus)} rows: give one label per row, "
            "None for rows without."
        )
