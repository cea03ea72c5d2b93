"""Find the captions that name each class, by index or by scan, shard by shard, in this process."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import numpy as np
from joblib import Parallel, delayed
from numpy.typing import NDArray

from skclip.captions import (
    Disambiguator,
    IndexSearch,
    Matches,
    Named,
    Phrase,
    Scanner,
    open_index,
)
from skclip.corpus import CaptionStore, Shard, StreamedShard

__all__ = ["find_matches", "scan_shard", "search_shard"]

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
            delayed(scan_shard)(shard, disambiguator) for shard in store.shards
        )
    else:
        # SQLite releases the lock, so threads suffice
        found = Parallel(n_jobs=n_jobs, prefer="threads")(
            delayed(search_shard)(shard, store.index_of(shard), disambiguator)
            for shard in store.shards
        )
    return _joined(found, store.offsets[:-1], len(disambiguator.queries))


def search_shard(shard: Shard, index: bytes | str, disambiguator: Disambiguator) -> Matches:
    """Return the matches of a shard, by its index."""

    def captions(rows: NDArray[np.int64]) -> list[str]:
        texts: list[str] = shard.column("caption", rows).tolist()
        return texts

    with open_index(index) as connection:
        search = IndexSearch(connection, captions, disambiguator.matching)
        found, excluded, required = map(search.search, _phrases(disambiguator))
    return disambiguator.resolve(found, excluded, required, captions)


def scan_shard(shard: Shard, disambiguator: Disambiguator) -> Matches:
    """Return the matches of a shard, of which all captions are read."""
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
