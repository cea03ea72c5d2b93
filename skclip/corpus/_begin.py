"""Checks before work on a directory begins, and the note of unfinished work."""

import errno
import json
from pathlib import Path

from skclip._files import replacing
from skclip.corpus._manifest import LOCK, MANIFEST, UNFINISHED, read_note
from skclip.exceptions import CorpusError

__all__ = [
    "check_free",
    "is_taken",
    "refuse_links",
    "storage_problem",
    "was_committed",
    "write_note",
]


def check_free(directory: Path, *, overwrite: bool) -> None:
    """Raise if the directory has contents that must not be replaced."""
    if (directory / MANIFEST).exists():
        # the unfinished work may be this build, killed in its last step
        if not overwrite and not was_committed(directory):
            raise is_taken(directory)
        return
    resumable = (directory / UNFINISHED).exists()
    # a build that is killed before it writes its note leaves these
    begun = {LOCK, f"{UNFINISHED}.tmp"}
    free = not directory.exists() or (
        directory.is_dir() and all(path.name in begun for path in directory.iterdir())
    )
    if not (resumable or free):
        raise CorpusError(
            f"{str(directory)!r} exists and is not a corpus: give a new or empty directory."
        )


def is_taken(directory: Path) -> CorpusError:
    """Return the error for a directory that already contains a corpus."""
    return CorpusError(
        f"{str(directory)!r} already holds a corpus: pass overwrite=True to replace it, or add to "
        "it with Corpus(path).append(source)."
    )


def was_committed(directory: Path) -> bool:
    """Return whether the note of unfinished work refers to the current manifest."""
    manifest, note = read_note(directory, MANIFEST), read_note(directory)
    begun = note.get("generation"), note.get("repeats")
    return bool(manifest) and manifest["generation"] in begun


def refuse_links(directory: Path) -> None:
    """Raise if a symbolic link would lead writes out of the directory.

    Files that are only replaced or removed may be links: the link itself is replaced.
    """
    for path in directory.iterdir():
        written = path.name == LOCK or path.suffix in (".tmp", ".partial", ".lock")
        if written and path.is_symlink():
            raise CorpusError(
                f"{str(path)!r} is a symbolic link, and writes would follow it out of the "
                "corpus: remove it."
            )


def write_note(directory: Path, generation: int, model_id: str | None, repeats: int | None) -> None:
    """Write the note of unfinished work; remove files of a different earlier attempt."""
    path = directory / UNFINISHED
    begun = {"generation": generation, "model_id": model_id}
    if repeats is not None:
        begun["repeats"] = repeats
    if read_note(directory) == begun:
        return
    for stale in directory.glob(f"{generation:03d}-*.*"):
        if ".embeddings." in stale.name or ".failures." in stale.name:
            stale.unlink()
    with replacing(path) as temporary:
        temporary.write_text(json.dumps(begun), encoding="utf-8")


def storage_problem(error: Exception) -> str | None:
    """Return the problem of the disk, or None if the error has another cause."""
    code = getattr(error, "errno", None)
    if code in (errno.ENOSPC, errno.EDQUOT) or "disk is full" in str(error):
        return "the disk is full"
    if code in (errno.EROFS, errno.EACCES, errno.EPERM) or "readonly" in str(error):
        return "the disk or directory is read-only"
    return None
