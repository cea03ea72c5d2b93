"""Who makes which embedding: processes that share a cache divide the work instead of repeating it.

A claim is a row of the cache that says: this embedding is being made, by the worker with this
number. A worker holds the lock file of its number for as long as it works. When it dies, however
it dies, the system lets go of the lock, and its claims count no longer.
"""

import sqlite3
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from filelock import FileLock, Timeout

__all__ = ["Claims"]

MAX_WORKERS = 256

SCHEMA = """
CREATE TABLE IF NOT EXISTS claims (
    model INTEGER, content BLOB, worker INTEGER, PRIMARY KEY (model, content)
)
"""


class Claims:
    """The claims of one worker on embeddings of one model.

    Parameters
    ----------
    folder : Path
        The cache.

    model_id : int
        Number of the model in the cache.
    """

    def __init__(self, folder: Path, model_id: int) -> None:
        self._folder, self._model_id = folder, model_id
        self._worker, self._lock = self._take_number()

    def take(self, contents: Sequence[bytes], connection: sqlite3.Connection) -> list[bytes]:
        """Claim this worker's share of the contents that nobody has made or is making.

        Parameters
        ----------
        contents : sequence of bytes
            Keys of embeddings that were not found.

        connection : sqlite3.Connection
            To the cache.

        Returns
        -------
        mine : list of bytes
            What the caller is to embed, in order; empty if others are at work on all of it.
        """
        with connection:
            connection.execute("BEGIN IMMEDIATE")
            connection.execute(SCHEMA)
            self.settle(connection)  # the worker that had this number before may have died
            n_workers = 1 + self._count_others(connection)
            share = -(-len(contents) // n_workers)
            mine: list[bytes] = []
            for content in contents:
                if len(mine) == share:
                    break
                # in the same breath: what has been made since the caller looked is not made again
                claimed = connection.execute(
                    "INSERT INTO claims SELECT ?1, ?2, ?3 WHERE NOT EXISTS "
                    "(SELECT 1 FROM vectors WHERE model = ?1 AND content = ?2) "
                    "ON CONFLICT DO NOTHING",
                    (self._model_id, content, self._worker),
                )
                if claimed.rowcount:
                    mine.append(content)
        return mine

    def settle(self, connection: sqlite3.Connection) -> None:
        """Give all claims back; within the transaction that stores what was claimed."""
        self._drop(self._worker, connection)

    def release(self) -> None:
        """Stop working: whatever is still claimed is free again."""
        self._lock.release()

    def _take_number(self) -> tuple[int, FileLock]:
        for worker in range(MAX_WORKERS):
            lock = self._lock_of(worker)
            with suppress(Timeout):
                lock.acquire()
                return worker, lock
        raise OSError(f"{MAX_WORKERS} processes use it already")

    def _count_others(self, connection: sqlite3.Connection) -> int:
        """Count the other workers at work, and drop the claims of those that are gone."""
        n_others = 0
        for worker in range(MAX_WORKERS):
            if worker == self._worker:
                continue
            lock = self._lock_of(worker)
            if not Path(lock.lock_file).exists():
                break
            try:
                lock.acquire()
            except Timeout:
                n_others += 1
            else:
                self._drop(worker, connection)
                lock.release()
        return n_others

    def _drop(self, worker: int, connection: sqlite3.Connection) -> None:
        connection.execute(
            "DELETE FROM claims WHERE model = ? AND worker = ?", (self._model_id, worker)
        )

    def _lock_of(self, worker: int) -> FileLock:
        path = self._folder / f".working-{self._model_id}-{worker}.lock"
        # a generator may be closed by another thread than the one that began it
        return FileLock(path, timeout=0, thread_local=False)
