"""What do written prompts bring? Aggregated prompts on real embeddings, mean ± std over seeds.

    python -m benchmarks.prompt_study shots --seeds 10      # accuracy by shots
    python -m benchmarks.prompt_study base-to-new           # trained on half of the classes
    python -m benchmarks.prompt_study quality               # prompts that go wrong
    python -m benchmarks.prompt_study retrieval --data DATA # image to text on Flickr8k
    python -m benchmarks.prompt_study choose --data DATA    # what the defaults were chosen on

Without ``--data`` the images are synthetic mosaics in the space of the bundled model, with captions
of others as prompts: anyone can run that. The numbers of the guide are of CIFAR-10 and
Fashion-MNIST in the joint space of the folder `DATA`, which is not public, with five descriptions
per class as prompts and templates over names and synonyms as text head. `choose` uses no test rows:
it takes other shots from one half of the training rows and scores on the other half.
"""

import argparse
import csv
import sys
from copy import copy
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.base import clone
from tqdm.auto import tqdm

from benchmarks.clip_sets import tiny
from benchmarks.weak_task import SHOTS, Task, print_table
from skclip import (
    AggregatedPromptClassifier,
    CLIPEmbedder,
    GaussianDiscriminantClassifier,
    MixedHeadClassifier,
    NearestClassMean,
    PrimedNCMClassifier,
)
from skclip.datasets import make_captioned_images
from skclip.metrics import retrieval_recall

Table = dict[str, dict[Any, list[float]]]


class PromptTask(Task):
    """A task with the descriptions of its classes, by name."""

    def __init__(self, data: Path, name: str) -> None:
        super().__init__(data, name)
        from joint import text_embeddings

        with (data / "prompts.tsv").open(newline="") as file:
            kinds = [
                (p["task"], p["class"], p["kind"]) for p in csv.DictReader(file, delimiter="\t")
            ]
        rows = text_embeddings(np.load(data / "prompts_minilm.npy"))
        self.prompts = {
            c: rows[[i for i, kind in enumerate(kinds) if kind == (name, c, "description")]]
            for c in self.names
        }
        self.foreign = rows[[i for i, kind in enumerate(kinds) if kind[0] == "imagenet"]]

    def head(self, **params: Any) -> AggregatedPromptClassifier:
        return AggregatedPromptClassifier(
            self.zero_shot, **{"prompts": self.prompts, "random_state": 0, **params}
        )

    def blind(self) -> "PromptTask":
        """Return the task with half of the training rows in place of its test rows."""
        other = copy(self)
        other.X, other.X_test = self.X[::2], self.X[1::2]
        other.y, other.y_test = self.y[::2], self.y[1::2]
        return other

    def one_prompt(self, seed: int) -> dict[str, np.ndarray]:
        rng = np.random.default_rng(seed)
        return {c: rows[[rng.integers(len(rows))]] for c, rows in self.prompts.items()}


class SyntheticTask(PromptTask):
    """Mosaics and the bundled model; five captions of other images of a class are its prompts."""

    def __init__(self) -> None:
        images = tiny()
        self.names, self.zero_shot = images.names, images.zero_shot
        self.X, self.y, self.X_test, self.y_test = images.split(seed=0)
        embedder = CLIPEmbedder("skclip-tiny", modality="text")
        others = make_captioned_images(1000, style="mosaic", random_state=3)
        captions = np.asarray(others.captions)
        self.prompts = {
            name: embedder.transform(list(captions[others.target == name][:5]))
            for name in self.names
        }
        things = ("dog", "sandwich", "violin", "river", "crowd", "letter", "motorway", "toothbrush")
        self.foreign = embedder.transform([f"a photo of a {thing}." for thing in things])


def load_tasks(data: Path | None) -> dict[str, PromptTask]:
    """Return the tasks of the folder, or the one that needs none."""
    if data is None:
        return {"synthetic mosaics": SyntheticTask()}
    return {name: PromptTask(data, name) for name in ("cifar10", "fashion")}


