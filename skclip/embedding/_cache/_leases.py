"""Leases on embeddings: processes that share a cache divide the work instead of repeating it.

A lease is a row of the cache: it holds the key of an embedding and the number of the worker that
computes it. A worker holds the lock file of its number while it works. The system releases the lock
when the worker ends for any reason; its leases are then void.
"""

import sqlite3
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from filelock import FileLock, Timeout

__all__ = ["Leases"]

MAX_WORKERS = 256

SCHEMA = """
CREATE TABLE IF NOT EXISTS leases (
    model INTEGER, content BLOB, worker INTEGER, PRIMARY KEY (model, content)
)
"""


class Leases:
    """The leases of one worker on embeddings of one model.

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
        """Take leases on this worker's part of the contents that are neither cached nor leased.

        Parameters
        ----------
        contents : sequence of bytes
            Keys of embeddings that are not in the cache.

        connection : sqlite3.Connection
            Connection to the cache.

        Returns
        -------
        mine : list of bytes
            Keys that the caller must embed, in order; empty if other workers embed all of them.
        """
        with connection:
            connection.execute("BEGIN IMMEDIATE")
            connection.execute(SCHEMA)
            self.end_all(connection)  # the previous worker with this number may have died
            n_workers = 1 + self._count_others(connection)
            n_mine = -(-len(contents) // n_workers)
            mine: list[bytes] = []
            for content in contents:
                if len(mine) == n_mine:
                    break
                # in one statement, to skip rows added since the caller looked
                leased = connection.execute(
                    "INSERT INTO leases SELECT ?1, ?2, ?3 WHERE NOT EXISTS "
                    "(SELECT 1 FROM vectors WHERE model = ?1 AND content = ?2) "
                    "ON CONFLICT DO NOTHING",
                    (self._model_id, content, self._worker),
                )
                if leased.rowcount:
                    mine.append(content)
        return mine

    def end_all(self, connection: sqlite3.Connection) -> None:
        """End all leases, within the transaction that stores the leased rows."""
        self._drop(self._worker, connection)

    def release(self) -> None:
        """Release the lock file, which ends all remaining leases."""
        self._lock.release()

    def _take_number(self) -> tuple[int, FileLock]:
        for worker in range(MAX_WORKERS):
            lock = self._lock_of(worker)
            with suppress(Timeout):
                lock.acquire()
                return worker, lock
        raise OSError(f"{MAX_WORKERS} processes use it already")

    def _count_others(self, connection: sqlite3.Connection) -> int:
        """Count the other active workers, and drop the leases of those that have ended."""
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
            "DELETE FROM leases WHERE model = ? AND worker = ?", (self._model_id, worker)
        )

    def _lock_of(self, worker: int) -> FileLock:
        path = self._folder / f".working-{self._model_id}-{worker}.lock"
        # another thread may close a generator than the one that started it
        return FileLock(path, timeout=0, thread_local=False)
