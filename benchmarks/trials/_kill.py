"""Work in a forked process that is killed, at a random moment or before its n-th file operation."""

import os
import signal
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

__all__ = ["Duration", "in_child", "killed_child"]

OPERATIONS = [
    (os, "fsync"),
    (Path, "replace"),
    (Path, "unlink"),
    (Path, "open"),
    (Path, "mkdir"),
]


class Duration:
    """How long work takes, and how many file operations: kills are spread over both."""

    def __init__(self, work: Callable[[], Any], notes: Path) -> None:
        path = notes / "operations"
        start = time.monotonic()
        code = in_child(work, report=path)
        self.seconds = time.monotonic() - start
        if code:
            raise RuntimeError("undisturbed work failed")
        self.n_operations = int(path.read_text())


def in_child(work: Callable[[], Any], *, kill_at: int = 0, report: Path | None = None) -> int:
    """Return the exit code of a forked process that does the work; minus 9 if it was killed."""
    return _wait(_fork(work, kill_at, report))


def killed_child(work: Callable[[], Any], duration: Duration, rng: np.random.Generator) -> int:
    """Do work in a process that is killed somewhere; return its exit code, 0 if it was faster."""
    if duration.n_operations and rng.random() < 0.5:
        return in_child(work, kill_at=int(rng.integers(1, duration.n_operations + 1)))
    child = _fork(work, 0, None)
    time.sleep(rng.uniform(0, 1.1 * duration.seconds))
    os.kill(child, signal.SIGKILL)  # still there, as nobody has waited for it
    return _wait(child)


def _wait(child: int) -> int:
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def _fork(work: Callable[[], Any], kill_at: int, report: Path | None) -> int:
    child = os.fork()
    if child:
        return child
    try:
        count = _count_operations(kill_at)
        work()
        if report is not None:
            report.write_text(str(count()))
        os._exit(0)
    except BaseException:
        traceback.print_exc()
    os._exit(1)


def _count_operations(kill_at: int) -> Callable[[], int]:
    n_operations = 0

    def counted(original: Callable[..., Any]) -> Callable[..., Any]:
        def operation(*args: Any, **kwargs: Any) -> Any:
            nonlocal n_operations
            n_operations += 1
            if n_operations == kill_at:
                os.kill(os.getpid(), signal.SIGKILL)
            return original(*args, **kwargs)

        return operation

    for owner, name in OPERATIONS:
        setattr(owner, name, counted(getattr(owner, name)))
    return lambda: n_operations