def shots_table(task: PromptTask, seeds: int) -> Table:
    """Accuracy by shots, beside what needs no prompts or no training."""
    table: Table = {}
    training = {
        "AAPE (default)": {},
        "AAPE, image scored": {"scored": "image"},
        "AAPE, no distillation": {"distillation": 0.0, "reward": 0.0},
        "AAPE, early stopping": {"early_stopping": True},
    }
    images = {
        "NearestClassMean": NearestClassMean(),
        "PrimedNCMClassifier": PrimedNCMClassifier(task.zero_shot),
        "GDA": GaussianDiscriminantClassifier(),
        "GDA + text (MixedHeadClassifier)": MixedHeadClassifier(
            task.zero_shot, GaussianDiscriminantClassifier()
        ),
    }
    for n in tqdm(SHOTS, desc="shots"):
        for seed in range(seeds):
            X, y = task.shots(n, seed)
            heads = {
                "templates": task.zero_shot,
                "+ mean of prompts": task.head(aggregation="mean"),
                "+ nearest prompt (max)": task.head(aggregation="max"),
                "+ one random prompt": task.head(aggregation="mean", prompts=task.one_prompt(seed)),
                "+ attention, no training": task.head(aggregation="attention"),
                **{name: task.head(**params) for name, params in training.items()},
                **images,
            }
            for name, head in heads.items():
                fitted = clone(head).fit(X, y)
                table.setdefault(name, {}).setdefault(n, []).append(task.accuracy(fitted))
    return table


def harmonic(base: float, new: float) -> float:
    return 2 * base * new / (base + new)


