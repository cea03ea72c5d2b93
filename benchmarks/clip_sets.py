"""Image sets with a text head and a captioned collection to recall from, for `which_head.py`.

All but `tiny` read embeddings from the folder that `--data` names. It is not public: its files are
`clip_vitb32_*.npz` (OpenAI ViT-B/32), and those that `weak_task.py` reads. `tiny` needs no file.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.weak_task import Task, flickr_pool
from skclip import CaptionRetriever, CLIPEmbedder, PrimingPool, ZeroShotClassifier
from skclip.datasets import make_captioned_images

Rows = NDArray[Any]

# ImageNet's names of what CIFAR-10 shows
SYNONYMS = {
    "airplane": ["airliner", "warplane", "airship"],
    "automobile": ["car", "sports car", "convertible", "cab", "limousine", "minivan"],
    "bird": ["robin", "jay", "finch", "hen", "ostrich", "eagle", "vulture", "owl", "parrot"],
    "cat": ["tabby", "Siamese cat", "Persian cat"],
    "deer": ["hartebeest", "impala", "gazelle"],
    "dog": ["retriever", "terrier", "poodle", "beagle"],
    "frog": ["bullfrog", "tree frog"],
    "horse": ["sorrel"],
    "ship": ["container ship", "liner", "speedboat", "schooner"],
    "truck": ["trailer truck", "pickup", "tow truck", "garbage truck"],
}


@dataclass
class ImageSet:
    """Embeddings with labels, a text head or none, and pools to prime from, by name.

    `X_test` is None where the rows are few: every seed then holds out half of the images of every
    class.
    """

    title: str
    names: list[str]
    zero_shot: ZeroShotClassifier | None
    X: Rows
    y: Rows
    X_test: Rows | None = None
    y_test: Rows | None = None
    pools: dict[str, PrimingPool] = field(default_factory=dict)

    def split(self, seed: int) -> tuple[Rows, Rows, Rows, Rows]:
        """Return rows to draw labelled images from, and test rows."""
        if self.X_test is not None and self.y_test is not None:
            return self.X, self.y, self.X_test, self.y_test
        order = np.random.default_rng(1000 + seed).permutation(len(self.y))
        rank = np.empty(len(order), dtype=int)
        for name in self.names:
            own = order[self.y[order] == name]
            rank[own] = np.arange(len(own)) * 2 // len(own)
        train = rank == 0
        return self.X[train], self.y[train], self.X[~train], self.y[~train]


def unit(rows: Rows) -> Rows:
    """Return rows of length one in single precision."""
    rows = rows.astype(np.float32)
    return rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)


def text_head(names: Iterable[str], text: Rows) -> ZeroShotClassifier:
    """Return the text head with CLIP's logit scale."""
    return ZeroShotClassifier(dict(zip(names, unit(text), strict=True)), logit_scale=100.0)


def imagenet_pool(data: Path, names: list[str]) -> PrimingPool:
    """Recall by class name from 4000 ImageNet photos, captioned with their class names."""
    with np.load(data / "clip_vitb32_imagenet_pool.npz") as file:
        captions, rows = file["caption"].tolist(), unit(file["image"])
    synonyms = {name: words for name, words in SYNONYMS.items() if name in names}
    retriever = CaptionRetriever(k=None, plural=True, synonyms=synonyms or None)
    return retriever.fit(captions, embeddings=rows).recall(names)


def cifar10(data: Path) -> ImageSet:
    """Return CIFAR-10: 500 images, of which every seed tests on half."""
    with np.load(data / "clip_vitb32_cifar10.npz") as file:
        names = file["classes"].tolist()
        zero_shot = text_head(names, file["text"])
        X, y = unit(file["image"]), np.array(names)[file["y"]]
    pools = {"pool": imagenet_pool(data, names)}
    return ImageSet("CIFAR-10", names, zero_shot, X, y, pools=pools)


