"""Hypothesis strategies for heads: labelled rows, weights and text heads."""

import numpy as np
from hypothesis import strategies as st

LABELS = [
    ["cat", "dog", "fox", "yak"],
    [3, 1, 7, 5],
    ["l'été", 'the "big" one', "猫", "a - b*"],
    [False, True],
]


@st.composite
def labelled_rows(draw, *, min_samples=4, max_samples=24, zero_rows=True):
    """Return (X, y): at least one row a class, some rows zero, every label type."""
    labels = draw(st.sampled_from(LABELS))
    n_classes = draw(st.integers(2, len(labels)))
    labels = labels[:n_classes]
    n_samples = draw(st.integers(max(min_samples, n_classes), max_samples))
    n_features = draw(st.integers(2, 6))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    dtype = draw(st.sampled_from([np.float32, np.float64]))
    X = rng.standard_normal((n_samples, n_features)).astype(dtype)
    codes = np.concatenate(
        [np.arange(n_classes), rng.integers(0, n_classes, n_samples - n_classes)]
    )
    if zero_rows and n_samples > n_classes:
        X[n_classes:][rng.random(n_samples - n_classes) < 0.2] = 0
    return X, np.asarray(labels)[codes]


@st.composite
def text_heads(draw, labels, n_features):
    """Return {label: vector} for the labels, in a random order."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    order = rng.permutation(len(labels))
    return {labels[i].item(): rng.standard_normal(n_features) for i in order}
