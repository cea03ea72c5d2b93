"""
How many labelled images? Accuracy, mixing weights, reliability, margins
========================================================================

What does a head gain from more labelled images, which mixing weights does it choose, and can its
probabilities be trusted? Five displays answer.
"""

# %%
# Images in a style that the text knows little of
# -----------------------------------------------
# Eight classes of synthetic images in the style "mosaic". One set is for labelled images, one for
# testing.

from matplotlib import pyplot

from skclip import (
    CLIPEmbedder,
    GaussianDiscriminantClassifier,
    NearestClassMean,
    StackedHeadClassifier,
    ZeroShotClassifier,
)
from skclip.datasets import make_captioned_images

names = ["anchor", "bell", "boat", "fish", "flower", "house", "key", "star"]
labelled = make_captioned_images(240, classes=names, style="mosaic", random_state=0)
test = make_captioned_images(400, classes=names, style="mosaic", random_state=1)
embedder = CLIPEmbedder("skclip-tiny")
X, X_test = embedder.transform(labelled.images), embedder.transform(test.images)
zero_shot = ZeroShotClassifier(embedder=embedder, classes=names).fit()

# %%
# Accuracy over shots
# -------------------
# All heads see the same images; the bands are one standard deviation over three draws.

from skclip.display import AccuracyOverShotsDisplay

heads = {
    "stacked": StackedHeadClassifier(zero_shot),
    "discriminant": GaussianDiscriminantClassifier(),
    "class means": NearestClassMean(),
}
_ = AccuracyOverShotsDisplay.from_estimator(
    heads,
    X,
    labelled.target,
    X_test,
    test.target,
    shots=[1, 2, 4, 8],
    baseline=zero_shot.score(X_test, test.target),
).plot()

# %%
# Mixing weights of the stacked head
# ----------------------------------
# They are fitted by left-out scores of the labelled images.

from skclip.display import MixingWeightsDisplay

_ = MixingWeightsDisplay.from_estimator(
    heads["stacked"], X, labelled.target, shots=[1, 2, 4, 8]
).plot()

# %%
# Can the probabilities be trusted?
# ---------------------------------
# On the diagonal, predictions are right as often as they are confident. ECE is the expected
# calibration error.

from skclip.display import ReliabilityDisplay

_, axes = pyplot.subplots(layout="constrained")
stacked = StackedHeadClassifier(zero_shot).fit(X[:64], labelled.target[:64])
for name, head in {"zero-shot": zero_shot, "stacked": stacked}.items():
    ReliabilityDisplay.from_estimator(head, X_test, test.target, name=name).plot(ax=axes)

# %%
# How clear are the decisions on images that were left out?
# ---------------------------------------------------------

from skclip.display import LeftOutMarginsDisplay

_, axes = pyplot.subplots(layout="constrained")
for name in ("class means", "discriminant"):
    LeftOutMarginsDisplay.from_estimator(heads[name], X, labelled.target, cv=5, name=name).plot(
        ax=axes
    )
axes.set_xscale("symlog")

# %%
# Which classes look alike, and which read alike?
# -----------------------------------------------
# Texts are compared above the diagonal, images below it, each text with its image on it.

from skclip.display import ClassSimilarityDisplay

_ = ClassSimilarityDisplay.from_estimator(zero_shot, X, labelled.target).plot()