def caltech101(data: Path) -> ImageSet:
    """Return Caltech101: the 59 classes that have a text row."""
    with np.load(data / "clip_vitb32_caltech101.npz") as file:
        own = np.flatnonzero(file["has_text"])
        every = np.array([str(name).replace("_", " ") for name in file["classes"]])
        names = every[own].tolist()
        zero_shot = text_head(names, file["text"][own])

        def part(which: str) -> tuple[Rows, Rows]:
            kept = np.isin(file[f"{which}_y"], own)
            return unit(file[which][kept]), every[file[f"{which}_y"][kept]]

        (X, y), (X_val, y_val), (X_test, y_test) = part("train"), part("val"), part("test")
    pools = {"pool": imagenet_pool(data, names), "own pool": PrimingPool(y_val, X_val)}
    return ImageSet("Caltech101", names, zero_shot, X, y, X_test, y_test, pools)


def imagenet(data: Path) -> ImageSet:
    """Return four photos of each ImageNet class whose name has a text row, two to test on."""

    def plain(name: str) -> str:
        return re.sub(r"\s*\(.*?\)", "", name.replace("_", " ")).lower().strip()

    with np.load(data / "clip_vitb32_text_bank.npz") as file:
        bank = dict(zip(map(plain, file["name"][::-1].tolist()), file["emb"][::-1], strict=True))
    with np.load(data / "clip_vitb32_imagenet_pool.npz") as file:
        every = np.array([plain(name) for name in file["classes"].tolist()])
        times = Counter(every.tolist())  # two classes are called crane
        names = [name for name in times if times[name] == 1 and name in bank]
        kept = np.isin(every[file["y"]], names)
        X, y = unit(file["image"][kept]), every[file["y"][kept]]
    zero_shot = text_head(names, np.stack([bank[name] for name in names]))
    return ImageSet("ImageNet", names, zero_shot, X, y)


def without_text(data: Path, name: str, title: str, part: str = "train") -> ImageSet:
    """Return a set without text rows; labelled images are drawn from one part."""
    with np.load(data / f"clip_vitb32_{name}.npz") as file:
        y, y_test = (
            np.array([f"class {c:03d}" for c in file[f"{which}_y"]]) for which in (part, "test")
        )
        X, X_test = unit(file[part]), unit(file["test"])
    return ImageSet(title, sorted(set(y.tolist())), None, X, y, X_test, y_test)


def weak(data: Path, name: str, title: str) -> ImageSet:
    """Return a set in the space of a small model, with a pool by Flickr8k captions."""
    task = Task(data, name)
    pools = {"pool": flickr_pool(data, task)}
    return ImageSet(
        title, task.names, task.zero_shot, task.X, task.y, task.X_test, task.y_test, pools
    )


def tiny() -> ImageSet:
    """Return drawn mosaics in the space of the bundled model; captioned ones to recall from."""
    embedder = CLIPEmbedder("skclip-tiny")
    train, test, seen = (
        make_captioned_images(n, style="mosaic", random_state=seed)
        for seed, n in enumerate((1600, 1000, 2000))
    )
    names = list(train.target_names)
    retriever = CaptionRetriever(k=None).fit(
        seen.captions, embeddings=embedder.transform(seen.images)
    )
    return ImageSet(
        "drawn mosaics, bundled model",
        names,
        ZeroShotClassifier(embedder=embedder, classes=names),
        embedder.transform(train.images),
        np.asarray(train.target),
        embedder.transform(test.images),
        np.asarray(test.target),
        {"pool": retriever.recall(names)},
    )


SETS: dict[str, Callable[[Path], ImageSet]] = {
    "cifar10": cifar10,
    "caltech101": caltech101,
    "imagenet": imagenet,
    "pets": lambda data: without_text(data, "oxford_pets", "Oxford Pets"),
    "flowers": lambda data: without_text(data, "oxford_flowers", "Oxford Flowers"),
    "dtd": lambda data: without_text(data, "dtd", "DTD", part="val"),
    "weak-cifar10": lambda data: weak(data, "cifar10", "CIFAR-10, weak model"),
    "weak-fashion": lambda data: weak(data, "fashion", "Fashion-MNIST, weak model"),
    "tiny": lambda data: tiny(),
}
