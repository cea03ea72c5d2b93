"""Which matches of a class to take: first, random, by image, or by caption.

    python -m benchmarks.caption_ranking --data DATA

The folder is that of `weak_task.py` and `clip_sets.py`; it is not public. Every draw takes half of
the images of a collection, and recalls k images per class from it by each value of `select`. A
primed head without labelled images learns from them, with and without the zero-shot filter. Rows
are mean ± std of the test accuracy over the same draws: with text and recalled images in equal
parts (alpha=0.5), and with the default alpha. Nothing is chosen on test rows.

The weak sets recall by the captions of Flickr8k: real sentences, in the space of a small model. The
sets of real CLIP recall from ImageNet photos, whose captions are the names of their classes; only
the photos are used whose caption has a text row among the files.

Then, on the weak CIFAR-10: the accuracy of text heads from the class's own name, from the name that
half of the collection uses most (REAL-Prompt), and from all names; and suggested synonyms, from a
text head of the own names.
"""

import argparse
import csv
import itertools
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from benchmarks.clip_sets import SYNONYMS, Rows, caltech101, cifar10, unit
from benchmarks.weak_task import Task
from skclip import CaptionRetriever, PrimedNCMClassifier, ZeroShotClassifier
from skclip.exceptions import NoMatchWarning
from skclip.recall import frequent_prompts

N_DRAWS = 10
SELECT = ("first", "random", "best", "caption")


class Study(NamedTuple):
    """A collection to recall from, and test images for each draw."""

    title: str
    names: list[str]
    zero_shot: ZeroShotClassifier
    synonyms: dict[str, list[str]]
    captions: list[str]
    image: Rows
    X: Rows
    T: Rows
    test: Callable[[int], tuple[Rows, Rows]]


def weak(data: Path, name: str) -> Study:
    """Return a set in the joint space of the small model, with the captions of Flickr8k."""
    task = Task(data, name)
    from joint import image_embeddings, text_embeddings

    with (data / "flickr8k_captions.tsv").open(newline="") as file:
        every = [r["caption"] for r in csv.DictReader(file, delimiter="\t", quoting=3)]
    with np.load(data / "flickr8k_index.npz") as z:
        image = z["caption_image"]
        train = np.flatnonzero((z["split"] == "train")[image])
    X = image_embeddings(np.load(data / "flickr8k_resnet50.npy"))
    T = text_embeddings(np.load(data / "flickr8k_minilm.npy")[train])
    captions = [every[i] for i in train]
    title = f"{name}, weak model, Flickr8k"
    return Study(
        title,
        task.names,
        task.zero_shot,
        task.synonyms,
        captions,
        image[train],
        X[image[train]],
        T,
        lambda draw: (task.X_test, task.y_test),
    )


def real(data: Path, which: str) -> Study:
    """Return a set of real CLIP, with ImageNet photos named by their classes."""
    images = {"cifar10": cifar10, "caltech101": caltech101}[which](data)
    with np.load(data / "clip_vitb32_text_bank.npz") as file:
        names = [str(name).replace("_", " ").lower() for name in file["name"][::-1]]
        bank = dict(zip(names, unit(file["emb"][::-1]), strict=True))
    with np.load(data / "clip_vitb32_imagenet_pool.npz") as file:
        captions, X = file["caption"].tolist(), unit(file["image"])
    known = [i for i, caption in enumerate(captions) if caption.lower() in bank]
    captions, X = [captions[i] for i in known], X[known]
    T = np.stack([bank[caption.lower()] for caption in captions])
    synonyms = {name: more for name, more in SYNONYMS.items() if name in images.names}
    return Study(
        f"{images.title}, CLIP ViT-B/32, ImageNet photos",
        images.names,
        images.zero_shot,
        synonyms,
        captions,
        np.arange(len(X)),
        X,
        T,
        lambda draw: images.split(draw)[2:],
    )


