"""Does neighbour guidance help? CLIP-PING beside plain CLIP: same data, steps and seeds.

    python benchmarks/ping_study.py drawings
    python benchmarks/ping_study.py flickr --data DATA

`drawings` needs no data: anyone can run it. `DATA` holds features of Flickr8k and is not public.

`flickr` trains on the 6000 training images of Flickr8k with five captions each, guided by ResNet-50
and MiniLM features, and reports recall on its 1000 test images. `drawings` trains on captioned
drawings of which hardly any are sketches, night shots or mosaics, and reports zero-shot accuracy by
style on unseen ones. Every arm is trained for every seed; the table has mean ± std over seeds.

``--tune`` judges one seed on rows that are neither trained nor reported on: the dev split, other
drawings. The learning rates in SETTINGS were chosen there without guidance, for drawings after 800
steps; weights are 1 and were not tuned. ``--neighbors`` tells how good the teachers' neighbours
are. ``--quick`` walks the whole way in few steps; its numbers mean nothing. With ``--cache``
finished runs are kept in that folder and not repeated.
"""

import argparse
import csv
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from joblib import Memory, Parallel, delayed
from sklearn.base import clone
from tqdm.auto import tqdm
from train_tiny_clip import TEMPLATES, as_array, draw_pairs, edge_histograms, word_counts

from skclip import CLIPEmbedder, ZeroShotClassifier
from skclip._linalg import unit_rows
from skclip.datasets import CLASS_NAMES, STYLE_NAMES, make_captioned_images
from skclip.distill import CLIPPINGTrainer
from skclip.distill._neighbors import find_guides
from skclip.metrics import retrieval_recall

ARMS = {"CLIP": (0, 0), "NN": (1, 0), "XNN": (0, 1), "NN + XNN": (1, 1)}  # lambda_nn, lambda_xnn
SETTINGS = {
    "flickr": {"learning_rate": 1e-3, "n_steps": 400},
    "drawings": {"learning_rate": 2e-3, "n_steps": 2000},
}
RATES, WEIGHTS, TUNING_SEED = (5e-4, 1e-3, 2e-3), (1, 2), 100
DRAW_SEEDS = {"train": 1_000_000, "dev": 2_000_000, "test": 3_000_000}
RARE_STYLES = ("sketch", "night", "mosaic")

Scores = dict[str, float]


@dataclass
class Task:
    """Pairs to train on, features of both teachers, and how a student is judged."""

    images: list[Any] | np.ndarray
    captions: list[str]
    image_ids: np.ndarray  # (n_pairs,), rows of image_bank
    image_bank: np.ndarray  # (n_images, d_image)
    text_bank: np.ndarray  # (n_pairs, d_text)
    judge: Callable[[CLIPEmbedder, CLIPEmbedder], Scores]  # given embedders of images and texts
    truth: dict[str, np.ndarray] | None = None  # what is drawn, and how, where that is known


def flickr(data: Path, part: str, quick: bool) -> Task:
    """Flickr8k: photographs with five captions each, ResNet-50 and MiniLM as teachers."""
    with (data / "flickr8k_captions.tsv").open(newline="") as file:
        captions = [r["caption"] for r in csv.DictReader(file, delimiter="\t", quoting=3)]
    with np.load(data / "flickr8k_index.npz") as index:
        names, split, image_of = index["image"], index["split"], index["caption_image"]
    with zipfile.ZipFile(data / "flickr8k_112px.zip") as archive:
        images = [archive.read(name) for name in names]

    def pairs_of(split_name: str) -> np.ndarray:
        rows = np.flatnonzero(split == split_name)[: 130 if quick else None]
        return np.flatnonzero(np.isin(image_of, rows))

    train, held_out = pairs_of("train"), pairs_of(part)
    return Task(
        images=[images[i] for i in image_of[train]],
        captions=[captions[i] for i in train],
        image_ids=image_of[train],
        image_bank=np.load(data / "flickr8k_resnet50.npy"),
        text_bank=np.load(data / "flickr8k_minilm.npy")[train],
        judge=partial(
            recall_both_ways,
            images={i: images[i] for i in np.unique(image_of[held_out])},
            captions=[captions[i] for i in held_out],
            image_of=image_of[held_out],
        ),
    )


