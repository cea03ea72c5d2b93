"""Find the captions that name each class, by index or by scan, shard by shard."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from joblib import Parallel, delayed
from numpy.typing import NDArray

from skclip._finite import unreadable_rows
from skclip._linalg import unit_rows
from skclip.captions import (
    Disambiguator,
    IndexSearch,
    Matches,
    Named,
    Phrase,
    Scanner,
    open_index,
)
from skclip.corpus import CaptionStore, Corpus, Engine, Shard, ShardTask, StreamedShard

__all__ = ["Candidates", "find_candidates", "find_matches"]

_SCAN_BATCH = 1 << 16


def find_matches(
    store: CaptionStore, disambiguator: Disambiguator, *, method: str, n_jobs: int | None
) -> Matches:
    """Return the captions that name each class.

    Parameters
    ----------
    store : CaptionStore
        Collection to search.

    disambiguator : Disambiguator
        Holds the classes and the rules for matches.

    method : {"index", "scan"}
        Whether to use the caption index or to read all captions.

    n_jobs : int or None
        Number of shards searched in parallel.

    Returns
    -------
    matches : Matches
        Rows of the collection.
    """
    if method == "scan":
        # the automaton holds the interpreter's lock, so only processes run in parallel; what a
        # source keeps of its only shard would be lost in one
        found = Parallel(n_jobs=1 if len(store.shards) == 1 else n_jobs)(
            delayed(_scan)(shard, disambiguator) for shard in store.shards
        )
    else:
        # SQLite releases the lock, so threads suffice
        found = Parallel(n_jobs=n_jobs, prefer="threads")(
            delayed(_search)(shard, store.index_of(shard), disambiguator) for shard in store.shards
        )
    return _joined(found, store.offsets[:-1], len(disambiguator.queries))


def _search(shard: Shard, index: bytes | str, disambiguator: Disambiguator) -> Matches:
    def captions(rows: NDArray[np.int64]) -> list[str]:
        texts: list[str] = shard.column("caption", rows).tolist()
        return texts

    with open_index(index) as connection:
        search = IndexSearch(connection, captions, disambiguator.matching)
        found, excluded, required = map(search.search, _phrases(disambiguator))
    return disambiguator.resolve(found, excluded, required, captions)


def _scan(shard: Shard, disambiguator: Disambiguator) -> Matches:
    scanners = [Scanner(phrases, disambiguator.matching) for phrases in _phrases(disambiguator)]
    batches, offsets, offset = [], [], 0
    with _keeping(shard) as keep:
        for texts in _large_batches(shard.iter_captions()):
            found, excluded, required = (scanner.scan(texts) for scanner in scanners)
            matches = disambiguator.resolve(found, excluded, required, _items_of(texts))
            keep(offset + np.unique(matches.named.rows))
            batches.append(matches)
            offsets.append(offset)
            offset += len(texts)
    return _joined(batches, offsets, len(disambiguator.queries))


def _keeping(shard: Shard) -> AbstractContextManager[Callable[[NDArray[np.int64]], None]]:
    """Keep what a source says of the rows that match, so that it is read once."""
    store: object = shard  # mypy knows no class that is both
    if isinstance(store, StreamedShard):
        return store.keeping()
    return nullcontext(lambda rows: None)


def _phrases(disambiguator: Disambiguator) -> list[list[Sequence[Phrase]]]:
    """Return the phrases that name, exclude and are required, each for every class."""
    queries = disambiguator.queries
    return [
        [query.phrases for query in queries],
        [query.excluded for query in queries],
        [query.required or () for query in queries],
    ]


def _items_of(texts: list[str]) -> Callable[[NDArray[np.int64]], list[str]]:
    return lambda rows: [texts[row] for row in rows.tolist()]


def _large_batches(batches: Iterator[list[str]]) -> Iterator[list[str]]:
    """Join batches, so that work per batch and class is negligible."""
    joined: list[str] = []
    for batch in batches:
        joined += batch
        if len(joined) >= _SCAN_BATCH:
            yield joined
            joined = []
    if joined:
        yield joined


def _joined(parts: Sequence[Matches], offsets: Iterable[Any], n_classes: int) -> Matches:
    """Join the matches of consecutive runs of captions."""
    none = np.zeros(n_classes, dtype=np.int64)
    shifted = [o + part.named.rows for o, part in zip(offsets, parts, strict=True)]
    classes = [part.named.classes for part in parts]
    return Matches(
        Named(np.concatenate([none[:0], *shifted]), np.concatenate([none[:0], *classes])),
        sum((part.n_matches for part in parts), start=none),
        sum((part.n_ambiguous for part in parts), start=none),
    )


class Candidates(NamedTuple):
    """The first matches of every class, in order of preference.

    Attributes
    ----------
    rows : list of ndarray
        Rows of each class.

    scores : list of ndarray or None
        Cosine of each row with the text of its class; None if the first rows are preferred.

    n_matches, n_ambiguous : ndarray of shape (n_classes,)
        As in :class:`~skclip.captions.Matches`, of all matches.

    cut : ndarray of shape (n_classes,) of bool
        Classes with further matches.
    """

    rows: list[NDArray[np.int64]]
    scores: list[NDArray[np.float32]] | None
    n_matches: NDArray[np.int64]
    n_ambiguous: NDArray[np.int64]
    cut: NDArray[np.bool_]


@dataclass(frozen=True)
class ShardSearch:
    """Searches one shard for the best matches of every class; sent to every worker.

    Parameters
    ----------
    disambiguator : Disambiguator
        Holds the classes and the rules for matches.

    method : {"index", "scan"}
        As for :func:`find_matches`.

    text : ndarray of shape (n_classes, n_features) or None
        Text embedding of each class; None prefers the first rows.

    n : int or None
        Most rows per class; None is all.
    """

    disambiguator: Disambiguator
    method: str
    text: NDArray[Any] | None
    n: int | None

    def __call__(self, task: ShardTask) -> Candidates:
        """Return the candidates of a shard, by row of the shard."""
        shard = task.shard
        if self.method == "scan":
            matches = _scan(shard, self.disambiguator)
        else:
            assert shard.index is not None
            matches = _search(shard, shard.index, self.disambiguator)
        rows, scores = matches.rows, None
        if self.text is not None:
            scores = [_cosines(shard, r, t) for r, t in zip(rows, self.text, strict=True)]
        return best_of([0], [Candidates(rows, scores, *_counts(matches))], self.n)


def find_candidates(
    store: Corpus,
    disambiguator: Disambiguator,
    engine: Engine,
    *,
    method: str,
    text: NDArray[Any] | None,
    n: int | None,
) -> Candidates:
    """Return the best matches of every class, of which each shard contributes at most n.

    Parameters
    ----------
    store : Corpus
        Collection to search. Workers open its shards one by one.

    disambiguator, method, text, n
        As for :class:`ShardSearch`.

    engine : Engine
        Searches the shards.

    Returns
    -------
    candidates : Candidates
        Rows of the collection, by score, then shard, then row.
    """
    if method == "index":
        store.index_of(store.shards[0])  # raises the error if there is none
    tasks = [ShardTask(store.path, s.entry, s.entry.name) for s in store.shards]
    found = dict(engine.map(ShardSearch(disambiguator, method, text, n), tasks))
    return best_of(store.offsets[:-1], [found[i] for i in range(len(tasks))], n)


def best_of(offsets: Iterable[Any], parts: Sequence[Candidates], n: int | None) -> Candidates:
    """Return the best n rows of each class among consecutive runs of rows."""
    offsets, rows, scores, cut = list(offsets), [], [], []
    for c in range(len(parts[0].rows)):
        own = np.concatenate([o + part.rows[c] for o, part in zip(offsets, parts, strict=True)])
        if parts[0].scores is not None:
            cosines = np.concatenate([part.scores[c] for part in parts if part.scores is not None])
            order = np.argsort(-cosines, kind="stable")[:n]
            own, cosines = own[order], cosines[order]
            scores.append(cosines)
        rows.append(own[:n])
        n_found = sum(len(part.rows[c]) for part in parts)
        cut.append(n_found > len(rows[c]) or any(part.cut[c] for part in parts))
    return Candidates(
        rows,
        None if parts[0].scores is None else scores,
        np.sum([part.n_matches for part in parts], axis=0),
        np.sum([part.n_ambiguous for part in parts], axis=0),
        np.array(cut, dtype=bool),
    )


def _counts(matches: Matches) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.bool_]]:
    nothing_cut = np.zeros(len(matches.n_matches), dtype=bool)
    return matches.n_matches, matches.n_ambiguous, nothing_cut


def _cosines(shard: Shard, rows: NDArray[np.int64], text: NDArray[Any]) -> NDArray[np.float32]:
    """Return the cosine of rows with a text; embeddings that are not finite count as zero."""
    X = shard.embeddings(rows)
    X[unreadable_rows(X)] = 0
    # a matrix product may round equal rows differently, einsum does not
    cosines: NDArray[np.float32] = np.einsum("ij,j->i", unit_rows(X), text.astype(X.dtype))
    return cosines
