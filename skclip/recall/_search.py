"""Which captions name which class."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from joblib import Parallel, delayed
from numpy.typing import NDArray

from skclip._validation import sample_of
from skclip.corpus._index import matching_rows, open_index, phrase_query
from skclip.corpus._store import CaptionStore
from skclip.corpus._text import tokenize

__all__ = ["Query", "find_rows", "make_queries"]

# What a class is called: alternatives, each a run of tokens.
Query = tuple[tuple[str, ...], ...]


def make_queries(
    names: Sequence[Any], synonyms: Mapping[Any, Sequence[str] | str] | None
) -> list[Query]:
    """Return the token phrases by which each class is recognised.

    Parameters
    ----------
    names : sequence
        Class names; ``str(name)`` is what captions are searched for.

    synonyms : mapping or None
        Further names by class. Classes that are not among ``names`` are ignored, so that one
        mapping serves any subset of classes.

    Returns
    -------
    queries : list of tuple
        One a name; empty where neither name nor synonyms have a letter or digit.
    """
    by_name = {str(name): _as_list(more, name) for name, more in (synonyms or {}).items()}
    queries = []
    for name in names:
        phrases = [tokenize(text) for text in (str(name), *by_name.get(str(name), ()))]
        queries.append(tuple(dict.fromkeys(tuple(tokens) for tokens in phrases if tokens)))
    return queries


def _as_list(values: Sequence[str] | str, name: Any) -> list[str]:
    if isinstance(values, str):
        return [values]
    wrong = [value for value in values if not isinstance(value, str)]
    if wrong:
        raise TypeError(f"synonyms of {name!r} must be strings, got {sample_of(wrong)}.")
    return list(values)


def find_rows(
    store: CaptionStore, queries: Sequence[Query], *, n_jobs: int | None
) -> list[NDArray[np.int64]]:
    """Return the rows whose caption contains one of each query's phrases.

    Parameters
    ----------
    store : CaptionStore
        Collection with a caption index.

    queries : sequence of Query
        What to look for.

    n_jobs : int or None
        Number of shards searched at once.

    Returns
    -------
    rows : list of ndarray
        Ascending row numbers, one array a query.
    """
    indexes = [store.index_of(shard) for shard in store.shards]
    # SQLite works outside the interpreter's lock: threads suffice and share nothing
    found = Parallel(n_jobs=n_jobs, prefer="threads")(
        delayed(_find_in_shard)(index, queries) for index in indexes
    )
    offsets = store.offsets
    return [
        np.concatenate([offset + rows[i] for offset, rows in zip(offsets, found, strict=False)])
        for i in range(len(queries))
    ]


def _find_in_shard(index: bytes | str, queries: Sequence[Query]) -> list[NDArray[np.int64]]:
    with open_index(index) as connection:
        return [
            matching_rows(connection, " OR ".join(map(phrase_query, query)))
            if query
            else np.empty(0, dtype=np.int64)
            for query in queries
        ]
