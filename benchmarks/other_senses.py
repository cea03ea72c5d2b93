"""When a class's name mostly means something else in a collection: the measures that tell.

    python -m benchmarks.other_senses --data DATA

The folder is that of `weak_task.py` and `clip_sets.py`; it is not public. Senses are not labelled
there, so pseudo-words are made, as is usual in the evaluation of word senses: the matches of one
name are joined with those of another, so that the sense of every match is known. 60, 75 or 90 % of
the matches of a pseudo-word are of the other name, which is none of the classes. The text of the
class is that of the name ("0"), or a mean with the text of the other name (a quarter, or half), as
that of an ambiguous word may be. Single names are the negatives.

Every seed parts the names in two. A measure has one threshold for all collections: 95 % of the
classes of the first halves are below it, on the mean of the collections. False alarms and hits are
those of the second halves, mean ± std over seeds; the last rows are those of the warning as it is.
Half of the names of each half are the classes, the rest are other senses. Names that certainly mean
something else in the captions of Flickr8k (`AMBIGUOUS`) are left out of both, and counted apart.
"""

import argparse
import csv
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from benchmarks.clip_sets import Rows, unit
from skclip import CaptionRetriever
from skclip.recall._other_senses import BEYOND_MEDIAN, MOST_MATCHES

N_SEEDS, LEAST, MOST = 6, 25, 100
SHARES, TEXTS = (0.6, 0.75, 0.9), (0.0, 0.25, 0.5)
WARNING = "OtherSenseWarning"
# the colour, the verb, tank tops, "on top of"
AMBIGUOUS = ("orange", "fly", "tank", "top")
# other words for other names
REPEATED = ("dogs", "horses", "puppy", "golden retriever")


class Collection(NamedTuple):
    """Embeddings of matches, and text rows, by name."""

    title: str
    names: list[str]
    text: Rows
    vectors: Rows
    matches: list[Rows]


def flickr(data: Path) -> Iterator[Collection]:
    """Yield Flickr8k by image and by caption, with the prompts of ImageNet and CIFAR-10 names."""
    from benchmarks.weak_task import Task

    Task(data, "cifar10")  # puts the folder on the path
    from joint import image_embeddings, text_embeddings

    with (data / "flickr8k_captions.tsv").open(newline="") as file:
        captions = [row["caption"] for row in csv.DictReader(file, delimiter="\t", quoting=3)]
    with np.load(data / "flickr8k_index.npz") as file:
        image = file["caption_image"]
    begin = "a photo of a "
    with (data / "prompts.tsv").open(newline="") as file:
        prompts = [row["prompt"] for row in csv.DictReader(file, delimiter="\t")]
    row_of: dict[str, int] = {}
    for row, prompt in enumerate(prompts):
        if prompt.startswith(begin):
            row_of.setdefault(prompt[len(begin) :].rstrip(".").lower(), row)
    names = list(row_of)
    found = CaptionRetriever(plural=True).fit(captions).transform(names)
    matches = []
    for i in range(len(names)):  # one caption per image
        rows = found[i].indices
        matches.append(np.sort(rows[np.unique(image[rows], return_index=True)[1]]))
    kept = [i for i, n in enumerate(names) if len(matches[i]) >= LEAST and n not in REPEATED]
    mini = np.load(data / "prompts_minilm.npy")[[row_of[names[i]] for i in kept]]
    of_captions = np.load(data / "flickr8k_minilm.npy")
    own, rows = [names[i] for i in kept], [matches[i] for i in kept]
    X = image_embeddings(np.load(data / "flickr8k_resnet50.npy"))
    joint = text_embeddings(mini)
    yield Collection("Flickr8k by image, weak model", own, joint, X[image], rows)
    yield Collection(
        "Flickr8k by caption, weak model", own, joint, text_embeddings(of_captions), rows
    )
    yield Collection("Flickr8k by caption, MiniLM", own, unit(mini), unit(of_captions), rows)


def caltech101(data: Path) -> Collection:
    """Return Caltech101 by image in the space of CLIP; its captions are the names."""
    with np.load(data / "clip_vitb32_caltech101.npz") as file:
        X = unit(np.concatenate([file["test"], file["val"]]))
        y = np.concatenate([file["test_y"], file["val_y"]])
        classes = [c for c in np.flatnonzero(file["has_text"]) if np.sum(y == c) >= LEAST]
        names, text = file["classes"][classes].tolist(), unit(file["text"][classes])
    matches = [np.flatnonzero(y == c) for c in classes]
    return Collection("Caltech101 by image, CLIP", names, text, X, matches)


def lost(own: Rows, others: Rows, V: Rows) -> float:
    """Return the fraction of matches that zero-shot gives to other classes."""
    return float(np.mean(others.max(axis=1) >= own))


def farther(own: Rows, others: Rows, V: Rows) -> float:
    """Return the mean fraction of the other classes whose text is nearer than the own one."""
    return float(np.mean(others > own[:, None]))


def blends_in(own: Rows, others: Rows, V: Rows) -> float:
    """Return minus how far the own text stands out among the others, in their deviations."""
    return -float(np.median((own - others.mean(axis=1)) / others.std(axis=1)))


