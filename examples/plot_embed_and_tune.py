"""
======================================================
From a folder of images to a tuned head, embedded once
======================================================

A grid search refits its pipeline for every fold and every parameter. If the pipeline begins with
image files, each fit would embed the images again: five folds of six candidates embed every image
31 times. With a cache, every image is embedded once.
"""

# %%
# Images in a folder
# ------------------
# A few synthetic images per class, in a style with lower zero-shot accuracy. The pipeline gets the
# paths of the files.

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
# The embedder loads its model with the first image. ``cache`` is a folder. The key of an embedding
# is the content of the image and the identity of the model, so file names and the order of rows do
# not matter, and several processes can use the same folder.

from sklearn.pipeline import make_pipeline

from skclip import CLIPEmbedder, MixedHeadClassifier, ZeroShotClassifier

embedder = CLIPEmbedder("skclip-tiny", n_jobs=2, cache=Path(folder.name) / "cache")
text_head = ZeroShotClassifier(embedder=embedder)
pipeline = make_pipeline(embedder, MixedHeadClassifier(text_head, space="weights"))
pipeline

# %%
# The zero-shot accuracy, for comparison:

zero_shot = make_pipeline(embedder, text_head).fit(train, y_train)
print(f"zero-shot accuracy: {zero_shot.score(test, y_test):.3f}")

# %%
# Tuning the mixing weight of the text
# ------------------------------------
# ``alpha`` is the mixing weight of the text head, and ``1 - alpha`` that of the class means of the
# training images. It is chosen on the training images only.

import numpy as np
from sklearn.model_selection import GridSearchCV

weights = np.linspace(0, 1, 6)
search = GridSearchCV(pipeline, {"mixedheadclassifier__alpha": weights}, cv=5)
search.fit(train, y_train)
print(f"chosen mixing weight of the text: {search.best_params_['mixedheadclassifier__alpha']:.1f}")
print(f"accuracy on test images: {search.score(test, y_test):.3f}")

# %%
# In total, every image and the prompt of every class were embedded once.

from skclip.embedding import cache_info

info = cache_info(embedder.cache)
for label, n_vectors in info.n_vectors.items():
    print(f"{label}: {n_vectors}")

# %%
# Mean and standard deviation over folds:

import matplotlib.pyplot as plt

mean, std = (search.cv_results_[f"{name}_test_score"] for name in ("mean", "std"))
figure, axes = plt.subplots(figsize=(5, 3), layout="constrained")
axes.errorbar(weights, mean, yerr=std, marker="o", capsize=3)
axes.axhline(zero_shot.score(test, y_test), color="grey", linestyle=":", label="zero-shot (test)")
axes.set(xlabel="mixing weight of the text (alpha)", ylabel="accuracy, 5 folds")
axes.legend()
plt.show()

# %%
folder.cleanup()
