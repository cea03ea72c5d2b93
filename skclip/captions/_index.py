"""The caption index: one contentless SQLite FTS5 table per shard; rowid = row in the shard.

The table holds token positions only; captions stay in their own files. Text is normalised by
:mod:`skclip.captions._words`. SQLite's ``ascii`` tokenizer then splits it at the spaces only: it
treats every byte beyond ASCII as part of a word. The file's ``user_version`` is the version of the
definition of words; an index of another version is refused, since it would miss captions.
"""

import os
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from hashlib import sha256
from pathlib import Path
from urllib.parse import quote

import numpy as np
from numpy.typing import NDArray

from skclip.captions._words import VERSION, searchable, tokenize
from skclip.exceptions import CorpusFormatError

__all__ = [
    "build_index",
    "build_index_image",
    "check_index",
    "index_words",
    "indexed_word",
    "is_current",
    "is_stand_in",
    "matching_rows",
    "open_index",
    "phrase_query",
]

_CREATE = (
    "CREATE VIRTUAL TABLE captions USING fts5("
    "caption, content='', detail=full, columnsize=0, tokenize='ascii')"
)
# Memory for positions before they are written. An index that fits is written once, in order,
# without merging.
_HASH_BYTES = 64 << 20
# FTS5 truncates longer words. A shorter caption has none: folding makes at most 18 bytes of a
# character (a square form of Katakana).
_MAX_WORD_BYTES = 32_768
_SHORT_CAPTION = 1500
# Prefix of the stand-in for a longer word. No caption word contains it: normalising removes it.
_STAND_IN = "\ue000"
# One string per query instead of one Python object per row: eight times faster on common words.
_SELECT = "SELECT group_concat(rowid) FROM captions WHERE captions MATCH ?"


def build_index(batches: Iterable[Sequence[str]], path: str | os.PathLike[str]) -> None:
    """Write the index of captions to a new file.

    The file is written without a journal: write it under a temporary name and rename it when this
    function has returned.

    Parameters
    ----------
    batches : iterable of sequence of str
        Captions in row order, in batches.

    path : path-like
        File to write; must not exist.
    """
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode = OFF")
        connection.execute("PRAGMA synchronous = OFF")
        _fill(connection, batches)


def build_index_image(batches: Iterable[Sequence[str]]) -> bytes:
    """Return the index of captions as the bytes of its file."""
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
        _fill(connection, batches)
        return connection.serialize()


def _fill(connection: sqlite3.Connection, batches: Iterable[Sequence[str]]) -> None:
    try:
        connection.execute(_CREATE)
    except sqlite3.OperationalError as error:
        if "no such module" not in str(error):
            raise
        raise RuntimeError(
            f"The caption index needs SQLite with FTS5, but the SQLite {sqlite3.sqlite_version} "
            "of this Python was built without it: use a Python from python.org, conda or your "
            "distribution, or match with method='scan'."
        ) from error
    connection.execute(
        "INSERT INTO captions(captions, rank) VALUES ('hashsize', ?)", (_HASH_BYTES,)
    )
    connection.execute("BEGIN")
    n_rows = 0
    for batch in batches:
        texts = [
            text
            if len(text) < _SHORT_CAPTION and text.isascii() and "&" not in text
            # the ascii tokenizer normalises such text as `normalize` does, but faster
            else _prepared(text)
            for text in batch
        ]
        connection.executemany(
            "INSERT INTO captions(rowid, caption) VALUES (?, ?)", enumerate(texts, n_rows)
        )
        n_rows += len(texts)
    connection.execute("COMMIT")
    connection.execute("INSERT INTO captions(captions) VALUES ('optimize')")
    connection.execute(f"PRAGMA user_version = {VERSION}")


def _prepared(text: str) -> str:
    """Return a text as FTS5 indexes it, with stand-ins for words that it would truncate."""
    if len(text) < _SHORT_CAPTION:
        return searchable(text)
    return " ".join(map(indexed_word, tokenize(text)))


