"""The directory of a training run: what it was begun with, banks, checkpoint, log.

A run goes on only with the data and parameters it was begun with; anything else is refused by name.
A directory may come from elsewhere: a checkpoint is read as tensors and numbers, and nothing is
written where a symbolic link leads.
"""

import json
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import torch
from filelock import FileLock, Timeout

from skclip._files import replacing
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
        with self.reading_checkpoint():
            _check_sums(path)
            state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
            self._cut_log(int(state["step"]))
        return state

    @contextmanager
    def reading_checkpoint(self) -> Iterator[None]:
        """Name the checkpoint in whatever error a damaged one leads to.

        The reason in torch's own words is left out: they advise to load the file as code.
        """
        try:
            yield
        except MemoryError:
            raise
        except Exception as error:
            raise TrainingRunError(
                f"The checkpoint {str(self.path('checkpoint.pt'))!r} is torn, or is not one that "
                f"skclip has written for this run ({type(error).__name__}). Put a copy in its "
                "place, or delete it to begin anew; what the teachers gave is kept."
            ) from None

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
            for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
                # the last line of a run that was killed
                with suppress(ValueError, TypeError, KeyError):
                    record = json.loads(line)
                    if record["step"] <= step:
                        self.log.append(record)
        with replacing(path) as temporary:
            lines = [json.dumps(record) + "\n" for record in self.log]
            temporary.write_text("".join(lines), encoding="utf-8")


def _check_sums(path: Path) -> None:
    """Compare every part of a checkpoint with its checksum: torch writes them, but reads none."""
    with zipfile.ZipFile(path) as archive:
        if any(part.compress_type != zipfile.ZIP_STORED for part in archive.infolist()):
            raise zipfile.BadZipFile
        if archive.testzip() is not None:
            raise zipfile.BadZipFile


def _refuse_links(output: Path) -> None:
    """Refuse to write where a symbolic link would lead out of the directory."""
    model = output / "model"
    inside = model.iterdir() if model.is_dir() else ()
    for path in (*output.iterdir(), *inside):
        if path.is_symlink():
            raise TrainingRunError(
                f"{str(path)!r} is a symbolic link, and writing would follow it out of the "
                "directory of the run: remove it, or give another directory."
            )


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
    _refuse_links(output)
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
        if not isinstance(begun, dict) or not isinstance(begun.get("seed"), int):
            raise ValueError("it says no seed")
    except (ValueError, RecursionError) as error:
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
