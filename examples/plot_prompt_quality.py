"""
How good must prompts be? Descriptions with dropped words, of the wrong class, or missing
=========================================================================================

:class:`~skclip.AggregatedPromptClassifier` learns from what is written about each class. How much
it needs good writing is an open question of the method. Here captions of drawn images are the
prompts, and they are spoilt in three ways: words are dropped, prompts describe another class,
prompts are empty.
"""

# %%
# Images in a style on which the bundled model is imperfect
# ---------------------------------------------------------
# Captions of one set are prompts, four images a class of a second are labelled, a third is held
# out.

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
collection = make_captioned_images(600, style="sketch", caption_noise=0, random_state=6001)
labelled = make_captioned_images(400, style="sketch", random_state=6002)
test = make_captioned_images(500, style="sketch", random_state=6003)
names = collection.target_names
shots = np.concatenate([np.flatnonzero(labelled.target == name)[:4] for name in names])
X, y = embedder.transform([labelled.images[i] for i in shots]), labelled.target[shots]
X_test, y_test = embedder.transform(test.images), test.target
captions = np.asarray(collection.captions, dtype=object)
prompts = {name: list(captions[collection.target == name][:10]) for name in names}
print(prompts[names[0]][:3])

# %%
# Three ways to spoil a share of the prompts
# ------------------------------------------


def drop_words(text, share, rng):
    """Leave out each word with a probability."""
    return " ".join(word for word in text.split() if rng.random() >= share)


def spoil(how, share, rng):
    spoilt = {}
    for name in names:
        other = prompts[rng.choice([n for n in names if n != name])]
        if how == "words dropped":
            spoilt[name] = [drop_words(text, share, rng) for text in prompts[name]]
        else:
            stand_ins = other if how == "wrong class" else [""] * 10
            spoilt[name] = [
                stand_in if rng.random() < share else text
                for text, stand_in in zip(prompts[name], stand_ins, strict=False)
            ]
    return spoilt


zero_shot = ZeroShotClassifier(embedder=embedder, classes=names)
heads = {
    "mean of prompts": {"aggregation": "mean"},
    "attention, no training": {"aggregation": "attention"},
    "generator, 4 images a class": {"max_epochs": 20, "random_state": 0},
}
kinds, shares = ["words dropped", "wrong class", "empty"], [0.0, 0.5, 0.9]
scores = {head: np.zeros((len(kinds), len(shares))) for head in heads}
for row, how in enumerate(kinds):
    for column, share in enumerate(shares):
        spoilt = spoil(how, share, np.random.default_rng(0))
        for head, params in heads.items():
            classifier = AggregatedPromptClassifier(zero_shot, prompts=spoilt, **params)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", NoEvidenceWarning)  # empty prompts are the point
                scores[head][row, column] = classifier.fit(X, y).score(X_test, y_test)

# %%
# What is left of the accuracy
# ----------------------------
# The template of the class name is mixed in, so that bad prompts cost little: they can pull a class
# away from its name by half of the way at most (``gamma=0.5``). The generator also learns from the
# labelled images, whatever the prompts say.

baseline = zero_shot.fit().score(X_test, y_test)
means = NearestClassMean().fit(X, y).score(X_test, y_test)
figure, axes = plt.subplots(1, len(kinds), figsize=(11, 3.4), sharey=True, layout="constrained")
for axis, how, row in zip(axes, kinds, range(len(kinds)), strict=True):
    for head in heads:
        axis.plot(shares, scores[head][row], marker="o", label=head)
    axis.axhline(baseline, color="0.5", linestyle=":", label="class names alone")
    axis.axhline(means, color="0.5", linestyle="--", label="means of 4 images a class")
    axis.set(xlabel="share that is spoilt", title=how)
axes[0].set_ylabel("accuracy on held-out images")
axes[-1].legend(fontsize="small")
plt.show()