def accuracies(study: Study, draw: int, ks: list[int]) -> dict[tuple[str, ...], float]:
    """Return the accuracy of zero-shot and of heads primed by each selection."""
    rng = np.random.default_rng(draw)
    images = np.unique(study.image)
    half = np.isin(study.image, rng.choice(images, len(images) // 2, replace=False))
    rows = np.flatnonzero(half)
    X_test, y_test = study.test(draw)
    head: Any = study.zero_shot.fit()
    results = {("", "zero-shot", "", ""): float(np.mean(head.predict(X_test) == y_test))}
    retriever = CaptionRetriever(
        plural=True,
        synonyms=study.synonyms,
        zero_shot=study.zero_shot,
        random_state=draw,
    ).fit(
        [study.captions[i] for i in rows],
        embeddings=study.X[rows],
        caption_embeddings=study.T[rows],
        ids=study.image[rows],
    )
    for k, select in itertools.product(ks, SELECT):
        pool = retriever.set_params(k=k, select=select).recall(study.names)
        for kept, pool_filter in (("filtered", None), ("unfiltered", "passthrough")):
            for alpha in (0.5, "auto"):
                head = PrimedNCMClassifier(
                    study.zero_shot, alpha=alpha, retriever=pool, filter=pool_filter
                )
                accuracy = np.mean(head.fit().predict(X_test) == y_test)
                results[str(k), select, kept, str(alpha)] = float(accuracy)
    return results


def compare_names(data: Path) -> None:
    """Print the accuracy of names of CIFAR-10 as text, and which names the captions suggest."""
    study, task = weak(data, "cifar10"), Task(data, "cifar10")
    from joint import text_embeddings

    with (data / "prompts.tsv").open(newline="") as file:
        prompts = list(csv.DictReader(file, delimiter="\t"))
    rows = text_embeddings(np.load(data / "prompts_minilm.npy"))
    text: dict[str, dict[str, Rows]] = {}  # by class and by name: ten templates each
    for c in study.names:
        own = [
            i
            for i, p in enumerate(prompts)
            if (p["task"], p["kind"], p["class"]) == ("cifar10", "template", c)
        ]
        parts = np.split(rows[own], len(study.synonyms[c]))
        text[c] = {n: part.mean(axis=0) for n, part in zip(study.synonyms[c], parts, strict=True)}

    def head(name_of: dict[str, str]) -> ZeroShotClassifier:
        return ZeroShotClassifier({c: text[c][n] for c, n in name_of.items()}).fit()

    official = head({c: c for c in study.names})
    print(
        f"\nown name {task.accuracy(official):.1f}, all {task.accuracy(study.zero_shot.fit()):.1f}"
    )
    accuracies = []
    for draw in range(N_DRAWS):
        rng = np.random.default_rng(draw)
        images = np.unique(study.image)
        half = np.isin(study.image, rng.choice(images, len(images) // 2, replace=False))
        retriever = CaptionRetriever(synonyms=study.synonyms, plural=True)
        retriever.fit([study.captions[i] for i in np.flatnonzero(half)])
        frequent = frequent_prompts(retriever.count_names(study.names), "{}")
        accuracies.append(task.accuracy(head({c: prompt for c, (prompt,) in frequent.items()})))
    print(f"most frequent name {np.mean(accuracies):.1f} ± {np.std(accuracies):.1f}: {frequent}")
    retriever = CaptionRetriever(zero_shot=official).fit(study.captions, embeddings=study.X)
    for name, found in retriever.suggest_synonyms(study.names, n_phrases=5).items():
        print(f"| {name} | {', '.join(f'{s.phrase} ({s.score:.0f})' for s in found)} |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--k", type=int, nargs="+", default=[8, 32])
    parser.add_argument("--draws", type=int, default=N_DRAWS)
    args = parser.parse_args()
    warnings.simplefilter("ignore", NoMatchWarning)
    for study in (
        weak(args.data, "cifar10"),
        weak(args.data, "fashion"),
        real(args.data, "cifar10"),
        real(args.data, "caltech101"),
    ):
        print(f"\n**{study.title}** ({len(study.captions)} captions)\n")
        draws = [accuracies(study, draw, args.k) for draw in range(args.draws)]
        print("| k | taken | pool | alpha | accuracy |\n|---|---|---|---|---|")
        for key in draws[0]:
            values = 100 * np.array([one[key] for one in draws])
            print(f"| {' | '.join(key)} | {values.mean():.1f} ± {values.std():.1f} |", flush=True)
    compare_names(args.data)


if __name__ == "__main__":
    main()
