"""Ray Data as the engine that works on shards: one row of a data set is one shard."""

from __future__ import annotations

import logging
import os
import pickle
import socket
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from functools import partial
from typing import Any, NamedTuple

from skclip._optional import import_optional
from skclip.corpus import Embedder, using_engine
from skclip.exceptions import ModelMismatchError

__all__ = ["RayEngine", "chosen_engine"]

logger = logging.getLogger("skclip.distributed")


class Outcome(NamedTuple):
    """What comes back from a worker: a result or an error."""

    result: Any
    error: Exception | None
    seconds: float
    place: str


class RayEngine:
    """Work on shards in tasks and actors of Ray Data.

    Parameters
    ----------
    address : str or None
        Address of a Ray cluster. None uses the one that this process is connected to or that
        ``RAY_ADDRESS`` names, else starts one on this machine.

    num_cpus : float
        Processors per task and per actor.

    num_gpus : float
        Accelerators per actor with an embedder.

    compute : ray.data.ActorPoolStrategy or None
        Number of actors with an embedder. None is from one up to as many as fit in the cluster.
    """

    def __init__(
        self, address: str | None, num_cpus: float, num_gpus: float, compute: Any = None
    ) -> None:
        purpose = "engine='ray'"
        self._ray = import_optional("ray", extra="ray", purpose=purpose)
        self._data = import_optional("ray.data", extra="ray", purpose=purpose)
        self._address = address
        self._num_cpus, self._num_gpus, self._compute = num_cpus, num_gpus, compute

    def map(
        self,
        function: Callable[..., Any],
        tasks: Sequence[Any],
        embedder: Embedder | None = None,
    ) -> Iterator[tuple[int, Any]]:
        """Yield the position of each task and its result, as :class:`skclip.corpus.Engine` says.

        An error of the function ends the work and is raised here. A worker that dies does not: Ray
        starts another one for its task.
        """
        if not tasks:
            return
        if not self._ray.is_initialized():
            self._ray.init(address=self._address, log_to_driver=False)
        # pickled here: Arrow has no type for these objects
        items = [{"position": i, "task": pickle.dumps(task)} for i, task in enumerate(tasks)]
        dataset = self._data.from_items(items, override_num_blocks=len(items))
        dataset.context.enable_progress_bars = False
        if embedder is None:
            done = dataset.map(call, fn_args=(function,), num_cpus=self._num_cpus)
        else:
            done = dataset.map(
                CallWithEmbedder,
                fn_constructor_args=(function, recipe(embedder), embedder.model_id),
                compute=self._actors(len(tasks)),
                num_cpus=self._num_cpus,
                num_gpus=self._num_gpus,
            )
        for row in done.iter_rows():
            outcome: Outcome = pickle.loads(row["outcome"])
            position = int(row["position"])
            if outcome.error is not None:
                raise outcome.error
            name = getattr(tasks[position], "stem", position)
            logger.info("%s done in %.1f s on %s", name, outcome.seconds, outcome.place)
            yield position, outcome.result

    def _actors(self, n_tasks: int) -> Any:
        if self._compute is not None:
            return self._compute
        n_fitting = self._ray.cluster_resources().get("CPU", 1) / max(self._num_cpus, 1e-3)
        if self._num_gpus:
            n_gpus = self._ray.cluster_resources().get("GPU", 0)
            n_fitting = min(n_fitting, n_gpus / self._num_gpus)
        most = max(1, min(int(n_fitting), n_tasks))
        return self._data.ActorPoolStrategy(min_size=1, max_size=most)


def call(row: dict[str, Any], function: Callable[..., Any]) -> dict[str, Any]:
    """Call the function for the task of a row, in a worker."""
    return _outcome(row, function)


class CallWithEmbedder:
    """An actor that keeps an embedder.

    Parameters
    ----------
    function : callable
        Called with a task and the embedder.

    recipe : callable
        Makes the embedder.

    model_id : str
        The model that it must have.
    """

    def __init__(
        self, function: Callable[..., Any], recipe: Callable[[], Embedder], model_id: str
    ) -> None:
        self._function, self._embedder, self._model_id = function, recipe(), model_id

    def __call__(self, row: dict[str, Any]) -> dict[str, Any]:
        """Call the function for the task of a row."""
        return _outcome(row, self._call)

    def _call(self, task: Any) -> Any:
        if self._embedder.model_id != self._model_id:
            raise ModelMismatchError(
                f"A worker on {socket.gethostname()} has the model {self._embedder.model_id}, but "
                f"{self._model_id} was asked for: install the same weights on every machine."
            )
        return self._function(task, self._embedder)


def _outcome(row: dict[str, Any], function: Callable[..., Any]) -> dict[str, Any]:
    """Return what a function makes of a task; an error is a value, which Ray does not retry."""
    started, place = time.monotonic(), f"{socket.gethostname()}, process {os.getpid()}"
    result, error = None, None
    try:
        result = function(pickle.loads(row["task"]))
    except Exception as raised:
        error = _picklable(raised)
    outcome = Outcome(result, error, time.monotonic() - started, place)
    return {"position": row["position"], "outcome": pickle.dumps(outcome)}


def _picklable(error: Exception) -> Exception:
    """Return the error, or one with its text if it does not survive pickling."""
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:
        return RuntimeError(f"{type(error).__name__}: {error}")
    return error


def recipe(embedder: Any) -> Callable[[], Embedder]:
    """Return a function that makes the embedder anew from its parameters, without its weights."""
    if not hasattr(embedder, "get_params"):
        return partial(_same, embedder)
    make: Callable[..., Embedder] = type(embedder)
    return partial(make, **embedder.get_params(deep=False))


def _same(embedder: Embedder) -> Embedder:
    return embedder


def chosen_engine(
    engine: str, *, address: str | None, num_cpus: float, num_gpus: float, compute: Any
) -> AbstractContextManager[None]:
    """Return a context in which shards are worked on by the engine that a user names.

    Parameters
    ----------
    engine : {"local", "ray"}
        As in :func:`skclip.distributed.build`.

    address, num_cpus, num_gpus, compute
        As in :class:`RayEngine`.

    Returns
    -------
    context : context manager
        Entering it sets the engine.
    """
    if engine == "local":
        return using_engine(None)
    if engine == "ray":
        return using_engine(RayEngine(address, num_cpus, num_gpus, compute))
    raise ValueError(f"engine must be 'local' or 'ray', got {engine!r}.")
