"""
Which head wins? A comparison that can be replayed
==================================================

Heads are compared on the same few labelled images, drawn several times. What is chosen, each head
chooses on these images; the test images measure, and nothing else. Synthetic pictures and the
bundled model stand in for yours.
"""

# %%
# Images to draw from, test images and a text head
# ------------------------------------------------
# A style on which the bundled model is right about some of the images.

import numpy as np

from skclip import (
    CLIPEmbedder,
    GaussianDiscriminantClassifier,
    KernelTextClassifier,
    NearestClassMean,
    StackedHeadClassifier,
    TipAdapterClassifier,
    ZeroShotClassifier,
)
from skclip.datasets import make_captioned_images
from skclip.display import ComparisonDisplay
from skclip.evaluation import AS_PUBLISHED, LEFT_OUT, compare_heads, replay_comparison
from skclip.exceptions import TestLeakError

embedder = CLIPEmbedder("skclip-tiny")
classes = ["anchor", "arrow", "circle", "cross", "diamond", "heart", "moon", "star"]
train, test = (
    make_captioned_images(n, classes=classes, style="mosaic", random_state=seed)
    for seed, n in enumerate((160, 250))
)
X, X_test = embedder.transform(train.images), embedder.transform(test.images)
y, y_test = np.asarray(train.target), np.asarray(test.target)
text = ZeroShotClassifier(embedder=embedder, classes=classes)

# %%
# Heads, and who chose their constants
# ------------------------------------
# The constants of a paper belong to the embeddings of the paper. Beside them stands the choice by
# images that are left out.

heads = {
    "class means": NearestClassMean(),
    "discriminant": GaussianDiscriminantClassifier(),
    "stack": StackedHeadClassifier(text),
    "Tip-Adapter": {
        AS_PUBLISHED: TipAdapterClassifier(text, alpha="published", beta="published"),
        LEFT_OUT: TipAdapterClassifier(text),
    },
    "kernel ridge": KernelTextClassifier(text),
}
comparison = compare_heads(heads, X, y, X_test, y_test, zero_shot=text, shots=(1, 4, 8), seeds=3)
print(comparison.to_markdown())

# %%
# Accuracy over labelled images
# -----------------------------

ComparisonDisplay.from_comparison(comparison).plot()

# %%
# How sure is the difference?
# ---------------------------
# In points of accuracy, with the standard error over draws and test images.

for found in comparison.differences("stack"):
    if found.shots == "4":
        print(f"{found.head}, {found.choice}: {found.difference:+.1f} ± {found.error:.1f}")

# %%
# Replayed, and with a leak
# -------------------------
# Without the timings, a replay gives the same text. A test image among those to draw from is
# refused.

again = replay_comparison(comparison, heads, X, y, X_test, y_test, zero_shot=text)
print(again.to_json(timings=False) == comparison.to_json(timings=False))
try:
    compare_heads(heads, np.vstack([X, X_test[:1]]), [*y, y_test[0]], X_test, y_test)
except TestLeakError as error:
    print(error)
