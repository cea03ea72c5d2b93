"""Fit a head on a corpus by a map-reduce of class sums over its shards."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skclip._linalg import nonzero_rows
from skclip.corpus import Corpus, in_order, open_corpus
from skclip.distributed._engine import chosen_engine
from skclip.distributed._labels import LabelledShard, labelled_shards
from skclip.heads import (
    ClassSums,
    GaussianDiscriminantClassifier,
    StackedHeadClassifier,
    sample_sizes,
)

__all__ = ["fit_corpus"]

# Most rows of the sample on which scales and mixing weights are fitted.
MAX_SAMPLE = 100_000


def fit_corpus(
    head: Any,
    corpus: Corpus | str | os.PathLike[str],
    labels: Any = "caption",
    *,
    engine: str = "local",
    ray_address: str | None = None,
    num_cpus: float = 1,
    num_gpus: float = 0,
    compute: Any = None,
) -> Any:
    r"""Fit a head on all rows of a corpus without loading it.

    Every shard is reduced to the sums, counts and second moment of its unit rows, and these are
    added in the order of the shards. Memory does not depend on the number of rows.

    Parameters
    ----------
    head : GaussianDiscriminantClassifier or StackedHeadClassifier
        The head to fit. A stacked head may have class means and a discriminant as ``heads``.

    corpus : Corpus or path-like
        Corpus with embeddings.

    labels : str, path-like or array-like of shape (n_rows,), default="caption"
        Class of every row: ``"caption"`` or ``"id"`` for that column of the corpus, one label per
        row, or an ``.npy`` file of them, which is not loaded. Rows whose label is None, NaN or
        empty are left out.

    engine, ray_address, num_cpus, num_gpus, compute : object
        As for :func:`build`. There is no embedder in the workers.

    Returns
    -------
    head : object
        The same head, fitted. A stacked head fitted here keeps only a sample of the images, and
        has no ``partial_fit`` and ``forget``.

    Raises
    ------
    ValueError
        If the head needs rows, or labels and rows differ in number.

    TypeError
        If labels are of types that cannot be ordered, such as text and numbers.

    Notes
    -----
    The scale of the discriminant and the mixing weights of the stacked head need left-out rows.
    These are a stratified sample of at most 100 000 rows: :math:`q_c` rows of each class, evenly
    spaced in the order of the corpus. With no more rows than that, all are in the sample. Else

    .. math:: q_c = b_c + \lfloor (n_c - b_c) (10^5 - b) / (n - b) \rfloor, \qquad
              b_c = \min(n_c, 2), \qquad b = \sum_c b_c

    Heads fitted here differ from ``head.fit(X, y)`` by rounding, if no image occurs twice: copies
    of an image are merged in memory, but not here. With more rows than the sample, the scale and
    the mixing weights also differ by the noise of the sample.

    Examples
    --------
    >>> import tempfile
    >>> import numpy as np
    >>> from skclip import GaussianDiscriminantClassifier
    >>> from skclip.distributed import build, fit_corpus
    >>> X = np.array([[1.0, 0.3], [1.0, -0.3], [0.8, 0.9], [0.8, 0.4]])
    >>> corpus = build(["cat", "cat", "dog", "dog"], tempfile.mkdtemp(), embeddings=X)
    >>> fit_corpus(GaussianDiscriminantClassifier(), corpus, labels="caption").class_count_
    array([2., 2.])
    """
    if not isinstance(head, GaussianDiscriminantClassifier | StackedHeadClassifier):
        raise ValueError(
            "fit_corpus fits a GaussianDiscriminantClassifier or a StackedHeadClassifier, got "
            f"{head!r}. NearestClassMean and PrimedNCMClassifier take rows in parts by "
            "partial_fit."
        )
    corpus = open_corpus(corpus)
    corpus.embeddings([])  # raises the error if there are none
    shards = labelled_shards(corpus, labels)
    with chosen_engine(
        engine, address=ray_address, num_cpus=num_cpus, num_gpus=num_gpus, compute=compute
    ):
        total, counts = _added(shards)
        if total is None:
            raise ValueError(f"No row of {corpus!r} has both a label and an embedding.")
        X, codes = _sample(shards, total, counts)
    return head._fit_sums(total, X, codes)


def sums_of(shard: LabelledShard) -> ClassSums | None:
    """Return the sums of the labelled rows of a shard; None if there are none."""
    classes, codes = shard.codes()
    if not len(classes):
        return None
    total = None
    for rows, X in shard.blocks():
        own = codes[rows]
        labelled = own >= 0
        block = X[labelled].astype(np.float64)
        weight = np.ones(len(block))
        sums = ClassSums.of_rows(block, own[labelled], classes, weight, with_second=True)
        total = sums if total is None else total + sums
    return total


@dataclass(frozen=True)
class Taken:
    """Rows of one shard to take, by their rank among the rows of their class in the shard.

    Parameters
    ----------
    shard : LabelledShard
        The shard.

    ranks : list of (label, ndarray)
        Ascending ranks, for some classes.
    """

    shard: LabelledShard
    ranks: list[tuple[Any, NDArray[np.int64]]]

    @property
    def stem(self) -> str:
        """Name of the shard, for the log."""
        return self.shard.stem


def rows_of(taken: Taken) -> tuple[NDArray[np.float32], NDArray[Any]]:
    """Return embeddings and labels of the rows to take from a shard."""
    classes, codes = taken.shard.codes()
    wanted = {int(np.searchsorted(classes, label)): ranks for label, ranks in taken.ranks}
    seen, found, labels = dict.fromkeys(wanted, 0), [], []
    for rows, X in taken.shard.blocks():
        own = np.where(nonzero_rows(X), codes[rows], -1)
        for c, ranks in wanted.items():
            at = np.flatnonzero(own == c)
            here = ranks[(ranks >= seen[c]) & (ranks < seen[c] + len(at))] - seen[c]
            seen[c] += len(at)
            found.append(X[at[here]])
            labels.append(np.full(len(here), c))
    return np.concatenate(found), classes[np.concatenate(labels)]


def _added(
    shards: Sequence[LabelledShard],
) -> tuple[ClassSums | None, list[tuple[NDArray[Any], NDArray[np.int64]]]]:
    """Return the sums of all shards, and the classes and counts of each."""
    total: ClassSums | None = None
    counts: list[tuple[NDArray[Any], NDArray[np.int64]]] = []
    for sums in in_order(sums_of, shards):
        if sums is None:
            counts.append((np.empty(0), np.empty(0, np.int64)))
            continue
        counts.append((sums.classes, sums.counts.round().astype(np.int64)))
        total = sums if total is None else total + sums
    return total, counts


def _sample(
    shards: Sequence[LabelledShard],
    total: ClassSums,
    counts: list[tuple[NDArray[Any], NDArray[np.int64]]],
) -> tuple[NDArray[np.float32], NDArray[np.intp]]:
    """Return a stratified sample of the rows that are not zero, and their classes."""
    n_of_class = total.counts.round().astype(np.int64)
    wanted = sample_sizes(n_of_class, MAX_SAMPLE)
    ranks = [
        np.linspace(0, max(n - 1, 0), q).round().astype(np.int64)
        for n, q in zip(n_of_class, wanted, strict=True)
    ]
    begun, tasks = np.zeros(len(n_of_class), dtype=np.int64), []
    for shard, (classes, n_own) in zip(shards, counts, strict=True):
        own = []
        for c, n in zip(np.searchsorted(total.classes, classes), n_own, strict=True):
            low, high = np.searchsorted(ranks[c], [begun[c], begun[c] + n])
            if low < high:
                own.append((total.classes[c], ranks[c][low:high] - begun[c]))
            begun[c] += n
        if own:
            tasks.append(Taken(shard, own))
    parts = list(in_order(rows_of, tasks))
    X, y = (np.concatenate(part) for part in zip(*parts, strict=True))
    return X, np.searchsorted(total.classes, y)
