"""CIFAR-10 and Fashion-MNIST in a small image-text space, whose text head is weak.

Read by the other scripts: the files are those of the folder that their `--data` names, which is
not public.
"""

import csv
import re
import sys
from pathlib import Path

import numpy as np

from skclip import CaptionRetriever, PrimingPool, ZeroShotClassifier

SHOTS = (1, 2, 4, 8, 16)
SHARES = np.linspace(0, 1, 21).round(2)
ZERO_SHOT = re.compile(r"a photo of a (.*)\.")


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


def print_table(title: str, table: dict[str, dict[int, list[float]]]) -> None:
    columns = list(next(iter(table.values())))
    print(f"\n**{title}**\n")
    print("| images per class | " + " | ".join(str(n) for n in columns) + " |")
    print("|---|" + "---|" * len(columns))
    for name, row in table.items():
        cells = [
            f"{np.mean(v):.1f} ± {np.std(v):.1f}" if len(v) > 1 else f"{v[0]:.2f}".rstrip("0")
            for v in row.values()
        ]
        print(f"| {name} | " + " | ".join(cells) + " |")
