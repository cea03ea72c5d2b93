"""Temporary folders of a run; a later run removes those of killed runs."""

import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

__all__ = ["temporary_folder"]

_LOCK = ".in-use"
_DAY = 24 * 60 * 60.0
_ATTEMPTS = 5


@contextmanager
def temporary_folder(purpose: str) -> Iterator[Path]:
    """Make a folder that exists during the block.

    Its lock file is held while it is in use. The system releases the lock when the process ends.

    Parameters
    ----------
    purpose : str
        Part of its name.

    Yields
    ------
    folder : Path
        Empty except for the lock file.
    """
    prefix = f"skclip-{purpose}-"
    _remove_leftovers(prefix)
    folder, lock = _make_locked(prefix)
    try:
        yield folder
    finally:
        lock.release()
        shutil.rmtree(folder, ignore_errors=True)


def _make_locked(prefix: str) -> tuple[Path, FileLock]:
    for _ in range(_ATTEMPTS):
        folder = Path(tempfile.mkdtemp(prefix=prefix))
        lock = FileLock(folder / _LOCK, timeout=0)
        with suppress(Timeout, OSError, NotImplementedError):
            lock.acquire()
            # another run may have removed it before it was locked
            if (folder / _LOCK).exists():
                return folder, lock
            lock.release()
    # without file locks, folders are kept for a day
    return Path(tempfile.mkdtemp(prefix=prefix)), lock


def _remove_leftovers(prefix: str) -> None:
    for folder in Path(tempfile.gettempdir()).glob(f"{prefix}*"):
        with suppress(OSError, Timeout):
            if _is_ours(folder):
                lock = FileLock(folder / _LOCK, timeout=0)
                with lock:
                    shutil.rmtree(folder, ignore_errors=True)


def _is_ours(folder: Path) -> bool:
    """Return whether a folder belongs to this user and may be unused."""
    status = folder.lstat()
    if folder.is_symlink() or not folder.is_dir():
        return False
    if hasattr(os, "getuid") and status.st_uid != os.getuid():
        return False
    # earlier versions made no lock file: their folders may still be in use
    return (folder / _LOCK).exists() or time.time() - status.st_mtime > _DAY
