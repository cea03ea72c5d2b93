"""Several labels per image: the table of docs/user_guide/unlabelled.md.

    python -m benchmarks.multi_label --data FOLDER

The folder is that of `clip_sets.py`; it is not public. Three sets: groups of ImageNet classes, some
within others (CLIP), objects that five captions of a Flickr8k photo name (small model), and
Caltech101, one label per image (CLIP). Labelled rows are drawn until every class has so many, where
there are as many; recalled ones come from captions. Two processor minutes.
"""

import argparse
import csv
import re
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.multiclass import OneVsRestClassifier
from sklearn.multioutput import MultiOutputClassifier

from benchmarks.clip_sets import caltech101, text_head, unit
from benchmarks.weak_task import ZERO_SHOT
from skclip import CaptionRetriever, MultiLabelTextClassifier, PrimingPool, ZeroShotClassifier

Rows = NDArray[Any]

# ImageNet's classes within each group that has a text row.
GROUPS = {
    "animal": "0-397",
    "carnivore": "150-299 356-362 387-388",
    "bird": "7-24 80-100 127-146",
    "dog": "151-268",
    "snake": "52-68",
    "fish": "0-6 389-397",
    "monkey": "370-382",
    "insect": "300-326",
    "beetle": "300-307",
    "butterfly": "321-326",
    "spider": "72-77",
    "turtle": "33-37",
    "lizard": "38-48",
    "reptile": "33-68",
    "frog": "30-32",
    "invertebrate": "69-79 107-126 300-329",
    "crab": "118-121",
    "shellfish": "112 118-125",
    "land vehicle": "407 408 436 444 466 468 511 547 555 565 569 573 575 603 609 612 627 654 656 "
    "661 665 670 671 675 690 705 717 734 751 757 779 802 803 817 820 829 847 864 866 867 870 874 "
    "880",
    "car": "407 436 468 511 609 627 656 661 717 751 817",
    "truck": "555 569 717 864 867",
    "boat": "472 484 554 576 625 780 814 871 914",
    "watercraft": "403 472 484 510 554 576 625 628 724 780 814 833 871 914",
    "footwear": "502 514 630 770 774",
    "hat": "439 452 515 667 715 808",
    "musical instrument": "401 402 420 432 486 513 541 546 558 566 577 579 593 594 641 642 683 684 "
    "687 699 776 822 875 881 889",
    "fruit": "948-957",
    "vegetable": "936-946",
    "furniture": "423 431 453 493 495 516 520 526 532 553 559 564 703 765 831 857 894",
    "ball": "429 430 522 574 722 768 805 852 890",
    "bottle": "440 720 737 898 907",
    "building": "425 437 449 483 497 500 580 663 668 698 727 743 832",
    "weapon": "413 456 471 657 744 763 764",
    "mushroom": "947 992-997",
}
# Objects of the Flickr8k photos, and further words of captions that count as the class.
OBJECTS: dict[str, list[str]] = {
    "dog": ["puppy", "collie", "golden retriever"],
    "bag": ["purse", "handbag"],
    "bird": ["duck"],
    "boat": ["canoe"],
    "sweater": ["sweatshirt"],
}
WORDS = (
    "backpack baseball basketball beach car cliff coat dress fountain horse jacket jeans mountain "
    "pole scarf shirt ski soccer_ball suit sunglasses swing t-shirt tennis_ball"
)


class LabelSet(NamedTuple):
    """Rows to draw labelled images from, test rows, text and recalled images."""

    title: str
    zero_shot: ZeroShotClassifier
    pool: PrimingPool
    X: Rows
    Y: Rows
    X_test: Rows
    Y_test: Rows


def imagenet_groups(data: Path) -> LabelSet:
    """One of four photos of every class is recalled by its name, one may be labelled."""
    names = sorted(GROUPS)
    with np.load(data / "clip_vitb32_text_bank.npz") as file:
        rows = zip(file["name"][::-1].tolist(), file["emb"][::-1], strict=True)
        bank = {name.lower().replace("_", " "): row for name, row in rows}
    with np.load(data / "clip_vitb32_imagenet_pool.npz") as file:
        X, y, captions = unit(file["image"]), file["y"], file["caption"]
    members = []
    for name in names:
        ends = [list(map(int, part.split("-"))) for part in GROUPS[name].split()]
        within = [c for end in ends for c in range(end[0], end[-1] + 1)]
        members.append(np.isin(y, within))
    Y = np.stack(members, axis=1).astype(int)
    order = np.random.default_rng(7).permutation(len(y))
    rank = np.empty(len(y), dtype=int)
    for c in np.unique(y):
        own = order[y[order] == c]
        rank[own] = np.arange(len(own))
    kept = rank == 0
    retriever = CaptionRetriever(k=None, plural=True).fit(
        captions[kept].tolist(), embeddings=X[kept]
    )
    return LabelSet(
        f"ImageNet, {len(names)} groups",
        text_head(names, np.stack([bank[name] for name in names])),
        retriever.recall(names),
        *(X[rank == 1], Y[rank == 1], X[rank > 1], Y[rank > 1]),
    )


