"""The error for a damaged file of a training run."""

from pathlib import Path

from skclip.exceptions import TrainingRunError

__all__ = ["damaged_file"]


def damaged_file(path: Path, why: object) -> TrainingRunError:
    """Return the error for a damaged file that can be recreated."""
    return TrainingRunError(
        f"{str(path)!r} is damaged ({why}): delete it, and the same call will recreate it."
    )
