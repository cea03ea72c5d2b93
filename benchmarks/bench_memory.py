"""Memory that class-mean and primed heads need beside embeddings that are mapped from a file.

    python benchmarks/bench_memory.py

500 000 rows of 512 features and 100 classes, in single precision as they lie, and in half precision
whole and in parts. Printed is the most that was allocated at once by numpy and Python.
"""

import tempfile
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import numpy as np

from skclip import (
    GaussianDiscriminantClassifier,
    NearestClassMean,
    PrimedNCMClassifier,
    StackedHeadClassifier,
)

N_ROWS, N_FEATURES, N_CLASSES, PART = 500_000, 512, 100, 50_000
PARTS = [slice(start, start + PART) for start in range(0, N_ROWS, PART)]


def write_rows(path: Path, dtype: str) -> np.ndarray:
    """Return random rows, mapped from a new file."""
    rng = np.random.default_rng(0)
    rows = np.lib.format.open_memmap(path, "w+", dtype, (N_ROWS, N_FEATURES))
    for part in PARTS:
        rows[part] = rng.standard_normal((PART, N_FEATURES), dtype=np.float32)
    rows.flush()
    return np.load(path, mmap_mode="r")


def in_parts(X: np.ndarray, y: np.ndarray) -> None:
    head = NearestClassMean()
    for part in PARTS:
        head.partial_fit(X[part], y[part], classes=range(N_CLASSES))
    for part in PARTS:
        head.predict(X[part])


def print_peak(what: str, work: Callable[[], object]) -> None:
    tracemalloc.start()
    work()
    print(f"{what}: {tracemalloc.get_traced_memory()[1] / 1e6:.0f} MB")
    tracemalloc.stop()


def main() -> None:
    y = np.arange(N_ROWS) % N_CLASSES
    with tempfile.TemporaryDirectory() as folder:
        single, half = (write_rows(Path(folder, f"{t}.npy"), t) for t in ("float32", "float16"))
        print(f"embeddings: {single.nbytes / 1e6:.0f} MB, in half precision half of it")
        for head in (NearestClassMean(), PrimedNCMClassifier()):
            name = type(head).__name__
            print_peak(f"{name}, fit", lambda head=head: head.fit(single, y))
            print_peak(f"{name}, predict", lambda head=head: head.predict(single))
        print_peak("half precision in parts, NearestClassMean", lambda: in_parts(half, y))
        rng = np.random.default_rng(1)
        text = dict(enumerate(rng.standard_normal((N_CLASSES, N_FEATURES), dtype=np.float32)))
        for head in (
            NearestClassMean(),
            GaussianDiscriminantClassifier(),
            PrimedNCMClassifier(text),
            StackedHeadClassifier(text),
        ):
            name = f"half precision, {type(head).__name__}"
            print_peak(f"{name}, fit", lambda head=head: head.fit(half, y))
            print_peak(f"{name}, predict", lambda head=head: head.predict(half))


if __name__ == "__main__":
    main()