def recall_both_ways(
    embed_images: CLIPEmbedder,
    embed_texts: CLIPEmbedder,
    images: dict[int, bytes],
    captions: list[str],
    image_of: np.ndarray,
) -> Scores:
    """Recall of images by captions and of captions by images."""
    ids = np.array(list(images))
    X, T = embed_images.transform(list(images.values())), embed_texts.transform(captions)
    found = {
        "image→text": retrieval_recall(X, T, ids, image_of),
        "text→image": retrieval_recall(T, X, image_of, ids),
    }
    return {f"{way} R@{k}": r for way, recall in found.items() for k, r in recall.items()}


def drawings(part: str, quick: bool) -> Task:
    """Drawings as skclip-tiny was trained on; directions of edges and word counts as teachers."""
    n_pairs, n_judged = (200, 20) if quick else (20_000, 1_000)
    data = draw_pairs(n_pairs, DRAW_SEEDS["train"])
    images = as_array(data.images)
    held_out = {
        style: make_captioned_images(n_judged, style=style, random_state=DRAW_SEEDS[part])
        for style in STYLE_NAMES
    }
    return Task(
        images=images,
        captions=data.captions,
        image_ids=np.arange(n_pairs),
        image_bank=edge_histograms(images),
        text_bank=word_counts(data.captions),
        judge=partial(
            accuracy_by_style,
            held_out={s: (as_array(d.images), d.target) for s, d in held_out.items()},
        ),
        truth={"class": data.target, "style": data.attributes.style},
    )


def accuracy_by_style(
    embed_images: CLIPEmbedder,
    embed_texts: CLIPEmbedder,
    held_out: dict[str, tuple[np.ndarray, np.ndarray]],
) -> Scores:
    """Zero-shot accuracy: the mean over the rare styles, over the others, and each style."""
    head = ZeroShotClassifier(embedder=embed_texts, templates=list(TEMPLATES)).fit(y=CLASS_NAMES)
    by_style = {s: head.score(embed_images.transform(X), y) for s, (X, y) in held_out.items()}
    rare = np.mean([by_style[s] for s in RARE_STYLES])
    others = np.mean([by_style[s] for s in STYLE_NAMES if s not in RARE_STYLES])
    return {"rare styles": float(rare), "other styles": float(others), **by_style}


def train_and_judge(
    key: str,
    lambda_nn: float,
    lambda_xnn: float,
    learning_rate: float,
    n_steps: int,
    seed: int,
    task: Task,
) -> Scores:
    """Train a student and judge it; `key` stands for the task in the cache."""
    torch.set_num_threads(1)
    trainer = CLIPPINGTrainer(
        "skclip-tiny",
        task.image_bank,
        task.text_bank,
        lambda_nn=lambda_nn,
        lambda_xnn=lambda_xnn,
        max_iter=n_steps,
        batch_size=128,
        learning_rate=learning_rate,
        dtype="float32",
        random_state=seed,
    )
    trainer.fit(task.images, task.captions, task.image_ids)
    embed_texts = clone(trainer.embedder_).set_params(modality="text")
    return task.judge(trainer.embedder_, embed_texts)


def tuning_runs(name: str, n_steps: int) -> dict[str, list[dict[str, Any]]]:
    """Learning rates without guidance, then weights at the chosen rate."""
    chosen = SETTINGS[name]["learning_rate"]
    candidates = [(0, 0, rate) for rate in RATES]
    candidates += [(a * w, b * w, chosen) for a, b in ((1, 0), (0, 1), (1, 1)) for w in WEIGHTS]
    return {
        f"λ_nn {nn}, λ_xnn {xnn}, learning rate {rate:g}": [
            dict(
                lambda_nn=nn,
                lambda_xnn=xnn,
                learning_rate=rate,
                n_steps=n_steps,
                seed=TUNING_SEED,
            )
        ]
        for nn, xnn, rate in candidates
    }


