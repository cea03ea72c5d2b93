"""Let an engine find the captions that name each class: every shard returns its best matches."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from skclip._finite import unreadable_rows
from skclip._linalg import unit_rows
from skclip.captions import Disambiguator, Matches
from skclip.corpus import Corpus, Engine, Shard, ShardTask
from skclip.recall._matches._find import scan_shard, search_shard

__all__ = ["Candidates", "find_candidates"]


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
            matches = scan_shard(shard, self.disambiguator)
        else:
            assert shard.index is not None
            matches = search_shard(shard, shard.index, self.disambiguator)
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
