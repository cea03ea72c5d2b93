"""
Several labels per image
========================

A red boat is a boat, and it is red. One label per image cannot say so. Here every image has a kind
and a colour. :class:`~skclip.MultiLabelTextClassifier` predicts both, from the names alone, from
recalled images and from a few labelled ones.
"""

# %%
# Labels are columns of zeros and ones
# ------------------------------------
# Drawn images come with their kind and colour. scikit-learn's binarizer makes one sorted column per
# label.

import matplotlib.pyplot as plt
import numpy as np
from sklearn.metrics import f1_score
from sklearn.preprocessing import MultiLabelBinarizer

from skclip import (
    CaptionMatch,
    CaptionRetriever,
    CLIPEmbedder,
    MultiLabelTextClassifier,
    ZeroShotClassifier,
)
from skclip.datasets import make_captioned_images

kinds = ["boat", "cup", "fish", "house", "key", "sun", "tree"]
colors = ["black", "blue", "brown", "green", "grey", "orange", "pink", "purple"]
colors += ["red", "teal", "white", "yellow"]
embedder = CLIPEmbedder("skclip-tiny")
binarizer = MultiLabelBinarizer(classes=sorted(kinds + colors))


def draw(n, seed):
    """Return images, their embeddings and labels, and captions."""
    data = make_captioned_images(n, classes=kinds, style="mosaic", random_state=seed)
    Y = binarizer.fit_transform(list(zip(data.target, data.attributes.color, strict=True)))
    return data.images, embedder.transform(data.images), Y, data.captions


_, X, Y, _ = draw(120, 1)
images, X_test, Y_test, _ = draw(200, 2)
print(f"{Y.shape[1]} labels, {Y.sum(axis=1).mean():.0f} per image")

# %%
# Without labels
# --------------
# Probabilities that sum to one are shared by the kind and the colour, so that few of them are above
# one half. Text alone expects one label per image. Images that are recalled by their captions give
# thresholds: an image that was recalled for other labels counts as one without the label.

text = ZeroShotClassifier(embedder=embedder, classes=list(binarizer.classes)).fit()
_, rows, _, captions = draw(200, 3)
# a fish on a blue background is no blue fish
match = CaptionMatch(exclude={color: ["background", "wall"] for color in colors})
retriever = CaptionRetriever(k=None, match=match).fit(captions, embeddings=rows)
pool = retriever.recall(list(binarizer.classes))


def f1(predicted):
    return f1_score(Y_test, predicted, average="micro")


without = {
    "softmax above 0.5": f1(text.predict_proba(X_test) > 0.5),
    "text alone": f1(MultiLabelTextClassifier(text).fit().predict(X_test)),
    "text and recalled images": f1(
        MultiLabelTextClassifier(text, retriever=pool).fit().predict(X_test)
    ),
}
for name, value in without.items():
    print(f"{name}: micro F1 {value:.3f}")

# %%
# With labels
# -----------
# Labelled images give a threshold per label. All labels have the same weights of text and images,
# so that a few images are enough.

sizes = [5, 10, 20, 40, 80, 120]
curves = []
for seed in range(5):
    order = np.random.default_rng(seed).permutation(len(X))
    heads = [MultiLabelTextClassifier(text).fit(X[order[:n]], Y[order[:n]]) for n in sizes]
    curves.append([f1(head.predict(X_test)) for head in heads])
middle, deviation = np.mean(curves, axis=0), np.std(curves, axis=0)
for n, value, off in zip(sizes, middle, deviation, strict=True):
    print(f"{n} labelled images: micro F1 {value:.3f} ± {off:.3f}")

figure, axis = plt.subplots(figsize=(6, 3.8), layout="constrained")
axis.errorbar(sizes, middle, deviation, marker="o", label="text and labelled images")
for (name, value), style in zip(without.items(), ("-", "--", ":"), strict=True):
    axis.axhline(value, color="0.5", linestyle=style, label=name)
axis.set(xlabel="labelled images", ylabel="micro F1 on held-out images", xscale="log")
axis.set_xticks(sizes, [str(n) for n in sizes])
axis.legend()

# %%
# What it says of some images
# ---------------------------

predicted = binarizer.inverse_transform(heads[-1].predict(X_test[:6]))
figure, axes = plt.subplots(1, 6, figsize=(9, 1.9), layout="constrained")
for axis, image, labels in zip(axes, images, predicted, strict=False):
    axis.imshow(image)
    axis.set_title(", ".join(labels) or "none", fontsize=9)
    axis.axis("off")
plt.show()
