"""Streams of unlabelled images: predict, then adapt. A table of docs/user_guide/unlabelled.md.

    python -m benchmarks.online --data FOLDER

The folder is that of `clip_sets.py`; it is not public. One processor minute.
"""

import argparse
import warnings
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import log_softmax

from benchmarks.clip_sets import SETS
from benchmarks.unlabelled import WITH_TEXT, row, spread, table
from skclip import GaussianDiscriminantClassifier, StatAClassifier, ZeroShotClassifier

Rows = NDArray[Any]
BLOCK = 100


def told_apart(mean: Rows, entropy: float, n: float) -> float:
    r"""Return how many images per class the text has told apart.

    .. math:: n \, \frac{H(\bar p) - \bar H}{H(\bar p)} \, e^{-H(\bar p)}

    with the entropy of the mean probabilities and the mean of the entropies: few where the text is
    unsure, or where all images so far are of one class.
    """
    of_mean = -float(mean @ np.log(np.maximum(mean, 1e-30)))
    return n * max(0.0, 1 - entropy / max(of_mean, 1e-9)) * np.exp(-of_mean)


class OnlineAdapted:
    r"""Text, and a Gaussian discriminant over the surest images so far of every class.

    .. math:: \log p_c(x) = \log p^\mathrm{text}_c(x) + w \log p^\mathrm{bank}_c(x) + const,
              \qquad w = \frac{m}{m + \kappa}

    A bank holds at most `size` images of every class, those of the lowest entropy, labelled by the
    text. m is the number of images per class that the text has told apart. The discriminant
    divides by the number of images that a bank really holds.
    """

    def __init__(self, text: ZeroShotClassifier, size: int = 16, kappa: float = 8.0) -> None:
        self.text, self.size, self.kappa = text, size, kappa
        n_classes, n_features = text.coef_.shape
        self.rows = np.zeros((0, n_features), dtype=np.float32)
        self.codes, self.entropy = np.zeros(0, dtype=int), np.zeros(0)
        self.n, self.mass, self.total = 0, np.zeros(n_classes), 0.0
        self.head: GaussianDiscriminantClassifier | None = None

    def predict(self, X: Rows) -> Rows:
        log_proba = log_softmax(self.text.logit_scale_ * self.text.decision_function(X), axis=1)
        if self.head is not None:
            m = told_apart(self.mass / self.n, self.total / self.n, self.n)
            of_bank = self.head.logit_scale_ * self.head.decision_function(X)
            log_proba = log_proba + m / (m + self.kappa) * log_softmax(of_bank, axis=1)
        return self.text.classes_[log_proba.argmax(axis=1)]

    def partial_fit(self, X_unlabeled: Rows) -> "OnlineAdapted":
        proba = self.text.predict_proba(X_unlabeled)
        new = -(proba * np.log(np.maximum(proba, 1e-30))).sum(axis=1)
        self.n, self.mass = self.n + len(proba), self.mass + proba.sum(axis=0)
        self.total += float(new.sum())
        rows = np.concatenate([self.rows, X_unlabeled])
        codes = np.concatenate([self.codes, proba.argmax(axis=1)])
        entropy = np.concatenate([self.entropy, new])
        order = np.lexsort([entropy, codes])
        first = np.searchsorted(codes[order], codes[order])  # where the class of each begins
        kept = order[np.arange(len(order)) - first < self.size]
        self.rows, self.codes, self.entropy = rows[kept], codes[kept], entropy[kept]
        self.head = GaussianDiscriminantClassifier(zero_shot=self.text)
        self.head.fit(self.rows, self.text.classes_[self.codes])
        return self


def in_stream(head: OnlineAdapted, X: Rows) -> Rows:
    """Return the labels predicted in blocks, each before the head adapts to it."""
    labels = []
    for start in range(0, len(X), BLOCK):
        block = X[start : start + BLOCK]
        labels.append(head.predict(block))
        head.partial_fit(block)
    return np.concatenate(labels)


def main(n: int = 1000) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--sets", nargs="*", choices=WITH_TEXT, default=list(WITH_TEXT))
    parser.add_argument("--seeds", type=int, default=2)
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    table("stream", "zero-shot", "online", "StatA", "held out: zero-shot", "online", "StatA")
    for name in arguments.sets:
        images = SETS[name](arguments.data)
        text = images.zero_shot.fit()
        for title in ("shuffled", "class by class"):
            found: list[list[float]] = []
            for seed in range(arguments.seeds):
                X, y, X_test, y_test = images.split(seed)
                rng = np.random.default_rng(seed)
                order = rng.permutation(len(X))[:n]
                if title == "class by class":
                    place = dict(zip(rng.permutation(images.names), range(len(y)), strict=False))
                    order = order[np.argsort([place[label] for label in y[order]], kind="stable")]
                X, y = X[order], y[order]
                online = OnlineAdapted(text)
                streamed = in_stream(online, X)
                batch = StatAClassifier(images.zero_shot).fit(X_unlabeled=X)
                own, other = text.score(X, y), text.score(X_test, y_test)
                gains = [np.mean(streamed == y) - own, np.mean(batch.transduction_ == y) - own]
                held = [np.mean(online.predict(X_test) == y_test), batch.score(X_test, y_test)]
                found.append([100 * v for v in (own, *gains, other, *(h - other for h in held))])
            cells = list(map(list, zip(*found, strict=True)))
            signed = [spread(c, "" if i in (0, 3) else "+") for i, c in enumerate(cells)]
            row(f"{images.title}, {title}", *signed)


if __name__ == "__main__":
    main()