def bimodal(own: Rows, others: Rows, V: Rows) -> float:
    """Return what two Gaussians explain of the cosines (BIC), if most are in the lower one."""
    s = np.sort(own)
    n, split = len(s), np.arange(1, len(s))
    left, total = np.cumsum(s)[:-1], s.sum()
    between = split * (n - split) * (left / split - (total - left) / (n - split)) ** 2
    r = np.zeros((n, 2))
    r[: int(np.argmax(between)) + 1, 0] = 1
    r[:, 1] = 1 - r[:, 0]
    floor = 0.01 * s.var() + 1e-12
    for _ in range(50):
        size = r.sum(axis=0) + 1e-9
        mean = (r * s[:, None]).sum(axis=0) / size
        var = (r * (s[:, None] - mean) ** 2).sum(axis=0) / size + floor
        log = (
            np.log(size / n) - 0.5 * np.log(2 * np.pi * var) - 0.5 * (s[:, None] - mean) ** 2 / var
        )
        top = log.max(axis=1, keepdims=True)
        r = np.exp(log - top)
        likelihood = top[:, 0] + np.log(r.sum(axis=1))
        r /= r.sum(axis=1, keepdims=True)
    one = -0.5 * n * (np.log(2 * np.pi * s.var()) + 1)
    gain = (2 * (likelihood.sum() - one) - 3 * np.log(n)) / n
    return float(gain) if size[np.argmin(mean)] > n / 2 else -1.0


def two_groups(own: Rows, others: Rows, V: Rows) -> float:
    """Return what spherical 2-means explains of the spread of the matches, whatever the text."""
    centred = V - V.mean(axis=0)
    part = np.linalg.eigh(centred @ centred.T)[1][:, -1] > 0
    for _ in range(10):
        centres = unit(np.stack([V[part].mean(axis=0), V[~part].mean(axis=0)]))
        new = V @ centres[0] > V @ centres[1]
        if new.all() or not new.any():
            break
        part = new
    whole = np.linalg.norm(V.sum(axis=0))
    parts = np.linalg.norm(V[part].sum(axis=0)) + np.linalg.norm(V[~part].sum(axis=0))
    return float((parts - whole) / (len(V) - whole))


MEASURES: dict[str, Callable[[Rows, Rows, Rows], float]] = {
    f.__name__: f for f in (lost, farther, blends_in, bimodal, two_groups)
}
Values = dict[str, dict[object, list[float]]]


def measured(collection: Collection, names: Rows, rng: np.random.Generator) -> Values:
    """Return every measure of the single names, pseudo-words and ambiguous names of one half."""
    _, known, T, X, matches = collection
    classes, senses = np.array_split(names, 2)
    raw: Values = {name: defaultdict(list) for name in MEASURES}

    def measure(kind: object, rows: Rows, text: Rows, others: Rows) -> None:
        V = X[rows]
        for name, function in MEASURES.items():
            raw[name][kind].append(function(V @ text, V @ others.T, V))

    def some(rows: Rows, n: int) -> Rows:
        return rng.choice(rows, min(n, len(rows)), replace=False)

    for c in classes:
        others = T[classes[classes != c]]
        measure("single", some(matches[c], MOST), T[c], others)
        for share in SHARES:
            sense = rng.choice(senses)
            other = np.setdiff1d(matches[sense], matches[c])
            n = min(MOST, len(other) / share, len(matches[c]) / (1 - share))
            own = some(matches[c], round(n * (1 - share)))
            rows = np.concatenate([own, some(other, round(n * share))])
            for mixed in TEXTS:
                text = unit(((1 - mixed) * T[c] + mixed * T[sense])[None])[0]
                measure((share, mixed), rows, text, others)
    for i in np.flatnonzero(np.isin(known, AMBIGUOUS)):
        measure(known[i], some(matches[i], MOST), T[i], T[classes])
    threshold = max(MOST_MATCHES, np.median(raw["lost"]["single"]) + BEYOND_MEDIAN)
    for values in list(raw):  # the same beyond the median of the classes
        middle = np.median(raw[values]["single"])
        raw[f"{values} - median"] = {k: list(v - middle) for k, v in raw[values].items()}
    raw[WARNING] = {k: [float(x > threshold) for x in v] for k, v in raw["lost"].items()}
    return raw


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--seeds", type=int, default=N_SEEDS)
    args = parser.parse_args()
    collections = [*flickr(args.data), caltech101(args.data)]
    runs: list[dict[str, tuple[Values, Values]]] = []
    for seed in range(args.seeds):
        rng, run = np.random.default_rng(seed), {}
        for collection in collections:
            names = rng.permutation(np.flatnonzero(~np.isin(collection.names, AMBIGUOUS)))
            first, second = np.array_split(names, 2)
            run[collection.title] = (
                measured(collection, first, rng),
                measured(collection, second, rng),
            )
        runs.append(run)
    mixes = " | ".join(f"hits, text {100 * mixed:.0f} % other" for mixed in TEXTS)
    print(f"| measure | collection | false alarms % | {mixes} | {', '.join(AMBIGUOUS)} |")
    print("|---|---|" + "---|" * (len(TEXTS) + 2))
    for name in runs[0][collections[0].title][0]:
        pooled = [run[c.title][0][name]["single"] for run in runs for c in collections]
        every = np.concatenate(pooled)
        weight = np.repeat([1 / len(part) for part in pooled], [len(part) for part in pooled])
        order = np.argsort(every)
        at = np.searchsorted(np.cumsum(weight[order]) / weight.sum(), 0.95)
        threshold = 0.5 if name == WARNING else every[order[at]]
        for c in collections:
            second = [run[c.title][1][name] for run in runs]
            cells = [[100 * np.mean(np.array(v["single"]) > threshold) for v in second]]
            for mixed in TEXTS:
                cells.append(
                    [
                        100 * np.mean([np.array(v[s, mixed]) > threshold for s in SHARES])
                        for v in second
                    ]
                )
            text = " | ".join(f"{np.mean(v):.0f} ± {np.std(v):.0f}" for v in cells)
            known = [
                f"{100 * np.mean([v[word][0] > threshold for v in second]):.0f}"
                for word in AMBIGUOUS
                if word in second[0]
            ]
            print(f"| {name} > {threshold:.2f} | {c.title} | {text} | {', '.join(known)} |")


if __name__ == "__main__":
    main()
