"""
Calibration of probabilities with fitted mixing weights
=======================================================

CLIP's logit scale is learned for images and captions, not for the classes of a task.
:class:`~skclip.StackedHeadClassifier` fits its mixing weights to the likelihood of left-out
labelled images, which also sets the temperature. This example compares the expected calibration
error on held-out images.
"""

# %%
# Few labelled images, many held out
# ----------------------------------

import matplotlib.pyplot as plt
import numpy as np
from sklearn.linear_model import LogisticRegression

from skclip import (
    CLIPEmbedder,
    PrimedNCMClassifier,
    StackedHeadClassifier,
    ZeroShotClassifier,
)
from skclip.datasets import make_captioned_images
from skclip.display import ReliabilityDisplay

embedder = CLIPEmbedder("skclip-tiny")
train = make_captioned_images(320, style="mosaic", random_state=6001)
test = make_captioned_images(1000, style="mosaic", random_state=6002)
X, y = embedder.transform(train.images), np.asarray(train.target)
X_test, y_test = embedder.transform(test.images), np.asarray(test.target)
zero_shot = ZeroShotClassifier(embedder=embedder, classes=train.target_names)


# %%
# Expected calibration error
# --------------------------
# Images are binned by their confidence. The error is the mean distance between confidence and
# accuracy, weighted by the number of images in a bin.

heads = {
    "zero-shot": zero_shot.fit(),
    "LogisticRegression(C=100)": LogisticRegression(C=100, max_iter=1000).fit(X, y),
    "primed, alpha=0.5": PrimedNCMClassifier(zero_shot, alpha=0.5).fit(X, y),
    "stacked": StackedHeadClassifier(zero_shot).fit(X, y),
}
shown = {
    name: ReliabilityDisplay.from_estimator(head, X_test, y_test, name=name)
    for name, head in heads.items()
}
for name, head in heads.items():
    print(
        f"{name:26s} accuracy {head.score(X_test, y_test):.3f}   "
        f"calibration error {shown[name].curve.calibration_error:.3f}"
    )
print(
    "weights:", {name: round(weight, 3) for name, weight in heads["stacked"].head_weights_.items()}
)

# %%
# Reliability of the most confident class
# ---------------------------------------

figure, axis = plt.subplots(figsize=(5, 4.2), layout="constrained")
for display in shown.values():
    display.plot(ax=axis)
plt.show()