@contextmanager
def open_index(index: bytes | str | os.PathLike[str]) -> Iterator[sqlite3.Connection]:
    """Open an index for reading and close it afterwards.

    Connections are never kept: opening takes 0.1 ms, and a connection must not be shared by threads
    or survive a fork.

    Parameters
    ----------
    index : bytes or path-like
        Result of :func:`build_index_image`, or the file written by :func:`build_index`.

    Yields
    ------
    connection : sqlite3.Connection
        Read-only.
    """
    try:
        with closing(_connect(index)) as connection:
            # the file is untrusted: forbid function calls in its schema, and check its pages
            connection.execute("PRAGMA trusted_schema = OFF")
            connection.execute("PRAGMA cell_size_check = ON")
            (version,) = connection.execute("PRAGMA user_version").fetchone()
            if version != VERSION:
                raise _other_version(index, version)
            yield connection
    except sqlite3.DatabaseError as error:
        if not isinstance(index, bytes) and not os.path.exists(index):
            raise CorpusFormatError(
                f"The caption index {index!s} does not exist: the corpus was replaced after it "
                "was opened. Open it again with Corpus(path)."
            ) from error
        raise CorpusFormatError(
            f"The caption index {_place(index)} cannot be read ({error}): build the corpus "
            "again with overwrite=True."
        ) from error


def _other_version(index: bytes | str | os.PathLike[str], version: int) -> CorpusFormatError:
    made = "an earlier" if version < VERSION else "a later"
    remedy = "index the captions again with Corpus(path).index_captions()"
    if version > VERSION:
        remedy = f"upgrade skclip, or {remedy}"
    return CorpusFormatError(
        f"The caption index {_place(index)} was made by {made} version of skclip, which splits "
        f"captions into other words (version {version}, not {VERSION}): {remedy}. Images and "
        "embeddings are kept."
    )


def _place(index: bytes | str | os.PathLike[str]) -> str:
    return "in memory" if isinstance(index, bytes) else str(index)


def _connect(index: bytes | str | os.PathLike[str]) -> sqlite3.Connection:
    if isinstance(index, bytes):
        connection = sqlite3.connect(":memory:")
        connection.deserialize(index)
        return connection
    # immutable=1: no locks and no journal files beside the index, so read-only media work
    uri = f"file:{quote(bytes(Path(index).absolute()))}?mode=ro&immutable=1"
    return sqlite3.connect(uri, uri=True)


def is_current(index: str | os.PathLike[str]) -> bool:
    """Return whether an index can be read and has the words of this version."""
    try:
        with open_index(index):
            return True
    except CorpusFormatError:
        return False


def check_index(index: str) -> None:
    """Raise :class:`CorpusFormatError` if a file is not a complete index.

    Only a lookup and the length of the file are checked.

    Parameters
    ----------
    index : str
        Path of the index.
    """
    with open_index(index) as connection:
        matching_rows(connection, phrase_query(["a"]))
        (n_pages,) = connection.execute("PRAGMA page_count").fetchone()
        (page_size,) = connection.execute("PRAGMA page_size").fetchone()
        if os.path.getsize(index) != n_pages * page_size:
            raise sqlite3.DatabaseError("the file is cut off")


def indexed_word(word: str) -> str:
    """Return the indexed form of a word: the word itself, or a stand-in if it is too long.

    Examples
    --------
    >>> from skclip.captions._index import indexed_word
    >>> indexed_word("cat"), len(indexed_word("x" * 40_000))
    ('cat', 65)
    """
    if len(word) * 4 <= _MAX_WORD_BYTES or len(data := word.encode()) <= _MAX_WORD_BYTES:
        return word
    return _STAND_IN + sha256(data).hexdigest()


def is_stand_in(word: str) -> bool:
    """Return whether an indexed word is the stand-in for a longer word."""
    return word.startswith(_STAND_IN)


def index_words(connection: sqlite3.Connection) -> list[str]:
    """Return the distinct words of the indexed captions, sorted."""
    connection.execute(
        "CREATE VIRTUAL TABLE IF NOT EXISTS temp.words USING fts5vocab(main, 'captions', 'row')"
    )
    # ordered by UTF-8 bytes, which is the order of code points
    return [word for (word,) in connection.execute("SELECT term FROM temp.words")]


def phrase_query(tokens: Sequence[str]) -> str:
    """Return the FTS5 query for consecutive ``tokens``.

    A quoted phrase is never an operator, and tokens contain no quotes.
    """
    return '"' + " ".join(map(indexed_word, tokens)) + '"'


def matching_rows(connection: sqlite3.Connection, query: str) -> NDArray[np.int64]:
    """Return the rows that match an FTS5 query, ascending.

    Parameters
    ----------
    connection : sqlite3.Connection
        From :func:`open_index`.

    query : str
        FTS5 query made of :func:`phrase_query` parts.

    Returns
    -------
    rows : ndarray of shape (n_matches,)
        Row numbers within the shard.
    """
    (joined,) = connection.execute(_SELECT, (query,)).fetchone()
    if joined is None:
        return np.empty(0, dtype=np.int64)
    rows: NDArray[np.int64] = np.fromstring(joined, dtype=np.int64, sep=",")
    rows.sort()
    return rows
