"""
How much text? Pool size, caption noise and the mixing schedule
===============================================================

Neural Priming mixes the text embedding of a class with the mean of images recalled by captions. The
paper makes the share of text fall with the number of images, :math:`e^{-n^2/\\sigma}`, and leaves
:math:`\\sigma` open. Here the number of recalled images and the share of wrong captions vary, and
four ways to set the share of text are compared on held-out images.
"""

# %%
# Drawn images in a style on which the bundled model is imperfect
# ---------------------------------------------------------------
# One set is the captioned collection, one is held out. Both are embedded once.

import matplotlib.pyplot as plt
import numpy as np

from skclip import (
    CaptionRetriever,
    CLIPEmbedder,
    NearestClassMean,
    PrimedNCMClassifier,
    ZeroShotClassifier,
)
from skclip.datasets import make_captioned_images

embedder = CLIPEmbedder("skclip-tiny")
test = make_captioned_images(800, style="sketch", random_state=5001)
X_test, y_test = embedder.transform(test.images), np.asarray(test.target)
zero_shot = ZeroShotClassifier(embedder=embedder, classes=test.target_names)
baseline = zero_shot.fit().score(X_test, y_test)

# %%
# Four shares of text
# -------------------
# No label of a held-out image is looked at, and nothing is tuned.

heads = {
    "variance (default)": {},
    "exponential, sigma=100": {"alpha": "exponential", "pool_limit": None},
    "published: 0.9, uncalibrated": {"alpha": 0.9, "calibration": "none", "pool_limit": None},
    "class means alone": {"alpha": 0.0, "pool_limit": None},
}
pool_sizes = [1, 2, 4, 8, 16, 32]
noises = [0.0, 0.3, 0.6]
scores = {name: np.zeros((len(noises), len(pool_sizes))) for name in heads}
for row, noise in enumerate(noises):
    seen = make_captioned_images(2000, style="sketch", caption_noise=noise, random_state=5002)
    X_seen = embedder.transform(seen.images)
    everything = CaptionRetriever(k=None, synonyms=seen.synonyms).fit(
        seen.captions, embeddings=X_seen
    )
    pool = everything.recall(seen.target_names)
    order = np.random.default_rng(0).permutation(len(pool))
    rank = np.empty(len(pool), dtype=int)
    for name in seen.target_names:  # the place of every image in its class's random order
        own = order[pool.labels[order] == name]
        rank[own] = np.arange(len(own))
    for column, k in enumerate(pool_sizes):
        for name, params in heads.items():
            head = PrimedNCMClassifier(
                zero_shot, retriever=pool[rank < k], classes=seen.target_names, **params
            )
            scores[name][row, column] = head.fit().score(X_test, y_test)

# %%
# What the number of images and the noise do
# ------------------------------------------
# The filter keeps what the text head agrees with, so wrong captions cost images rather than
# accuracy. A share that ignores how good the images are, as the exponential one with a fixed
# constant, goes from text to images at the same number whatever the noise. The default counts the
# recalled images of a class for one labelled image at most: it gains less where the collection is
# like the images to be classified, as here, and does not break where it is not.

figure, axes = plt.subplots(1, len(noises), figsize=(11, 3.4), sharey=True, layout="constrained")
for axis, row, noise in zip(axes, range(len(noises)), noises, strict=True):
    for name in heads:
        axis.plot(pool_sizes, scores[name][row], marker="o", label=name)
    axis.axhline(baseline, color="0.5", linestyle=":", label="zero-shot")
    axis.set(xscale="log", xlabel="images recalled a class", title=f"{noise:.0%} wrong captions")
axes[0].set_ylabel("accuracy on held-out images")
axes[-1].legend(fontsize="small")
plt.show()

# %%
# The ceiling: class means with the true labels of the collection.
ceiling = NearestClassMean().fit(X_seen, seen.target).score(X_test, y_test)
print(f"zero-shot {baseline:.3f}, class means with true labels {ceiling:.3f}")
