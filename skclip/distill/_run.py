"""The directory of a training run: parameters, banks, checkpoint and log.

A run resumes only with the same data and parameters; otherwise an error lists the differences. The
directory is untrusted: checkpoints are read as tensors and numbers only, and symbolic links are not
followed when writing.
"""

import atexit
import json
import shutil
import tempfile
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
    """Files of a run; without a directory, nothing is stored.

    Parameters
    ----------
    directory : Path or None
        An existing directory of this run.

    begun : mapping
        Contents of ``run.json``.
    """

    def __init__(self, directory: Path | None, begun: Mapping[str, Any]) -> None:
        self.directory = directory
        self.seed = int(begun["seed"])
        self.log: list[dict[str, Any]] = []

    def path(self, name: str) -> Path | None:
        """Return the path of a file of the run."""
        return None if self.directory is None else self.directory / name

    def model_folder(self) -> Path:
        """Return the folder of the model; without a directory, one until the process ends."""
        if (folder := self.path("model")) is None:
            folder = Path(tempfile.mkdtemp(prefix="skclip-"))
            atexit.register(shutil.rmtree, folder, ignore_errors=True)
        return folder

    def load_checkpoint(self) -> dict[str, Any] | None:
        """Return the last checkpoint, and truncate the log to it."""
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
        """Convert any error of a damaged checkpoint to one that names the file.

        torch's message is left out, because it may recommend loading the file as code.
        """
        try:
            yield
        except MemoryError:
            raise
        except Exception as error:
            raise TrainingRunError(
                f"The checkpoint {str(self.path('checkpoint.pt'))!r} is damaged, or does not "
                f"belong to this run ({type(error).__name__}). Restore a copy, or delete it to "
                "start again; the features of the teachers are kept."
            ) from None

    def save_checkpoint(self, state: Mapping[str, Any]) -> None:
        """Replace the checkpoint in one step."""
        if (path := self.path("checkpoint.pt")) is not None:
            with replacing(path) as temporary:
                try:
                    torch.save(dict(state), temporary)
                except RuntimeError as error:  # torch's message does not give the reason
                    raise OSError(
                        f"The checkpoint {str(path)!r} cannot be written: the disk is full or "
                        "failing. The previous checkpoint is valid; the same call resumes from it."
                    ) from error

    def write_log(self, record: dict[str, Any]) -> None:
        """Append a record to ``log.jsonl``."""
        self.log.append(record)
        if (path := self.path("log.jsonl")) is not None:
            with path.open("a", encoding="utf-8") as file:
                file.write(json.dumps(record) + "\n")

    def _cut_log(self, step: int) -> None:
        """Keep the records up to a step; later ones will be written again."""
        if (path := self.path("log.jsonl")) is None:
            return
        with suppress(FileNotFoundError):
            for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
                # an incomplete line of a killed run
                with suppress(ValueError, TypeError, KeyError):
                    record = json.loads(line)
                    if record["step"] <= step:
                        self.log.append(record)
        with replacing(path) as temporary:
            lines = [json.dumps(record) + "\n" for record in self.log]
            temporary.write_text("".join(lines), encoding="utf-8")


def _check_sums(path: Path) -> None:
    """Check the checksums of a checkpoint, which torch writes but does not verify."""
    with zipfile.ZipFile(path) as archive:
        if any(part.compress_type != zipfile.ZIP_STORED for part in archive.infolist()):
            raise zipfile.BadZipFile
        if archive.testzip() is not None:
            raise zipfile.BadZipFile


def _refuse_links(output: Path) -> None:
    """Raise if a symbolic link would lead writes out of the directory."""
    model = output / "model"
    inside = model.iterdir() if model.is_dir() else ()
    for path in (*output.iterdir(), *inside):
        if path.is_symlink():
            raise TrainingRunError(
                f"{str(path)!r} is a symbolic link, and writes would follow it out of the "
                "directory of the run: remove it, or give another directory."
            )


@contextmanager
def open_run(output: Path | None, wanted: Mapping[str, Any], seed: int) -> Iterator[Run]:
    """Start a run, or resume the run in a directory.

    Parameters
    ----------
    output : Path or None
        Directory; created if it does not exist.

    wanted : mapping of str to JSON values
        All data and parameters that determine the result.

    seed : int
        Seed of a new run; a resumed run keeps its seed.

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
            f"Another process is training in output={str(output)!r}: wait for it to end, or give "
            "another directory."
        ) from error


def dtype_of_run(output: Path | None) -> str | None:
    """Return the dtype of the run in a directory; None if there is no run to resume."""
    begun = None if output is None else _read_begun(output / "run.json")
    return None if begun is None else begun.get("dtype")


def _read_begun(path: Path) -> dict[str, Any] | None:
    if not path.exists():
        return None
    try:
        begun: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(begun, dict) or not isinstance(begun.get("seed"), int):
            raise ValueError("it has no seed")
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
            "directory, or delete that one to start again."
        )
    return begun
