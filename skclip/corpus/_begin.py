"""Before work on a directory begins: whether it may, and what was left unfinished there."""

import errno
import json
from pathlib import Path

from skclip._files import replacing
from skclip.corpus._manifest import LOCK, MANIFEST, UNFINISHED, noted
from skclip.exceptions import CorpusError

__all__ = [
    "check_free",
    "is_taken",
    "note_begin",
    "refuse_links",
    "storage_problem",
    "was_committed",
]


def check_free(directory: Path, *, overwrite: bool) -> None:
    """Refuse to build where something is that is not to be replaced."""
    if (directory / MANIFEST).exists():
        # what a build was killed at the end of may be this one
        if not overwrite and not was_committed(directory):
            raise is_taken(directory)
        return
    resumable = (directory / UNFINISHED).exists()
    # a build that dies before it has said what it does leaves these
    begun = {LOCK, f"{UNFINISHED}.tmp"}
    free = not directory.exists() or (
        directory.is_dir() and all(path.name in begun for path in directory.iterdir())
    )
    if not (resumable or free):
        raise CorpusError(
            f"{str(directory)!r} exists and is not a corpus: give a new or empty directory."
        )


def is_taken(directory: Path) -> CorpusError:
    """Return what is said of a directory that holds a corpus."""
    return CorpusError(
        f"{str(directory)!r} already holds a corpus: pass overwrite=True to replace it, or add to "
        "it by Corpus(path).append(source)."
    )


def was_committed(directory: Path) -> bool:
    """Whether the note of unfinished work is about a manifest that is in place."""
    manifest, note = noted(directory, MANIFEST), noted(directory)
    begun = note.get("generation"), note.get("repeats")
    return bool(manifest) and manifest["generation"] in begun


def refuse_links(directory: Path) -> None:
    """Refuse to write where a symbolic link would lead out of the directory.

    Files that are replaced or removed may be links, which take the place of what they point to.
    """
    for path in directory.iterdir():
        written = path.name == LOCK or path.suffix in (".tmp", ".partial")
        if written and path.is_symlink():
            raise CorpusError(
                f"{str(path)!r} is a symbolic link, and writing would follow it out of the "
                "corpus: remove it."
            )


def note_begin(directory: Path, generation: int, model_id: str | None, repeats: int | None) -> None:
    """Say what is unfinished; drop what an earlier attempt began differently."""
    path = directory / UNFINISHED
    begun = {"generation": generation, "model_id": model_id}
    if repeats is not None:
        begun["repeats"] = repeats
    if noted(directory) == begun:
        return
    for stale in directory.glob(f"{generation:03d}-*.*"):
        if ".embeddings." in stale.name or ".failures." in stale.name:
            stale.unlink()
    with replacing(path) as temporary:
        temporary.write_text(json.dumps(begun), encoding="utf-8")


def storage_problem(error: Exception) -> str | None:
    """Return what is wrong with the disk, or None if the error is about something else."""
    code = getattr(error, "errno", None)
    if code in (errno.ENOSPC, errno.EDQUOT) or "disk is full" in str(error):
        return "the disk is full"
    if code in (errno.EROFS, errno.EACCES, errno.EPERM) or "readonly" in str(error):
        return "the place is read-only"
    return None
