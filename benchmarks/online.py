"""Streams of unlabelled images: predict, then adapt. A table of docs/user_guide/unlabelled.md.

    python -m benchmarks.online --data FOLDER

The folder is that of `clip_sets.py`; it is not public. Ten processor minutes.
"""

import argparse
import warnings
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.clip_sets import SETS, ImageSet
from benchmarks.unlabelled import EVERY, long_tail, table
from skclip import OnlineAdaptedClassifier, StatAClassifier

Rows = NDArray[Any]
N_IMAGES, BLOCK = 1000, 100
STREAMS = "shuffled", "class by class", "long tail"


def stream(images: ImageSet, title: str, seed: int) -> tuple[Rows, Rows, Rows, Rows]:
    """Return the images of a stream in their order, and held-out images."""
    X, y, X_test, y_test = images.split(seed)
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(X))
    if title == "long tail":
        order = order[long_tail(images.names, y[order], rng)]
    order = order[:N_IMAGES]
    if title == "class by class":
        place = dict(zip(rng.permutation(images.names), range(len(y)), strict=False))
        order = order[np.argsort([place[label] for label in y[order]], kind="stable")]
    return X[order], y[order], X_test, y_test


def in_stream(head: OnlineAdaptedClassifier, X: Rows) -> Rows:
    """Return the labels predicted in blocks, each before the head adapts to it."""
    labels, block = [], min(BLOCK, -(-len(X) // 10))
    for start in range(0, len(X), block):
        labels.append(head.predict(X[start : start + block]))
        head.partial_fit(X_unlabeled=X[start : start + block])
    return np.concatenate(labels)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--sets", nargs="*", choices=EVERY, default=list(EVERY))
    parser.add_argument("--seeds", type=int, default=10)
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    table(
        "stream", "images", "zero-shot", "online", "StatA", "held out: zero-shot", "online", "StatA"
    )
    for name in arguments.sets:
        images = SETS[name](arguments.data)
        assert images.zero_shot is not None
        text = images.zero_shot.fit()
        for title in STREAMS:
            found: list[list[float]] = []
            for seed in range(arguments.seeds):
                X, y, X_test, y_test = stream(images, title, seed)
                online = OnlineAdaptedClassifier(images.zero_shot).fit()
                streamed = in_stream(online, X)
                batch = StatAClassifier(images.zero_shot).fit(X_unlabeled=X)
                own, other = text.score(X, y), text.score(X_test, y_test)
                gains = [np.mean(streamed == y) - own, np.mean(batch.transduction_ == y) - own]
                held = [head.score(X_test, y_test) - other for head in (online, batch)]
                found.append([len(X) / 100, own, *gains, other, *held])
            means = 100 * np.mean(found, axis=0)
            errors = 100 * np.std(found, axis=0) / arguments.seeds**0.5
            cells = [f"{means[0]:.0f}", f"{means[1]:.1f}"]
            cells += [f"{means[i]:+.1f} ± {errors[i]:.1f}" for i in (2, 3)]
            cells += [f"{means[4]:.1f}", *(f"{means[i]:+.1f} ± {errors[i]:.1f}" for i in (5, 6))]
            print("| " + " | ".join([f"{images.title}, {title}", *cells]) + " |", flush=True)


if __name__ == "__main__":
    main()
