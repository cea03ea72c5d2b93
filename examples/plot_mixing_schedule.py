"""
How much text? Pool size, caption noise and the mixing weight
=============================================================

Neural Priming mixes the text embedding of a class name with the mean of images recalled by
captions. In the paper, the mixing weight of the text decreases with the number of images,
:math:`e^{-n^2/\\sigma}`, for an unspecified :math:`\\sigma`. Here the number of recalled images and
the fraction of wrong captions vary. Four mixing weights are compared on held-out images.
"""

# %%
# Synthetic images in a style on which the bundled model is imperfect
# -------------------------------------------------------------------
# The first set is the captioned collection, the second is held out, and the third has four labelled
# images per class.

import matplotlib.pyplot as plt
import numpy as np

from skclip import (
    CaptionRetriever,
    CLIPEmbedder,
    PrimedNCMClassifier,
    StackedHeadClassifier,
    ZeroShotClassifier,
)
from skclip.datasets import make_captioned_images

embedder = CLIPEmbedder("skclip-tiny")
test = make_captioned_images(400, style="sketch", random_state=5001)
X_test, y_test = embedder.transform(test.images), np.asarray(test.target)
names = test.target_names
zero_shot = ZeroShotClassifier(embedder=embedder, classes=names)
baseline = zero_shot.fit().score(X_test, y_test)

# %%
# Four mixing weights, without labels
# -----------------------------------
# ``alpha="auto"`` is the default. Without labels, recalled images have a small fixed mixing weight,
# and a class without images is predicted from its text.

ways = {
    'alpha="auto" (default)': {},
    "alpha=0.9, as published": {"alpha": 0.9},
    'alpha="exponential", sigma=100': {"alpha": "exponential"},
    "alpha=0, images alone": {"alpha": 0.0},
}
pool_sizes = [1, 2, 4, 8, 16]
noises = [0.0, 0.3, 0.6]
scores = {way: np.zeros((len(noises), len(pool_sizes))) for way in ways}
pools, embeddings = {}, None
for row, noise in enumerate(noises):
    seen = make_captioned_images(700, style="sketch", caption_noise=noise, random_state=5002)
    if embeddings is None:  # the images are the same for every noise
        embeddings = embedder.transform(seen.images)
    recall_all = CaptionRetriever(k=None, synonyms=seen.synonyms)
    recall_all.fit(seen.captions, embeddings=embeddings)
    pools[noise] = pool = recall_all.recall(names)
    order = np.random.default_rng(0).permutation(len(pool))
    rank = np.empty(len(pool), dtype=int)
    for name in names:  # the place of every image in the random order of its class
        own = order[pool.labels[order] == name]
        rank[own] = np.arange(len(own))
    for column, k in enumerate(pool_sizes):
        some = pool[rank < k]
        for way, params in ways.items():
            head = PrimedNCMClassifier(zero_shot, retriever=some, classes=names, **params)
            scores[way][row, column] = head.fit().score(X_test, y_test)

# %%
# What the number of images and the noise do
# ------------------------------------------
# The filter drops images that the text head assigns to another class, so wrong captions reduce the
# number of images more than the accuracy. The exponential schedule changes from text to images at
# the same number of images, for any noise.

figure, axes = plt.subplots(1, len(noises), figsize=(11, 3.4), sharey=True, layout="constrained")
for axis, row, noise in zip(axes, range(len(noises)), noises, strict=True):
    for way in ways:
        axis.plot(pool_sizes, scores[way][row], marker="o", label=way)
    axis.axhline(baseline, color="0.5", linestyle=":", label="zero-shot")
    axis.set(xscale="log", xlabel="recalled images per class", title=f"{noise:.0%} wrong captions")
axes[0].set_ylabel("accuracy on held-out images")
axes[-1].legend(fontsize="small")
plt.show()

# %%
# Fitted mixing weights with four labelled images per class
# ---------------------------------------------------------
# With labels, the mixing weights of text, labelled and recalled images are fitted; they are in
# ``head_weights_``.

labelled = make_captioned_images(300, style="sketch", random_state=5003)
target = np.asarray(labelled.target)
shots = np.concatenate([np.flatnonzero(target == name)[:4] for name in names])
X, y = embedder.transform([labelled.images[i] for i in shots]), target[shots]
print(f"zero-shot: {baseline:.3f}")
for noise, pool in pools.items():
    for cls in (PrimedNCMClassifier, StackedHeadClassifier):
        head = cls(zero_shot, retriever=pool, classes=names).fit(X, y)
        weights = ", ".join(f"{name} {weight:.2f}" for name, weight in head.head_weights_.items())
        score = head.score(X_test, y_test)
        print(f"{cls.__name__}, {noise:.0%} wrong captions: {score:.3f} ({weights})")
