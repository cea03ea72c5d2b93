"""The directory of a training run: what it was begun with, banks, checkpoint, log.

A run goes on only with the data and parameters it was begun with; anything else is refused by name.
"""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import torch
from filelock import FileLock, Timeout

from skclip.corpus._manifest import replacing
from skclip.exceptions import TrainingRunError

__all__ = ["Run", "dtype_of_run", "open_run"]

_FORMAT = 1


class Run:
    """Files of a run; without a directory nothing is kept.

    Parameters
    ----------
    directory : Path or None
        Exists and is ours.

    begun : mapping
        What ``run.json`` says.
    """

    def __init__(self, directory: Path | None, begun: Mapping[str, Any]) -> None:
        self.directory = directory
        self.seed = int(begun["seed"])
        self.log: list[dict[str, Any]] = []

    def path(self, name: str) -> Path | None:
        """Return a file of the run."""
        return None if self.directory is None else self.directory / name

    def load_checkpoint(self) -> dict[str, Any] | None:
        """Return the last checkpoint, and take the log up to it."""
        path = self.path("checkpoint.pt")
        if path is None or not path.exists():
            self._cut_log(0)
            return None
        state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
        self._cut_log(state["step"])
        return state

    def save_checkpoint(self, state: Mapping[str, Any]) -> None:
        """Replace the checkpoint in one step."""
        if (path := self.path("checkpoint.pt")) is not None:
            with replacing(path) as temporary:
                try:
                    torch.save(dict(state), temporary)
                except RuntimeError as error:  # torch's writer says where in its code, not why
                    raise OSError(
                        f"The checkpoint {str(path)!r} cannot be written: the disk is full or "
                        "failing. The one before is whole, and the same call goes on from it."
                    ) from error

    def write_log(self, record: dict[str, Any]) -> None:
        """Append a line to ``log.jsonl``."""
        self.log.append(record)
        if (path := self.path("log.jsonl")) is not None:
            with path.open("a", encoding="utf-8") as file:
                file.write(json.dumps(record) + "\n")

    def _cut_log(self, step: int) -> None:
        """Keep the lines up to a step; those after it are about to be written again."""
        if (path := self.path("log.jsonl")) is None:
            return
        with suppress(FileNotFoundError):
            for line in path.read_text(encoding="utf-8").splitlines():
                with suppress(json.JSONDecodeError):  # the last line of a run that was killed
                    record = json.loads(line)
                    if record["step"] <= step:
                        self.log.append(record)
        with replacing(path) as temporary:
            lines = [json.dumps(record) + "\n" for record in self.log]
            temporary.write_text("".join(lines), encoding="utf-8")


@contextmanager
def open_run(output: Path | None, wanted: Mapping[str, Any], seed: int) -> Iterator[Run]:
    """Begin a run or go on with the one that is in a directory.

    Parameters
    ----------
    output : Path or None
        Directory; made if it does not exist.

    wanted : mapping of str to JSON values
        Everything that decides what the run learns.

    seed : int
        Of a new run; one that goes on keeps its own.

    Yields
    ------
    run : Run
        Locked against other processes.

    Raises
    ------
    TrainingRunError
        If the directory holds a run of other data or parameters, or another process works in it.
    """
    if output is None:
        yield Run(None, {"seed": seed})
        return
    output.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(output / ".lock", timeout=0):
            yield Run(output, _begin(output, {"format": _FORMAT, "seed": seed, **wanted}))
    except Timeout as error:
        raise TrainingRunError(
            f"Another process trains in output={str(output)!r}: wait for it to end, or give "
            "another directory."
        ) from error


def dtype_of_run(output: Path | None) -> str | None:
    """Return what the run in a directory computes in; None where there is no run to go on with."""
    begun = None if output is None else _read_begun(output / "run.json")
    return None if begun is None else begun.get("dtype")


def _read_begun(path: Path) -> dict[str, Any] | None:
    if not path.exists():
        return None
    try:
        begun: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise TrainingRunError(
            f"{str(path)!r} cannot be read ({error}): give another directory, or delete it."
        ) from error
    return begun


def _begin(output: Path, wanted: dict[str, Any]) -> dict[str, Any]:
    path = output / "run.json"
    begun = _read_begun(path)
    if begun is None:
        with replacing(path) as temporary:
            temporary.write_text(json.dumps(wanted, indent=1), encoding="utf-8")
        return wanted
    wanted = json.loads(json.dumps(wanted))
    differing = [
        f"{key}={begun.get(key)!r} (now {wanted.get(key)!r})"
        for key in {**begun, **wanted}
        if key != "seed" and begun.get(key) != wanted.get(key)
    ]
    if differing:
        raise TrainingRunError(
            f"output={str(output)!r} holds a run with {', '.join(differing)}. Give another "
            "directory, or delete that one to begin anew."
        )
    return begun
