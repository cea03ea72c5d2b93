"""Folders for the time of a run; those of runs that were killed are removed by the next."""

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
    """Make a folder for the time of the block.

    Its lock file is held as long as it is in use. The system lets go of the lock when the process
    ends, however it ends.

    Parameters
    ----------
    purpose : str
        Goes into its name.

    Yields
    ------
    folder : Path
        Holds nothing but the lock file.
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
            # another run may have taken it for a leftover in the moment before
            if (folder / _LOCK).exists():
                return folder, lock
            lock.release()
    # a file system without locks: nobody can tell, then, and nothing is removed for a day
    return Path(tempfile.mkdtemp(prefix=prefix)), lock


def _remove_leftovers(prefix: str) -> None:
    for folder in Path(tempfile.gettempdir()).glob(f"{prefix}*"):
        with suppress(OSError, Timeout):
            if _is_ours(folder):
                lock = FileLock(folder / _LOCK, timeout=0)
                with lock:
                    shutil.rmtree(folder, ignore_errors=True)


def _is_ours(folder: Path) -> bool:
    """Return whether a run of this user has made a folder that may be unused by now."""
    status = folder.lstat()
    if folder.is_symlink() or not folder.is_dir():
        return False
    if hasattr(os, "getuid") and status.st_uid != os.getuid():
        return False
    # versions before this one made no lock file: their folders may be in use for a while
    return (folder / _LOCK).exists() or time.time() - status.st_mtime > _DAY
