"""The SQLite file of a cache folder: its layout, how it is opened, and its errors."""

import errno
import sqlite3
from contextlib import closing
from pathlib import Path

from filelock import FileLock

__all__ = ["FILE", "connect", "connect_read_only", "damage", "is_damage", "is_refusal"]

FILE = "embeddings.sqlite"
FORMAT = 1
LOCK = ".creating.lock"

SCHEMA = f"""
CREATE TABLE models (id INTEGER PRIMARY KEY, key TEXT UNIQUE, label TEXT);
CREATE TABLE vectors (
    model INTEGER, content BLOB, vector BLOB, checksum INTEGER, used INTEGER,
    PRIMARY KEY (model, content)
);
PRAGMA user_version = {FORMAT};
"""


def connect(folder: Path) -> sqlite3.Connection:
    """Open the file of a cache folder; create both if they do not exist.

    Parameters
    ----------
    folder : Path
        The cache.

    Returns
    -------
    connection : sqlite3.Connection
        May be used by one thread at a time.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if not _is_made(folder):
        with FileLock(folder / LOCK, timeout=60):
            if not _is_made(folder):  # no other process has made it meanwhile
                _make_file(folder)
    connection = sqlite3.connect(folder / FILE, timeout=60, check_same_thread=False)
    try:
        connection.execute("PRAGMA synchronous = NORMAL")
        distrust(connection)
        _check_format(connection)
    except BaseException:
        connection.close()
        raise
    return connection


def _is_made(folder: Path) -> bool:
    path = folder / FILE
    return path.exists() and path.stat().st_size > 0


def _make_file(folder: Path) -> None:
    """Make the file of a cache under another name, then rename it.

    SQLite fails at once, without waiting for other processes, when it changes the journal mode of a
    file that is open elsewhere. Other processes therefore see the file only when it is complete.
    """
    temporary = folder / f"{FILE}.new"
    for left in ("", "-wal", "-shm", "-journal"):
        temporary.with_name(temporary.name + left).unlink(missing_ok=True)
    with closing(sqlite3.connect(temporary)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.executescript(SCHEMA)
    temporary.replace(folder / FILE)


def connect_read_only(folder: Path) -> sqlite3.Connection:
    """Open the file of a read-only cache folder.

    Parameters
    ----------
    folder : Path
        The cache.

    Returns
    -------
    connection : sqlite3.Connection
        May be used by one thread at a time.
    """
    # immutable: without locks and files beside it, which could not be created
    uri = f"{(folder / FILE).absolute().as_uri()}?mode=ro&immutable=1"
    connection = sqlite3.connect(uri, uri=True, check_same_thread=False)
    try:
        distrust(connection)
        _check_format(connection)
    except BaseException:
        connection.close()
        raise
    return connection


def distrust(connection: sqlite3.Connection) -> None:
    """Forbid function calls in triggers and views of an untrusted file, and check its pages."""
    connection.execute("PRAGMA trusted_schema = OFF")
    connection.execute("PRAGMA cell_size_check = ON")


def _check_format(connection: sqlite3.Connection) -> None:
    found = _format(connection)
    if found != FORMAT:
        raise OSError(f"its format is {found}, this version of skclip writes {FORMAT}")


def _format(connection: sqlite3.Connection) -> int:
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    return int(version)


def damage(why: str) -> sqlite3.DatabaseError:
    """Return an error for contents not written by skclip, of the class SQLite uses for damage."""
    error = sqlite3.DatabaseError(why)
    error.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
    return error


def is_damage(error: Exception) -> bool:
    """Return whether an error means that the file is damaged."""
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    # our statements are correct: an error in them means that the tables are wrong
    return code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_ERROR)


def is_refusal(error: Exception) -> bool:
    """Return whether an error means that the file cannot be written to."""
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    return code in (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN) or (
        getattr(error, "errno", None) in (errno.EROFS, errno.EACCES, errno.EPERM)
    )
