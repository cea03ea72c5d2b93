"""What text as the prior mean gives the Gaussian discriminant, by how many images it counts as.

Synthetic mosaics in the space of the bundled model are always there: anyone can run them. The sets
of the guide are files in the folder that ``--data`` names, which is not public: Caltech101 and
CIFAR-10 with OpenAI ViT-B/32 embeddings of images and class names.

    python -m benchmarks.discriminant_text
    python -m benchmarks.discriminant_text --data DATA
"""

import argparse
from pathlib import Path

import numpy as np

from benchmarks import clip_sets
from skclip import GaussianDiscriminantClassifier
from skclip._linalg import unit_rows

Task = tuple[dict[object, np.ndarray], np.ndarray, np.ndarray, np.ndarray, np.ndarray]


def caltech101(data: Path) -> Task:
    """Return text, training rows and test rows of the classes that have text."""
    with np.load(data / "clip_vitb32_caltech101.npz") as z:
        named = np.flatnonzero(z["has_text"])
        text = {int(c): z["text"][c].astype(np.float32) for c in named}
        train, test = (np.isin(z[f"{part}_y"], named) for part in ("train", "test"))
        X, y = z["train"][train], z["train_y"][train]
        return text, X, y, z["test"][test], z["test_y"][test]


def cifar10(data: Path) -> Task:
    with np.load(data / "clip_vitb32_cifar10.npz") as z:
        X, y = z["image"], z["y"]
        text = dict(enumerate(z["text"].astype(np.float32)))
    train, test = np.split(np.random.default_rng(0).permutation(len(X)), 2)
    return text, X[train], y[train], X[test], y[test]


def tiny() -> Task:
    images = clip_sets.tiny()
    head = images.zero_shot.fit()
    text = dict(zip(head.classes_.tolist(), head.coef_, strict=True))
    return text, *images.split(seed=0)


SETS = {"caltech101": caltech101, "cifar10": cifar10}


def draw(y: np.ndarray, shots: int, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return np.concatenate([rng.permutation(np.flatnonzero(y == c))[:shots] for c in np.unique(y)])


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--shots", nargs="+", type=int, default=[1, 2, 4, 8])
    parser.add_argument("--images", nargs="+", type=float, default=[1, 2, 4, 8])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--data", type=Path, help="folder of the files")
    args = parser.parse_args()
    tasks = {"synthetic mosaics": tiny()}
    if args.data is not None:
        tasks |= {name: load(args.data) for name, load in SETS.items()}
    for name, (text, X, y, X_test, y_test) in tasks.items():
        X, X_test = unit_rows(X.astype(np.float32)), unit_rows(X_test.astype(np.float32))
        rows = unit_rows(np.stack(list(text.values())))
        right = np.asarray(list(text))[(X_test @ rows.T).argmax(axis=1)] == y_test
        print(f"\n| {name}, zero-shot {100 * right.mean():.1f} | ", end="")
        print(" | ".join(f"{shots} a class" for shots in args.shots) + " |")
        print("|---" * (len(args.shots) + 1) + "|")
        for images in [0.0, *args.images]:
            prior = {"zero_shot": text, "shrinkage": images} if images else {}
            cells = []
            for shots in args.shots:
                runs = []
                for seed in range(args.seeds):
                    i = draw(y, shots, seed)
                    head = GaussianDiscriminantClassifier(logit_scale=1.0, **prior)
                    runs.append(100 * head.fit(X[i], y[i]).score(X_test, y_test))
                cells.append(f"{np.mean(runs):.1f} ± {np.std(runs):.1f}")
            label = f"text as {images:g} images" if images else "images alone"
            print(f"| {label} | " + " | ".join(cells) + " |")


if __name__ == "__main__":
    main()
