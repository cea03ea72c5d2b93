"""Which images are labelled in each run, the same for all heads; digests to know them by."""

import hashlib
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skclip._validation import sample_of

__all__ = ["Shots", "digest_of", "draw_rows", "name_of_shots", "row_digests", "shots_of_name"]

Shots = int | tuple[int, ...]


def name_of_shots(shots: Shots) -> str:
    """Return ``4`` for four images of every class, ``0/1/15`` for thirds of the classes."""
    return "/".join(map(str, shots)) if isinstance(shots, tuple) else str(shots)


def shots_of_name(name: str) -> Shots:
    """Return the shots that :func:`name_of_shots` wrote."""
    numbers = tuple(map(int, name.split("/")))
    return numbers if len(numbers) > 1 else numbers[0]


def draw_rows(
    codes: NDArray[np.integer], classes: Sequence[Any], shots: Shots, seed: int
) -> NDArray[np.intp]:
    """Draw labelled images.

    For one seed, the images of fewer shots are among those of more shots.

    Parameters
    ----------
    codes : ndarray of shape (n_samples,)
        Class of each image.

    classes : sequence of length n_classes
        Labels, for the message.

    shots : int or tuple of int
        Images per class. The numbers of a tuple are assigned to the classes in a random order: with
        ``(0, 1, 15)``, a third of the classes have no image, a third one, and a third fifteen.

    seed : int
        Seed. Equal seeds give equal images.

    Returns
    -------
    rows : ndarray of int
        Positions, ordered by class.

    Raises
    ------
    ValueError
        If a class has fewer images, or no class gets any.
    """
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(codes))
    dealt = rng.permutation(len(classes))
    numbers = np.full(len(classes), shots if isinstance(shots, int) else 0)
    if isinstance(shots, tuple):
        numbers[dealt] = np.resize(shots, len(classes))
    counts = np.bincount(codes, minlength=len(classes))
    short = np.flatnonzero(counts < numbers)
    if len(short):
        few = [f"{classes[c]} ({counts[c]})" for c in short.tolist()]
        raise ValueError(
            f"shots={name_of_shots(shots)} asks for more images than these classes have: "
            f"{sample_of(few)}. Leave these shots out, or the classes."
        )
    if not numbers.any():
        raise ValueError(
            f"shots={name_of_shots(shots)} labels no image: leave it out. Zero-shot is compared "
            "if `zero_shot` is given."
        )
    own = [order[codes[order] == c][:n] for c, n in enumerate(numbers)]
    return np.concatenate(own).astype(np.intp)


def row_digests(X: NDArray[Any], y: NDArray[Any]) -> list[str]:
    """Return a digest of every row and its label."""
    rows = np.ascontiguousarray(X)
    return [
        hashlib.sha256(row.tobytes() + str(label).encode("utf-8", "surrogatepass")).hexdigest()[:16]
        for row, label in zip(rows, y.tolist(), strict=True)
    ]


def digest_of(digests: Sequence[str]) -> str:
    """Return one digest of several, whatever their order."""
    return hashlib.sha256("".join(sorted(digests)).encode()).hexdigest()[:32]
