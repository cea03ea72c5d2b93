"""
Probabilities one can trust: temperature and calibration error
==============================================================

CLIP's logit scale is learned for contrasting images with captions, not for the classes at hand, and
class means are further apart than text rows. :class:`~skclip.PrimedNCMClassifierCV` fits the scale
by leave-one-out on the training rows; the expected calibration error on held-out rows tells what it
brings.
"""

# %%
# Few labelled images, many held out
# ----------------------------------

import matplotlib.pyplot as plt
import numpy as np
from sklearn.calibration import CalibrationDisplay

from skclip import (
    CLIPEmbedder,
    PrimedNCMClassifier,
    PrimedNCMClassifierCV,
    ZeroShotClassifier,
)
from skclip.datasets import make_captioned_images

embedder = CLIPEmbedder("skclip-tiny")
train = make_captioned_images(320, style="mosaic", random_state=6001)
test = make_captioned_images(1000, style="mosaic", random_state=6002)
X, y = embedder.transform(train.images), np.asarray(train.target)
X_test, y_test = embedder.transform(test.images), np.asarray(test.target)
zero_shot = ZeroShotClassifier(embedder=embedder, classes=train.target_names)


# %%
# Expected calibration error
# --------------------------
# Rows are binned by their confidence; the error is the mean distance between confidence and
# accuracy, weighted by the rows of a bin.


def expected_calibration_error(head, n_bins=10):
    proba = head.predict_proba(X_test)
    confidence = proba.max(axis=1)
    right = head.classes_[proba.argmax(axis=1)] == y_test
    bins = np.minimum((confidence * n_bins).astype(int), n_bins - 1)
    size = np.bincount(bins, minlength=n_bins)
    gap = np.bincount(bins, right - confidence, minlength=n_bins)
    return np.abs(gap).sum() / size.sum()


heads = {
    "zero-shot": zero_shot.fit(),
    "primed, model's scale": PrimedNCMClassifier(zero_shot).fit(X, y),
    "primed, scale by leave-one-out": PrimedNCMClassifierCV(zero_shot).fit(X, y),
}
for name, head in heads.items():
    print(
        f"{name:32s} accuracy {head.score(X_test, y_test):.3f}   "
        f"calibration error {expected_calibration_error(head):.3f}   scale {head.logit_scale_:.1f}"
    )

# %%
# Reliability of the most confident class
# ---------------------------------------

figure, axis = plt.subplots(figsize=(5, 4.2), layout="constrained")
for name, head in heads.items():
    proba = head.predict_proba(X_test)
    right = head.classes_[proba.argmax(axis=1)] == y_test
    CalibrationDisplay.from_predictions(right, proba.max(axis=1), n_bins=8, name=name, ax=axis)
axis.set(xlabel="confidence", ylabel="accuracy")
plt.show()