def flickr8k(data: Path) -> LabelSet:
    """Recalled: by the first caption of 1500 training images. Labels: five captions."""
    sys.path.insert(0, str(data))
    from joint import image_embeddings, logit_scale, text_embeddings

    words = {name.replace("_", " "): [] for name in WORDS.split()} | OBJECTS
    names = sorted(words)
    with (data / "prompts.tsv").open(newline="") as file:
        prompts = list(csv.DictReader(file, delimiter="\t"))
    rows = text_embeddings(np.load(data / "prompts_minilm.npy"))
    called: list[str] = []
    for prompt in prompts:
        found = ZERO_SHOT.fullmatch(prompt["prompt"])
        name = prompt["class"] if prompt["task"] == "imagenet" else found[1] if found else ""
        called.append(name.lower())
    text = [rows[np.isin(called, [name, f"{name}s"])].mean(axis=0) for name in names]
    zero_shot = ZeroShotClassifier(
        dict(zip(names, text, strict=True)), logit_scale=float(logit_scale())
    )
    with (data / "flickr8k_captions.tsv").open(newline="") as file:
        captions = [r["caption"] for r in csv.DictReader(file, delimiter="\t", quoting=3)]
    with np.load(data / "flickr8k_index.npz") as file:
        image, split = file["caption_image"], file["split"]
    X = image_embeddings(np.load(data / "flickr8k_resnet50.npy"))
    Y = np.zeros((len(X), len(names)), dtype=int)
    for column, name in enumerate(names):
        either = "|".join(re.escape(word) for word in [name, *words[name]])
        pattern = re.compile(rf"\b({either})s?\b", re.IGNORECASE)
        for at, caption in zip(image, captions, strict=True):
            if pattern.search(caption):
                Y[at, column] = 1
    _, first = np.unique(image, return_index=True)
    seen = np.random.default_rng(0).permutation(np.flatnonzero(split == "train"))[:1500]
    retriever = CaptionRetriever(k=None, plural=True).fit(
        [captions[i] for i in first[seen]], embeddings=X[seen]
    )
    own, other = split == "dev", split == "test"
    title = f"Flickr8k, {len(names)} objects, weak model"
    pool = retriever.recall(names)
    return LabelSet(title, zero_shot, pool, X[own], Y[own], X[other], Y[other])


def caltech(data: Path) -> LabelSet:
    images = caltech101(data)
    assert images.zero_shot is not None
    names = np.array(sorted(images.names))
    labels = [(y[:, None] == names).astype(int) for y in (images.y, images.y_test)]
    pool = images.pools["pool"]
    title = f"Caltech101, {len(names)} classes"
    return LabelSet(title, images.zero_shot, pool, images.X, labels[0], images.X_test, labels[1])


def draw(Y: Rows, n: int, rng: np.random.Generator) -> Rows:
    """Return rows of which at least `n` show each class, where there are as many."""
    rows: list[int] = []
    for column in rng.permutation(Y.shape[1]):
        missing = max(0, n - int(Y[rows, column].sum()))
        left = np.setdiff1d(np.flatnonzero(Y[:, column]), rows)
        rows += rng.choice(left, min(missing, len(left)), replace=False).tolist()
    return np.array(sorted(rows), dtype=int)


def measures(Y: Rows, scores: Rows, predicted: Rows) -> list[float]:
    """Return mean average precision, micro F1 and macro F1 in %."""
    order = np.argsort(-scores, axis=0, kind="stable")
    hits = np.take_along_axis(Y, order, axis=0)
    precision = hits.cumsum(axis=0) / np.arange(1, len(Y) + 1)[:, None]
    right, either = (Y * predicted).sum(axis=0), Y.sum(axis=0) + predicted.sum(axis=0)
    return [
        100 * float(np.mean((precision * hits).sum(axis=0) / hits.sum(axis=0))),
        200 * float(right.sum() / either.sum()),
        200 * float(np.mean(right / np.maximum(either, 1))),
    ]


