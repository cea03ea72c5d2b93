"""
======================================================
From a folder of images to a tuned head, embedded once
======================================================

A grid search refits its pipeline for every fold and every parameter. Where the pipeline begins
with image files, each of these fits would run the model over the images again: five folds of six
candidates embed every image 31 times. With a cache they are embedded once, whatever the folds.
"""

# %%
# Images in a folder
# ------------------
# We draw a few photos a class, in a style that the text head knows less well. In your own folder
# these are files as they come; paths are all that the pipeline gets.

from pathlib import Path
from tempfile import TemporaryDirectory

from skclip.datasets import make_captioned_images

folder = TemporaryDirectory()
names = ["anchor", "crossbow", "key", "keyhole", "lighthouse", "palm tree"]
names += ["star", "starfish", "sun", "sunflower", "tree", "umbrella"]
data = make_captioned_images(400, classes=names, style="night", random_state=0)
paths = [str(Path(folder.name) / f"{i}.png") for i in range(len(data.images))]
for path, image in zip(paths, data.images, strict=True):
    image.save(path)
train, test = paths[:160], paths[160:]
y_train, y_test = data.target[:160], data.target[160:]

# %%
# A pipeline from paths to labels
# -------------------------------
# The embedder loads its model when the first image comes. ``cache`` names a folder; an embedding is
# found again by the content of the image and the identity of the model, so neither file names nor
# the order of rows matter, and other processes may use the same folder.

from sklearn.pipeline import make_pipeline

from skclip import CLIPEmbedder, MixedHeadClassifier, ZeroShotClassifier

embedder = CLIPEmbedder("skclip-tiny", n_jobs=2, cache=Path(folder.name) / "cache")
text_head = ZeroShotClassifier(embedder=embedder)
pipeline = make_pipeline(embedder, MixedHeadClassifier(text_head, space="weights"))
pipeline

# %%
# Zero-shot first: what the class names alone achieve.

zero_shot = make_pipeline(embedder, text_head).fit(train, y_train)
print(f"zero-shot accuracy: {zero_shot.score(test, y_test):.3f}")

# %%
# Tuning the share of text
# ------------------------
# ``alpha`` is the share of the text head, the rest belongs to the class means of the training
# images. We look for it on the training images only.

import numpy as np
from sklearn.model_selection import GridSearchCV

shares = np.linspace(0, 1, 6)
search = GridSearchCV(pipeline, {"mixedheadclassifier__alpha": shares}, cv=5)
search.fit(train, y_train)
print(f"chosen share of text: {search.best_params_['mixedheadclassifier__alpha']:.1f}")
print(f"accuracy on unseen images: {search.score(test, y_test):.3f}")

# %%
# Every image was embedded once, in all of the above, and so was the prompt of every class.

from skclip.embedding import cache_info

info = cache_info(embedder.cache)
for label, n_vectors in info.n_vectors.items():
    print(f"{label}: {n_vectors}")

# %%
# The mean over folds, with the spread between them:

import matplotlib.pyplot as plt

mean, std = (search.cv_results_[f"{name}_test_score"] for name in ("mean", "std"))
figure, axes = plt.subplots(figsize=(5, 3), layout="constrained")
axes.errorbar(shares, mean, yerr=std, marker="o", capsize=3)
axes.axhline(zero_shot.score(test, y_test), color="grey", linestyle=":", label="zero-shot (test)")
axes.set(xlabel="share of text (alpha)", ylabel="accuracy, 5 folds")
axes.legend()
plt.show()

# %%
folder.cleanup()