def base_to_new(
    task: PromptTask, seeds: range, heads: dict[str, Any], shots: int = 16
) -> dict[str, list[tuple[float, float]]]:
    """Accuracy among the classes trained on, and among the others: a random half each."""
    result: dict[str, list[tuple[float, float]]] = {}
    for seed in tqdm(seeds, desc="base to new"):
        base = np.random.default_rng(seed).permutation(task.names)[: len(task.names) // 2]
        X, y = task.shots(shots, seed)
        rows = np.isin(y, base)
        is_base = np.isin(task.y_test, base)
        for name, head in heads.items():
            fitted = clone(head).fit(X[rows], y[rows])
            scores = fitted.decision_function(task.X_test)
            known = np.isin(fitted.classes_, base)
            halves = []
            for own, at in ((known, is_base), (~known, ~is_base)):
                best = fitted.classes_[own][scores[at][:, own].argmax(axis=1)]
                halves.append(100 * float(np.mean(best == task.y_test[at])))
            result.setdefault(name, []).append((halves[0], halves[1]))
    return result


def print_base_to_new(title: str, result: dict[str, list[tuple[float, float]]]) -> None:
    print(f"\n**{title}**\n\n| 16 shots of half of the classes | base | new | harmonic mean |")
    print("|---|---|---|---|")
    for name, pairs in result.items():
        columns = [*zip(*pairs, strict=True), [harmonic(*pair) for pair in pairs]]
        cells = [f"{np.mean(c):.1f} ± {np.std(c):.1f}" for c in columns]
        print(f"| {name} | " + " | ".join(cells) + " |")


def wrong_prompts(task: PromptTask, share: float, how: str, seed: int) -> dict[str, np.ndarray]:
    """Replace a share of each class's prompts: by another class's, by foreign ones, by nothing."""
    rng = np.random.default_rng(seed)
    spoilt = {}
    for c, rows in task.prompts.items():
        gone = rng.permutation(len(rows))[: round(share * len(rows))]
        kept = np.delete(rows, gone, axis=0)
        if how == "another class":
            other = task.prompts[rng.choice([o for o in task.names if o != c])]
            kept = np.concatenate([kept, other[: len(gone)]])
        elif how == "foreign":
            kept = np.concatenate(
                [kept, task.foreign[rng.integers(len(task.foreign), size=len(gone))]]
            )
        spoilt[c] = kept
    return spoilt


def quality_table(task: PromptTask, seeds: int, how: str, shots: int = 4) -> Table:
    """Accuracy by the share of prompts that went wrong."""
    table: Table = {}
    for share in tqdm((0.0, 0.2, 0.4, 0.6, 0.8), desc=how):
        for seed in range(seeds):
            X, y = task.shots(shots, seed)
            prompts = wrong_prompts(task, share, how, seed)
            heads = {
                "templates": task.zero_shot,
                "+ mean of prompts": task.head(aggregation="mean", prompts=prompts),
                "+ attention, no training": task.head(aggregation="attention", prompts=prompts),
                f"AAPE, {shots} shots": task.head(prompts=prompts),
            }
            for name, head in heads.items():
                fitted = clone(head).fit(X, y)
                table.setdefault(name, {}).setdefault(share, []).append(task.accuracy(fitted))
    return table


def retrieval(data: Path, train_split: str, seeds: int, **params: Any) -> dict[str, list[dict]]:
    """Image-to-text recall on the Flickr8k test images, with and without a trained generator."""
    sys.path.insert(0, str(data))
    from joint import image_embeddings, logit_scale, text_embeddings

    X = image_embeddings(np.load(data / "flickr8k_resnet50.npy"))
    T = text_embeddings(np.load(data / "flickr8k_minilm.npy"))
    with np.load(data / "flickr8k_index.npz") as z:
        split, image_of = z["split"], z["caption_image"]
    train, test = (np.flatnonzero(split == which) for which in (train_split, "test"))
    prompts = {int(i): T[image_of == i] for i in train}
    captions = np.isin(image_of, test)

    def recall(queries: np.ndarray) -> dict[int, float]:
        return retrieval_recall(queries, T[captions], test, image_of[captions])

    found = {"image": [recall(X[test])]}
    for seed in range(seeds):
        head = AggregatedPromptClassifier(
            prompts=prompts, logit_scale=logit_scale(), random_state=seed, **params
        ).fit(X[train], train)
        generated = head.transform(X[test])
        found.setdefault("generated prompt", []).append(recall(generated))
        both = X[test] + head.gamma * generated
        found.setdefault("image + gamma * generated prompt", []).append(recall(both))
    return found


def print_retrieval(title: str, found: dict[str, list[dict]]) -> None:
    print(f"\n**{title}**\n\n| query | R@1 | R@5 | R@10 |\n|---|---|---|---|")
    for name, runs in found.items():
        cells = []
        for k in (1, 5, 10):
            values = [100 * run[k] for run in runs]
            spread = f" ± {np.std(values):.1f}" if len(values) > 1 else ""
            cells.append(f"{np.mean(values):.1f}{spread}")
        print(f"| {name} | " + " | ".join(cells) + " |")


CANDIDATES: list[dict[str, Any]] = [
    {},
    *({"gamma": gamma} for gamma in (0.25, 1.0, 2.0)),
    *({"distillation": weight} for weight in (0.0, 0.1, 1.0, 3.0)),
    *({"reward": weight} for weight in (0.0, 1.0)),
    *({"hidden_size": size} for size in (16, 256)),
    *({"learning_rate": rate} for rate in (3e-4, 3e-3)),
    *({"weight_decay": decay} for decay in (0.0, 0.1)),
    *({"temperature": temperature} for temperature in (0.02, 0.2)),
    *({"max_epochs": n} for n in (20, 100)),
    {"scored": "image"},
    {"early_stopping": True},
]


def choose(tasks: dict[str, PromptTask], seeds: int) -> None:
    """Print accuracy on rows of training for one change of the defaults at a time."""
    draws = range(1000, 1000 + seeds)
    blind = [task.blind() for task in tasks.values()]
    columns = [f"{name}, {n}" for name in tasks for n in ("1", "4", "16", "base/new")]
    print("| change | " + " | ".join(columns) + " |\n|---|" + "---|" * len(columns))
    for params in CANDIDATES:
        cells = []
        for task in blind:
            for n in (1, 4, 16):
                scores = []
                for seed in draws:
                    head = task.head(**params).fit(*task.shots(n, seed))
                    scores.append(task.accuracy(head))
                cells.append(f"{np.mean(scores):.1f}")
            pairs = base_to_new(task, draws, {"": task.head(**params)})[""]
            cells.append("/".join(f"{v:.1f}" for v in np.mean(pairs, axis=0)))
        print(f"| {params or 'defaults'} | " + " | ".join(cells) + " |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "part", choices=["shots", "base-to-new", "quality", "retrieval", "choose"], default="shots"
    )
    parser.add_argument("--data", type=Path, help="folder of embeddings")
    parser.add_argument("--seeds", type=int, default=5)
    args = parser.parse_args()
    if args.part == "retrieval":
        if args.data is None:
            parser.error("retrieval needs --data, a folder of features of Flickr8k")
        found = retrieval(args.data, "dev", args.seeds)
        print_retrieval("Flickr8k test, trained on dev", found)
        return
    tasks = load_tasks(args.data)
    if args.part == "choose":
        choose(tasks, args.seeds)
        return
    for name, task in tasks.items():
        if args.part == "shots":
            print_table(name, shots_table(task, args.seeds))
        elif args.part == "base-to-new":
            heads = {
                "templates": task.zero_shot,
                "+ mean of prompts": task.head(aggregation="mean"),
                "AAPE (default)": task.head(),
                "AAPE, image scored": task.head(scored="image"),
                "AAPE, no distillation": task.head(distillation=0.0, reward=0.0),
                "adapter without prompts": task.head(
                    prompts=dict(zip(task.names, task.zero_shot.fit().coef_[:, None], strict=True)),
                    distillation=0.0,
                    reward=0.0,
                ),
            }
            print_base_to_new(name, base_to_new(task, range(args.seeds), heads))
        else:
            for how in ("another class", "foreign", "nothing"):
                print_table(f"{name}: replaced by {how}", quality_table(task, args.seeds, how))


if __name__ == "__main__":
    main()
