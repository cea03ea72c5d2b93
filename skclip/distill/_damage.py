"""What is said of a file of a training run that is not what was written."""

from pathlib import Path

from skclip.exceptions import TrainingRunError

__all__ = ["damaged_file"]


def damaged_file(path: Path, why: object) -> TrainingRunError:
    """Return the error for a file that is made again when it is gone."""
    return TrainingRunError(
        f"{str(path)!r} is damaged ({why}): delete it, and the same call makes it again."
    )
