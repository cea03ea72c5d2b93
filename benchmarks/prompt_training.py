"""Batches and epochs of AAPE's training: accuracy on real embeddings, mean ± std over samples.

    python -m benchmarks.prompt_training --data DATA

Half of the training rows of each set are sampled from, and the other half are scored; no test rows
are read but of CIFAR-10 in CLIP's space, which has no others. The weak model has five descriptions
per class; for CLIP, the prompts are the five nearest of the object names in the folder.
"""

import argparse
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.prompt_study import PromptTask
from skclip import AggregatedPromptClassifier

SETTINGS: list[dict[str, Any]] = [
    {"batch_size": 32},
    {"batch_size": 128},
    {"batch_size": 128, "max_epochs": 20},
]
# text, prompts, rows and labels to sample from, rows and labels to score
Set = tuple[dict[Any, Any], dict[Any, Any], Any, Any, Any, Any]


def load_sets(data: Path) -> dict[str, tuple[Set, tuple[int, ...]]]:
    """Return the sets with the numbers of images per class."""
    sets: dict[str, tuple[Set, tuple[int, ...]]] = {}
    for name, title in (("cifar10", "CIFAR-10"), ("fashion", "Fashion-MNIST")):
        task = PromptTask(data, name).blind()
        rows = (task.X, task.y, task.X_test, task.y_test)
        sets[f"{title}, weak model"] = (task.zero_shot, task.prompts, *rows), (1, 4, 16)

    with np.load(data / "clip_vitb32_text_bank.npz") as bank:
        names = next(bank[key] for key in bank.files if bank[key].ndim == 2).astype(np.float32)

    def with_text(text: Any) -> tuple[dict[Any, Any], dict[Any, Any]]:
        nearest = np.argsort(-(text @ names.T), axis=1)[:, 1:6]
        return dict(enumerate(text)), {c: names[rows] for c, rows in enumerate(nearest)}

    with np.load(data / "clip_vitb32_cifar10.npz", allow_pickle=True) as z:
        X = next(z[key] for key in z.files if z[key].shape == (500, 512)).astype(np.float32)
        own = with_text(z["text"].astype(np.float32))
        halves = X[:250], z["y"][:250], X[250:], z["y"][250:]
        sets["CIFAR-10, CLIP ViT-B/32"] = (*own, *halves), (1, 4, 25)
    with np.load(data / "clip_vitb32_caltech101.npz", allow_pickle=True) as z:
        known, text = np.flatnonzero(z["has_text"]), z["text"].astype(np.float32)
        text = text if len(text) == len(known) else text[known]
        parts: list[Any] = []
        for part in ("train", "val"):
            kept = np.isin(z[f"{part}_y"], known)
            codes = np.searchsorted(known, z[f"{part}_y"][kept])
            parts += [z[part][kept].astype(np.float32), codes]
        sets["Caltech101, CLIP ViT-B/32"] = (*with_text(text), *parts), (1, 4, 16)
    return sets


def accuracy(one: Set, n: int, seed: int, setting: dict[str, Any]) -> float:
    text, prompts, X, y, X_scored, y_scored = one
    rng = np.random.default_rng(seed)
    rows = np.concatenate([rng.permutation(np.flatnonzero(y == c))[:n] for c in np.unique(y)])
    head = AggregatedPromptClassifier(text, prompts=prompts, random_state=seed, **setting)
    return 100 * float(np.mean(head.fit(X[rows], y[rows]).predict(X_scored) == y_scored))


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--data", type=Path, required=True, help="folder of embeddings")
    parser.add_argument("--seeds", type=int, default=5)
    args = parser.parse_args()
    print("| set, images per class | " + " | ".join(map(str, SETTINGS)) + " |")
    print("|---|" + "---|" * len(SETTINGS))
    for title, (one, sizes) in load_sets(args.data).items():
        for n in sizes:
            cells = []
            for setting in SETTINGS:
                found = [accuracy(one, n, seed, setting) for seed in range(args.seeds)]
                cells.append(f"{np.mean(found):.1f} ± {np.std(found):.1f}")
            print(f"| {title}, {n} | " + " | ".join(cells) + " |", flush=True)


if __name__ == "__main__":
    main()
