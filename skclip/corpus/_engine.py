"""Where the shards of a corpus are worked on: in this process, or by an engine that is set here."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from filelock import FileLock

from skclip.corpus._embedder import Embedder
from skclip.corpus._manifest import ShardEntry
from skclip.corpus._shards import DiskShard, ShardFiles

__all__ = ["Engine", "ShardTask", "current_engine", "in_order", "using_engine"]


@dataclass(frozen=True)
class ShardTask:
    """Work on one shard, which any process that sees the directory can do.

    Parameters
    ----------
    directory : Path
        Directory of the corpus.

    entry : ShardEntry
        The shard.

    stem : str
        Stem of the names of new files.
    """

    directory: Path
    entry: ShardEntry
    stem: str

    @property
    def shard(self) -> DiskShard:
        """Read access to the shard."""
        return DiskShard(self.directory, self.entry)

    @property
    def files(self) -> ShardFiles:
        """The new files."""
        return ShardFiles(self.directory, self.stem)

    def lock(self) -> FileLock:
        """Return the lock of the new files.

        A worker can outlive the process that started it for a moment, while the same work is
        begun again elsewhere. The second waits for the first, and then finds the shard finished.
        """
        return FileLock(self.directory / f"{self.stem}.lock")


class Engine(Protocol):
    """Calls a function for many shards, in other processes or on other machines."""

    def map(
        self,
        function: Callable[..., Any],
        tasks: Sequence[Any],
        embedder: Embedder | None = None,
    ) -> Iterator[tuple[int, Any]]:
        """Yield the position of each task and its result, as they are finished.

        Parameters
        ----------
        function : callable
            Function of a module, called with a task, and with the embedder if there is one.

        tasks : sequence
            Small picklable objects.

        embedder : Embedder or None
            Built anew in every worker.

        Yields
        ------
        position : int
            Index of the task.

        result : object
            What the function has returned.
        """


_engine: ContextVar[Engine | None] = ContextVar("skclip_engine", default=None)


def current_engine() -> Engine | None:
    """Return the engine that works on shards; None is this process."""
    return _engine.get()


@contextmanager
def using_engine(engine: Engine | None) -> Iterator[None]:
    """Work on shards by an engine within the block."""
    token = _engine.set(engine)
    try:
        yield
    finally:
        _engine.reset(token)


def in_order(function: Callable[[Any], Any], tasks: Sequence[Any]) -> Iterator[Any]:
    """Yield the result of each task in order, whichever engine works on them."""
    engine = current_engine()
    if engine is None:
        yield from map(function, tasks)
        return
    waiting, following = {}, 0
    for position, result in engine.map(function, tasks):
        waiting[position] = result
        while following in waiting:
            yield waiting.pop(following)
            following += 1
