"""How much text? The mixing schedule on real embeddings: accuracy by shots, mean ± std over seeds.

    python benchmarks/mixing_study.py --data ../shared/data --seeds 10

For CIFAR-10 and Fashion-MNIST in the joint space of `../shared/data`: the text head, the class
means, every fixed share of text (the best of 21 is found on the *test* rows: an oracle, not a
method), GDA, and what skclip chooses from the training rows alone. With `--pool`, the share and the
pool limit beside images recalled from Flickr8k captions.
"""

import argparse
import csv
import re
import sys
from pathlib import Path

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin
from tqdm.auto import tqdm

from skclip import (
    CaptionRetriever,
    MixedHeadClassifier,
    NearestClassMean,
    PrimedNCMClassifier,
    PrimedNCMClassifierCV,
    PrimingPool,
    ZeroShotClassifier,
)

SHOTS = (1, 2, 4, 8, 16)
SHARES = np.linspace(0, 1, 21).round(2)
ZERO_SHOT = re.compile(r"a photo of a (.*)\.")


class GDA(ClassifierMixin, BaseEstimator):
    """Gaussian discriminant analysis with the shrinkage of the published baseline."""

    def fit(self, X, y):
        self.classes_, codes = np.unique(y, return_inverse=True)
        means = np.stack([X[codes == c].mean(axis=0) for c in range(len(self.classes_))])
        residuals = X - means[codes]
        n, d = len(X), X.shape[1]
        cov = residuals.T @ residuals / max(n - 1, 1)
        inverse = d * np.linalg.pinv((n - 1) * cov + np.trace(cov) * np.eye(d) + 1e-8 * np.eye(d))
        self.coef_ = means @ inverse
        self.intercept_ = -0.5 * np.einsum("ij,ij->i", self.coef_, means)
        return self

    def decision_function(self, X):
        scores = X @ self.coef_.T + self.intercept_
        return scores[:, 1] - scores[:, 0] if len(self.classes_) == 2 else scores

    def predict(self, X):
        return self.classes_[(X @ self.coef_.T + self.intercept_).argmax(axis=1)]


class Task:
    """Train and test rows, text rows and synonyms of one data set, in the joint space."""

    def __init__(self, data: Path, name: str) -> None:
        sys.path.insert(0, str(data))
        from joint import image_embeddings, logit_scale, text_embeddings

        with (data / "prompts.tsv").open(newline="") as file:
            prompts = [row for row in csv.DictReader(file, delimiter="\t")]
        rows = text_embeddings(np.load(data / "prompts_minilm.npy"))
        own = [i for i, p in enumerate(prompts) if p["task"] == name and p["kind"] == "template"]
        self.names = list(dict.fromkeys(prompts[i]["class"] for i in own))
        self.synonyms = {
            c: [
                match[1]
                for i in own
                if prompts[i]["class"] == c and (match := ZERO_SHOT.fullmatch(prompts[i]["prompt"]))
            ]
            for c in self.names
        }
        text = {
            c: rows[[i for i in own if prompts[i]["class"] == c]].mean(axis=0) for c in self.names
        }
        self.zero_shot = ZeroShotClassifier(text, logit_scale=logit_scale())
        with np.load(data / f"{name}_resnet50.npz") as z:
            X, y, test = image_embeddings(z["feats"]), np.asarray(self.names)[z["y"]], z["test"]
        self.X, self.y, self.X_test, self.y_test = X[~test], y[~test], X[test], y[test]

    def shots(self, n: int, seed: int):
        rng = np.random.default_rng(seed)
        rows = np.concatenate(
            [rng.choice(np.flatnonzero(self.y == c), n, replace=False) for c in self.names]
        )
        return self.X[rows], self.y[rows]

    def accuracy(self, head) -> float:
        return 100 * float(np.mean(head.predict(self.X_test) == self.y_test))


def flickr_pool(data: Path, task: Task) -> PrimingPool:
    """Recall the Flickr8k training images whose captions name a class or a synonym of it."""
    from joint import image_embeddings

    with (data / "flickr8k_captions.tsv").open(newline="") as file:
        captions = [r["caption"] for r in csv.DictReader(file, delimiter="\t", quoting=3)]
    with np.load(data / "flickr8k_index.npz") as z:
        image, train = z["caption_image"], (z["split"] == "train")[z["caption_image"]]
    X = image_embeddings(np.load(data / "flickr8k_resnet50.npy"))
    retriever = CaptionRetriever(k=None, synonyms=task.synonyms).fit(
        [c for c, t in zip(captions, train, strict=True) if t],
        embeddings=X[image[train]],
        ids=image[train],
    )
    pool = retriever.recall(task.names)
    # five captions describe an image: it counts once a class
    _, first = np.unique(
        np.stack([pool.ids.astype(int), np.unique(pool.labels, return_inverse=True)[1]]),
        axis=1,
        return_index=True,
    )
    return pool[np.sort(first)]