def best_threshold(scores: Rows, y: Rows) -> float:
    """Return the threshold of the highest F1."""
    order = np.argsort(-scores, kind="stable")
    f1 = y[order].cumsum() / (y.sum() + np.arange(1, len(y) + 1))
    return float(scores[order][f1.argmax()]) if y.any() else np.inf


def without_labels(images: LabelSet) -> dict[str, list[float]]:
    text = images.zero_shot.fit()
    cosine = images.X_test @ text.coef_.T
    proba = text.predict_proba(images.X_test)
    found = {"softmax above 0.5": measures(images.Y_test, proba, proba > 0.5)}
    rows, at = np.unique(images.pool.embeddings, axis=0, return_inverse=True)
    recalled = np.zeros((len(rows), len(text.classes_)), dtype=int)
    recalled[at.ravel(), np.searchsorted(text.classes_, images.pool.labels)] = 1
    seen = unit(rows) @ text.coef_.T
    one = best_threshold(seen.ravel(), recalled.ravel())
    found["one threshold of all, recalled"] = measures(images.Y_test, cosine, cosine >= one)
    for title, retriever in (("ours", None), ("ours, recalled", images.pool)):
        head = MultiLabelTextClassifier(images.zero_shot, retriever=retriever).fit()
        scores = head.decision_function(images.X_test)
        found[title] = measures(images.Y_test, scores, scores > 0)
    oracle = [
        best_threshold(scores, y) for scores, y in zip(cosine.T, images.Y_test.T, strict=True)
    ]
    found["threshold per class on test (oracle)"] = measures(
        images.Y_test, cosine, cosine >= np.array(oracle)
    )
    return found


def with_labels(images: LabelSet, n: int, seed: int) -> dict[str, list[float]]:
    at = draw(images.Y, n, np.random.default_rng(seed))
    X, Y = images.X[at], images.Y[at]
    text = images.zero_shot.fit()
    cosine, own = images.X_test @ text.coef_.T, X @ text.coef_.T
    one = best_threshold(own.ravel(), Y.ravel())
    found = {"one threshold of all": measures(images.Y_test, cosine, cosine >= one)}
    each = np.array([best_threshold(s, y) for s, y in zip(own.T, Y.T, strict=True)])
    found["a threshold per class"] = measures(images.Y_test, cosine, cosine >= each)
    balanced = LogisticRegression(class_weight="balanced")
    heads = {
        "OneVsRest, logistic": OneVsRestClassifier(LogisticRegression()),
        "OneVsRest, logistic, C=100": OneVsRestClassifier(LogisticRegression(C=100, max_iter=300)),
        "MultiOutput, logistic, balanced": MultiOutputClassifier(balanced),
        "ours": MultiLabelTextClassifier(images.zero_shot),
        "ours, recalled": MultiLabelTextClassifier(images.zero_shot, retriever=images.pool),
    }
    for title, head in heads.items():
        predicted = head.fit(X, Y).predict(images.X_test)
        if isinstance(head, MultiOutputClassifier):
            scores = np.stack([p[:, 1] for p in head.predict_proba(images.X_test)], axis=1)
        else:
            scores = head.decision_function(images.X_test)
        found[title] = measures(images.Y_test, scores, predicted)
    return found


LOAD: dict[str, Callable[[Path], LabelSet]] = {
    "groups": imagenet_groups,
    "flickr8k": flickr8k,
    "caltech101": caltech,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--sets", nargs="*", choices=LOAD, default=list(LOAD))
    parser.add_argument("--seeds", type=int, default=5)
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    for name in arguments.sets:
        images = LOAD[name](arguments.data)
        print(
            f"\n**{images.title}**: {images.Y_test.sum(axis=1).mean():.2f} labels per image, "
            f"{len(images.pool)} recalled\n"
        )
        print("| images per class | head | mAP | micro F1 | macro F1 |\n|---|---|---|---|---|")
        for n in (0, 1, 4, 16):
            runs = (
                [with_labels(images, n, seed) for seed in range(arguments.seeds)]
                if n
                else [without_labels(images)]
            )
            for title in runs[0]:
                every = np.array([run[title] for run in runs])
                cells = [
                    f"{m:.1f} ± {s:.1f}" if n else f"{m:.1f}"
                    for m, s in zip(every.mean(axis=0), every.std(axis=0), strict=True)
                ]
                print(f"| {n} | {title} | " + " | ".join(cells) + " |", flush=True)


if __name__ == "__main__":
    main()
