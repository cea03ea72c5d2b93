"""Four classes of unit rows about their means, and text that is right about half of them."""

import numpy as np

NAMES = ["ant", "bee", "cat", "dog"]


def unit(rows):
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def task(n_per_class=6, *, seed=0, d=12, noise=1.2):
    """Return rows, labels and a text head."""
    rng = np.random.default_rng(seed)
    means = rng.standard_normal((4, d))
    y = np.repeat(NAMES, n_per_class)
    X = unit(np.repeat(means, n_per_class, axis=0) + noise * rng.standard_normal((len(y), d)))
    text = unit(means + 1.5 * rng.standard_normal((4, d)))
    return X, y, dict(zip(NAMES, text, strict=True))
