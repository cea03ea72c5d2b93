"""At most k of a class's matches."""

import zlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["order_rows"]


def order_rows(rows: NDArray[np.int64], name: Any, *, select: str, seed: int) -> NDArray[np.int64]:
    """Return the matches of a class in the order in which they are taken.

    The order of a class depends on its name, its matches and the seed alone: other classes, shards
    and the number of workers do not change it.

    Parameters
    ----------
    rows : ndarray of int64
        Matches, ascending.

    name : object
        Class name.

    select : {"first", "random"}
        Row order, or a random one.

    seed : int
        Seed of the random order.

    Returns
    -------
    rows : ndarray of int64
        The same rows.
    """
    if select == "first":
        return rows
    generator = np.random.default_rng([seed, zlib.crc32(str(name).encode("utf-8", "replace"))])
    return generator.permutation(rows)