def study_runs(name: str, n_steps: int, n_seeds: int) -> dict[str, list[dict[str, Any]]]:
    """Every arm for every seed."""
    return {
        arm: [
            dict(
                lambda_nn=nn,
                lambda_xnn=xnn,
                learning_rate=SETTINGS[name]["learning_rate"],
                n_steps=n_steps,
                seed=seed,
            )
            for seed in range(n_seeds)
        ]
        for arm, (nn, xnn) in ARMS.items()
    }


def print_table(table: dict[str, list[Scores]]) -> None:
    """Print percentages as markdown, mean ± std over runs."""
    columns = list(next(iter(table.values()))[0])
    print("| | " + " | ".join(columns) + " |\n|---" + "|---" * len(columns) + "|")
    for arm, runs in table.items():
        scores = 100 * np.array([[run[c] for c in columns] for run in runs])
        mean, std = scores.mean(axis=0), scores.std(axis=0)
        cells = [
            f"{m:.1f} ± {s:.1f}" if len(runs) > 1 else f"{m:.1f}"
            for m, s in zip(mean, std, strict=True)
        ]
        print(f"| {arm} | " + " | ".join(cells) + " |")


def print_neighbors(task: Task, n_queries: int = 2_000) -> None:
    """Print how much the neighbours have in common with the pairs they guide."""
    _, image_of = np.unique(task.image_ids, return_inverse=True)
    bank = task.image_bank[np.unique(task.image_ids)]
    guides = find_guides(bank, task.text_bank, image_of, "exact")
    nearest_image, image_of_nearest_text = guides.image
    nearest_text, text_of_nearest_image = guides.text
    rows = np.random.default_rng(0).choice(len(image_of), min(n_queries, len(image_of)), False)
    for what, X, own, guide in (
        ("nearest image's text", task.text_bank, rows, text_of_nearest_image[rows]),
        ("nearest text's image", bank, image_of[rows], image_of_nearest_text[rows]),
    ):
        X = unit_rows(X.astype(np.float32))
        similarity = X[own] @ X.T
        nearer = similarity < similarity[np.arange(len(rows)), guide][:, None]
        print(f"The {what} is nearer than {100 * nearer.mean():.1f} % of all (50 by chance).")
    if task.truth is None:
        return
    label, rare = task.truth["class"], np.isin(task.truth["style"], RARE_STYLES)
    for what, guide in (("image", nearest_image), ("text", nearest_text)):
        same = label[guide] == label
        print(
            f"The nearest {what} shows the same class for {100 * same.mean():.1f} % of the pairs, "
            f"for {100 * same[rare].mean():.1f} % of those in a rare style."
        )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("task", choices=list(SETTINGS))
    parser.add_argument("--data", type=Path, help="folder of features, for flickr")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--steps", type=int, help="other than in SETTINGS")
    parser.add_argument("--tune", action="store_true")
    parser.add_argument("--neighbors", action="store_true")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--cache", type=Path, help="folder to keep finished runs in")
    parser.add_argument("--n-jobs", type=int, default=1, help="students trained at a time")
    args = parser.parse_args()

    if args.task == "flickr" and args.data is None:
        parser.error("flickr needs --data, a folder of its features; drawings needs none")
    part = "dev" if args.tune else "test"
    if args.task == "flickr":
        task = flickr(args.data, part, args.quick)
    else:
        task = drawings(part, args.quick)
    if args.neighbors:
        print_neighbors(task)
        return
    n_steps = 4 if args.quick else args.steps or SETTINGS[args.task]["n_steps"]
    if args.tune:
        runs = tuning_runs(args.task, n_steps)
    else:
        runs = study_runs(args.task, n_steps, 1 if args.quick else args.seeds)
    key = f"{args.task} {part}{' quick' * args.quick}"
    judged = Memory(args.cache, verbose=0).cache(train_and_judge, ignore=["task"])
    parallel = Parallel(n_jobs=args.n_jobs, return_as="generator")
    todo = [delayed(judged)(key, **run, task=task) for arm in runs.values() for run in arm]
    scores = iter(list(tqdm(parallel(todo), total=len(todo), desc="students")))
    print_table({arm: [next(scores) for _ in runs[arm]] for arm in runs})


if __name__ == "__main__":
    main()