def few_shot_table(task: Task, seeds: int) -> dict[str, dict[int, list[float]]]:
    table: dict[str, dict[int, list[float]]] = {}

    def note(method: str, n: int, value: float) -> None:
        table.setdefault(method, {}).setdefault(n, []).append(value)

    for n in tqdm(SHOTS, desc="shots"):
        for seed in range(seeds):
            X, y = task.shots(n, seed)
            note("zero-shot", n, task.accuracy(task.zero_shot.fit(y=y)))
            note("NearestClassMean", n, task.accuracy(NearestClassMean().fit(X, y)))
            note("GDA", n, task.accuracy(GDA().fit(X, y)))
            mixed_gda = MixedHeadClassifier(task.zero_shot, GDA()).fit(X, y)
            note("GDA + text (MixedHeadClassifier)", n, task.accuracy(mixed_gda))
            for share in SHARES:
                fixed = PrimedNCMClassifier(task.zero_shot, alpha=float(share), calibration="none")
                note(f"share {share:.2f}", n, task.accuracy(fixed.fit(X, y)))
            for name, head in {
                "skclip, default (variance)": PrimedNCMClassifier(task.zero_shot),
                "skclip, shrinkage": PrimedNCMClassifier(task.zero_shot, alpha="shrinkage"),
                "skclip, exponential": PrimedNCMClassifier(task.zero_shot, alpha="exponential"),
                "skclip, leave-one-out": PrimedNCMClassifierCV(task.zero_shot),
            }.items():
                note(name, n, task.accuracy(head.fit(X, y)))
    best = {n: max(SHARES, key=lambda s: np.mean(table[f"share {s:.2f}"][n])) for n in SHOTS}
    table["best fixed share (oracle)"] = {n: table[f"share {best[n]:.2f}"][n] for n in SHOTS}
    table["  at share"] = {n: [float(best[n])] for n in SHOTS}
    for fixed in ("0.50", "0.90"):
        table[f"fixed share {fixed}"] = table[f"share {fixed}"]
    return {k: v for k, v in table.items() if not k.startswith("share ")}


def pool_table(task: Task, pool: PrimingPool, seeds: int) -> dict[str, dict[int, list[float]]]:
    table: dict[str, dict[int, list[float]]] = {}
    heads = {
        "shots only": {},
        "+ pool, unlimited": {"retriever": pool, "pool_limit": None},
        "+ pool, limit 4": {"retriever": pool, "pool_limit": 4.0},
        "+ pool, limit 1 (default)": {"retriever": pool},
        "+ pool, limit 1, no filter": {"retriever": pool, "filter": "passthrough"},
        "published form, share 0.9": {
            "retriever": pool,
            "pool_limit": None,
            "alpha": 0.9,
            "calibration": "none",
        },
    }
    for n in tqdm((0, *SHOTS), desc="shots"):
        for seed in range(seeds if n else 1):
            shots = task.shots(n, seed) if n else ()
            for name, params in heads.items():
                head = PrimedNCMClassifier(task.zero_shot, classes=task.names, **params)
                table.setdefault(name, {}).setdefault(n, []).append(task.accuracy(head.fit(*shots)))
    return table


def print_table(title: str, table: dict[str, dict[int, list[float]]]) -> None:
    columns = list(next(iter(table.values())))
    print(f"\n**{title}**\n")
    print("| shots a class | " + " | ".join(str(n) for n in columns) + " |")
    print("|---|" + "---|" * len(columns))
    for name, row in table.items():
        cells = [
            f"{np.mean(v):.1f} ± {np.std(v):.1f}" if len(v) > 1 else f"{v[0]:.2f}".rstrip("0")
            for v in row.values()
        ]
        print(f"| {name} | " + " | ".join(cells) + " |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--pool", action="store_true", help="add images recalled from Flickr8k")
    args = parser.parse_args()
    for name in ("cifar10", "fashion"):
        task = Task(args.data, name)
        if args.pool:
            print_table(name, pool_table(task, flickr_pool(args.data, task), args.seeds))
        else:
            print_table(name, few_shot_table(task, args.seeds))


if __name__ == "__main__":
    main()
