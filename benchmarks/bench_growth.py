"""How time and memory of fits and recall grow with rows: a table, and a plot for the guide.

    OMP_NUM_THREADS=1 python -m benchmarks.bench_growth --largest 10000000 --plot growth.svg

Embeddings are half-precision rows of 128 features, mapped from a file as a corpus stores them, of
100 classes; captions are four words of a made-up vocabulary, and 100 names are recalled from an
index. Every cell is one run: CPU seconds of the process, and the most that numpy and Python had
allocated at once beyond the rows themselves. Growth is linear where ten times the rows take ten
times as long; less is overhead of small sizes.
"""

import argparse
import tempfile
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from skclip import (
    CaptionRetriever,
    GaussianDiscriminantClassifier,
    MultiProxyImprinter,
    NearestClassMean,
    PrimedNCMClassifier,
    StackedHeadClassifier,
)
from skclip.corpus import Corpus

N_FEATURES, N_CLASSES, PART = 128, 100, 100_000
Measured = dict[str, dict[int, tuple[float, float]]]


def write_rows(path: Path, n: int, centers: np.ndarray) -> np.ndarray:
    """Return rows around the centre of each class in turn, mapped from a new file."""
    rng = np.random.default_rng(0)
    rows = np.lib.format.open_memmap(path, "w+", np.float16, (n, N_FEATURES))
    for start in range(0, n, PART):
        labels = np.arange(start, min(start + PART, n)) % N_CLASSES
        noise = rng.standard_normal((len(labels), N_FEATURES), dtype=np.float32)
        rows[start : start + len(labels)] = centers[labels] + 2 * noise
    rows.flush()
    return np.load(path, mmap_mode="r")


def measured(work: Callable[[], object]) -> tuple[float, float]:
    """Return CPU seconds and megabytes."""
    tracemalloc.start()
    start = time.process_time()
    work()
    seconds = time.process_time() - start
    megabytes = tracemalloc.get_traced_memory()[1] / 1e6
    tracemalloc.stop()
    return seconds, megabytes


def heads(folder: Path, sizes: list[int]) -> Measured:
    centers = np.random.default_rng(1).standard_normal((N_CLASSES, N_FEATURES), dtype=np.float32)
    text = dict(enumerate(centers + np.random.default_rng(2).standard_normal(centers.shape)))
    estimators: dict[str, Any] = {
        "NearestClassMean": NearestClassMean(),
        "PrimedNCMClassifier": PrimedNCMClassifier(text),
        "GaussianDiscriminantClassifier": GaussianDiscriminantClassifier(),
        "StackedHeadClassifier": StackedHeadClassifier(text),
        "MultiProxyImprinter": MultiProxyImprinter(random_state=0),
    }
    found: Measured = {}
    for n in sizes:
        X, y = write_rows(folder / f"{n}.npy", n, centers), np.arange(n) % N_CLASSES
        for name, head in estimators.items():
            if name == "MultiProxyImprinter" and n > 100_000:
                continue  # the number of proxies is chosen on folds: minutes
            found.setdefault(f"{name}.fit", {})[n] = measured(lambda h=head, X=X, y=y: h.fit(X, y))
            print(f"{name}.fit, {n} rows", found[f"{name}.fit"][n], flush=True)
            found.setdefault(f"{name}.predict", {})[n] = measured(lambda h=head, X=X: h.predict(X))
        (folder / f"{n}.npy").unlink()
    return found


def recall(folder: Path, sizes: list[int]) -> Measured:
    rng = np.random.default_rng(0)
    words = np.array([f"w{i}" for i in range(50_000)])
    names = [f"w{i}" for i in range(100)]
    found: Measured = {}
    for n in sizes:
        path = folder / f"{n}.tsv"
        with path.open("w") as file:
            file.write("id\tcaption\n")
            for start in range(0, n, PART):
                drawn = words[rng.integers(0, len(words), (min(PART, n - start), 4))]
                file.writelines(f"{start + i}\t{' '.join(r)}\n" for i, r in enumerate(drawn))
        corpus = folder / f"{n}-corpus"
        found.setdefault("Corpus.build, captions", {})[n] = measured(
            lambda path=path, corpus=corpus: Corpus.build(path, corpus)
        )
        found.setdefault("CaptionRetriever.recall", {})[n] = measured(
            lambda corpus=corpus: CaptionRetriever(Corpus(corpus)).recall(names)
        )
        print(f"captions, {n} rows", flush=True)
    return found


def print_tables(found: Measured, sizes: list[int]) -> None:
    header = " | ".join(f"{n:,}" for n in sizes)
    for number, unit, digits in ((0, "CPU seconds", 2), (1, "MB allocated at once", 0)):
        print(f"\n**{unit}**\n\n| rows | {header} |\n|---|{'---|' * len(sizes)}")
        for name, cells in found.items():
            values = [f"{cells[n][number]:.{digits}f}" if n in cells else "" for n in sizes]
            print(f"| {name} | {' | '.join(values)} |")


def draw(found: Measured, path: Path) -> None:
    import matplotlib as mpl
    import matplotlib.pyplot as plt

    mpl.rcParams |= {"svg.hashsalt": "growth", "svg.fonttype": "none"}
    figure, axes = plt.subplots(1, 2, figsize=(9, 4), layout="constrained")
    for name, cells in found.items():
        if name.endswith(".predict"):  # alike for all heads
            continue
        for axis, number in zip(axes, (0, 1), strict=True):
            axis.loglog(list(cells), [cell[number] for cell in cells.values()], ".-", label=name)
    for axis, label in zip(axes, ("CPU seconds", "MB allocated at once"), strict=True):
        axis.set(xlabel="rows", ylabel=label)
        axis.grid(alpha=0.3)
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=3)
    figure.savefig(path, metadata={"Date": None})


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--largest", type=int, default=1_000_000)
    parser.add_argument("--plot", type=Path, help="image file to write")
    args = parser.parse_args()
    sizes = [n for n in (10_000, 100_000, 1_000_000, 10_000_000) if n <= args.largest]
    with tempfile.TemporaryDirectory() as folder:
        found = heads(Path(folder), sizes) | recall(Path(folder), sizes[:3])
    print_tables(found, sizes)
    if args.plot:
        draw(found, args.plot)


if __name__ == "__main__":
    main()
