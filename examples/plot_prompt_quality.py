"""
Prompt quality: descriptions with dropped words, of the wrong class, or missing
===============================================================================

:class:`~skclip.AggregatedPromptClassifier` learns from descriptions of each class. How much it
needs good descriptions is an open question of the method. Here the prompts are captions of
synthetic images, damaged in three ways: words are dropped, prompts describe another class, or
prompts are empty.
"""

# %%
# Images in a style on which the bundled model is imperfect
# ---------------------------------------------------------
# The captions of the first set are prompts, the second set has four labelled images per class, and
# the third is held out.

import warnings

import matplotlib.pyplot as plt
import numpy as np

from skclip import (
    AggregatedPromptClassifier,
    CLIPEmbedder,
    NearestClassMean,
    ZeroShotClassifier,
)
from skclip.datasets import make_captioned_images
from skclip.exceptions import NoEvidenceWarning

embedder = CLIPEmbedder("skclip-tiny")
collection = make_captioned_images(300, style="sketch", caption_noise=0, random_state=6001)
labelled = make_captioned_images(400, style="sketch", random_state=6002)
test = make_captioned_images(300, style="sketch", random_state=6003)
names = collection.target_names
shots = np.concatenate([np.flatnonzero(labelled.target == name)[:4] for name in names])
X, y = embedder.transform([labelled.images[i] for i in shots]), labelled.target[shots]
X_test, y_test = embedder.transform(test.images), test.target
captions = np.asarray(collection.captions, dtype=object)
prompts = {name: list(captions[collection.target == name][:10]) for name in names}
print(prompts[names[0]][:3])

# %%
# Three ways to damage a fraction of the prompts
# ----------------------------------------------


def drop_words(text, fraction, rng):
    """Drop each word with probability ``fraction``."""
    return " ".join(word for word in text.split() if rng.random() >= fraction)


def damage(how, fraction, rng):
    damaged = {}
    for name in names:
        other = prompts[rng.choice([n for n in names if n != name])]
        if how == "words dropped":
            damaged[name] = [drop_words(text, fraction, rng) for text in prompts[name]]
        else:
            replacements = other if how == "wrong class" else [""] * 10
            damaged[name] = [
                replacement if rng.random() < fraction else text
                for text, replacement in zip(prompts[name], replacements, strict=False)
            ]
    return damaged


zero_shot = ZeroShotClassifier(embedder=embedder, classes=names)
heads = {
    "mean of prompts": {"aggregation": "mean"},
    "attention, no training": {"aggregation": "attention"},
    "generator, 4 images per class": {"max_epochs": 5, "random_state": 0},
}
kinds, fractions = ["words dropped", "wrong class", "empty"], [0.0, 0.5, 0.9]
scores = {head: np.zeros((len(kinds), len(fractions))) for head in heads}
for row, how in enumerate(kinds):
    for column, fraction in enumerate(fractions):
        damaged = damage(how, fraction, np.random.default_rng(0))
        for head, params in heads.items():
            classifier = AggregatedPromptClassifier(zero_shot, prompts=damaged, **params)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", NoEvidenceWarning)  # empty prompts are the point
                scores[head][row, column] = classifier.fit(X, y).score(X_test, y_test)

# %%
# The remaining accuracy
# ----------------------
# Prompts have weight ``gamma=0.5`` and the template of the class name has weight 1, so bad prompts
# lose little accuracy. The generator also learns from the labelled images.

baseline = zero_shot.fit().score(X_test, y_test)
means = NearestClassMean().fit(X, y).score(X_test, y_test)
figure, axes = plt.subplots(1, len(kinds), figsize=(11, 3.4), sharey=True, layout="constrained")
for axis, how, row in zip(axes, kinds, range(len(kinds)), strict=True):
    for head in heads:
        axis.plot(fractions, scores[head][row], marker="o", label=head)
    axis.axhline(baseline, color="0.5", linestyle=":", label="class names alone")
    axis.axhline(means, color="0.5", linestyle="--", label="means of 4 images per class")
    axis.set(xlabel="damaged fraction", title=how)
axes[0].set_ylabel("accuracy on held-out images")
axes[-1].legend(fontsize="small")
plt.show()
