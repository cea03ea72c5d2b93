"""Ranking by caption: the time of select="caption" beside a bare pass and beside one product.

    OMP_NUM_THREADS=1 python -m benchmarks.bench_caption_ranking --n-captions 3000000

The rows are float16 vectors of 512 features on disk, as a corpus stores them; the values are
random, and 100 000 rows repeat, since the work does not depend on them. Each name has as many
matches as a Zipf distribution gives it, at random rows. "bare pass" reads the same rows and
multiplies them with the text of their class, without order. "one product" multiplies all rows with
all names in blocks; it is measured on 100 000 rows and scaled. CPU seconds of one process.
"""

import argparse
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skclip._linalg import unit_rows
from skclip.corpus import MemoryShard, MemoryStore
from skclip.recall._other_senses import compare_with_all
from skclip.recall._pool_of_matches import most_similar_first

N_FEATURES, REPEATED = 512, 100_000


class MappedShard(MemoryShard):
    """Captions without text, whose vectors are read like those of a shard on disk."""

    def __init__(self, X: NDArray[Any]) -> None:
        blank = np.full(len(X), "", dtype=object)
        super().__init__(blank, blank, None, None, X)

    def caption_embeddings(self, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        return super().caption_embeddings(rows).astype(np.float32)


def write_rows(path: Path, n: int, rng: np.random.Generator) -> NDArray[Any]:
    """Write float16 rows, and map them into memory."""
    block = unit_rows(rng.normal(size=(min(n, REPEATED), N_FEATURES)).astype(np.float32))
    half = block.astype(np.float16)
    rows = np.lib.format.open_memmap(path, "w+", np.float16, (n, N_FEATURES))
    for start in range(0, n, len(half)):
        rows[start : start + len(half)] = half[: n - start]
    rows.flush()
    return np.load(path, mmap_mode="r")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--n-captions", type=int, default=3_000_000)
    parser.add_argument("--n-names", type=int, default=1000)
    parser.add_argument("--n-hits", type=int, default=1_900_000)
    args = parser.parse_args()
    rng = np.random.default_rng(0)
    sizes = 1 / np.arange(1, args.n_names + 1)
    sizes = np.minimum(args.n_captions, args.n_hits * sizes / sizes.sum()).astype(int)
    matches = [np.sort(rng.integers(0, args.n_captions, size)) for size in sizes]
    text = unit_rows(rng.normal(size=(args.n_names, N_FEATURES)).astype(np.float32))
    times = {}
    with tempfile.TemporaryDirectory() as folder:
        X = write_rows(Path(folder) / "rows.npy", args.n_captions, rng)
        store = MemoryStore([MappedShard(X)])
        for _ in range(2):  # the first pass warms the cache of files
            start = time.process_time()
            for rows, t in zip(matches, text, strict=True):
                for first in range(0, len(rows), 4096):
                    X[rows[first : first + 4096]].astype(np.float32) @ t
            times["bare pass over the hits"] = time.process_time() - start
        start = time.process_time()
        ordered, _ = most_similar_first(matches, text, store.caption_embeddings)
        times["select='caption'"] = time.process_time() - start
        start = time.process_time()
        names = list(range(args.n_names))
        compare_with_all(store, names, ordered, text, store.caption_embeddings, what="captions")
        times["OtherSenseWarning: 50 hits per name with all names"] = time.process_time() - start
        part = X[:REPEATED]
        start = time.process_time()
        for first in range(0, len(part), 4096):
            part[first : first + 4096].astype(np.float32) @ text.T
        scale = args.n_captions / len(part)
        times["one product, all rows"] = (time.process_time() - start) * scale
    n_hits = sum(map(len, ordered))
    print(f"{args.n_captions} captions, {args.n_names} names, {n_hits} hits\n")
    print("| work | CPU s | ratio |\n|---|---|---|")
    for name, seconds in times.items():
        print(f"| {name} | {seconds:.1f} | {seconds / times['bare pass over the hits']:.2f} |")


if __name__ == "__main__":
    main()
