"""
The effect of recall settings on the pool
=========================================

Captions use synonyms, mention objects that are not in the image, and are sometimes wrong. Here a
collection of synthetic images with known labels is recalled by class name with several settings.
For each setting, the example counts the recalled images and those that show the class.
"""

# %%
# A collection on disk
# --------------------
# The corpus has captions, their index, and one embedding per image.

import tempfile

import matplotlib.pyplot as plt
import numpy as np

from skclip import (
    CaptionMatch,
    CaptionRetriever,
    CLIPEmbedder,
    Corpus,
    NeighborRetriever,
    ZeroShotClassifier,
)
from skclip.datasets import CLASS_NAMES, make_captioned_images

data = make_captioned_images(1500, style="sketch", caption_noise=0.1, random_state=7000)
embedder = CLIPEmbedder("skclip-tiny")
folder = tempfile.TemporaryDirectory()
corpus = Corpus.build((data.captions, data.images), folder.name, embedder=embedder)
truth = np.asarray(data.target)
corpus

# %%
# Recall and its report
# ---------------------
# ``star`` does not match ``starfish``, since whole words are matched. ``tree`` does match "palm
# tree".

pool = CaptionRetriever(corpus, k=None).recall(["star", "starfish", "tree", "palm tree"])
print(pool.report())

# %%
# Settings
# --------
# Synonyms recall more images. The longest name, dropping captions that name several classes, and
# taking the images most similar to the text each increase the fraction of right images.

names = list(CLASS_NAMES)
text = ZeroShotClassifier(embedder=embedder, classes=names)
one_class, first_class = (CaptionMatch(longest=True, ambiguous=how) for how in ("drop", "first"))
settings = {
    "name": {},
    "letters": {"match": "substring"},
    "name + synonyms": {"synonyms": data.synonyms},
    "… + longest": {"synonyms": data.synonyms, "match": CaptionMatch(longest=True)},
    "… + first named": {"synonyms": data.synonyms, "match": first_class},
    "… + unambiguous": {"synonyms": data.synonyms, "match": one_class},
    "… + best 20": {
        "synonyms": data.synonyms,
        "match": one_class,
        "select": "best",
        "zero_shot": text,
        "k": 20,
    },
}
sizes, right = [], []
for parameters in settings.values():
    pool = CaptionRetriever(corpus, **{"k": None, **parameters}).recall(names)
    shown = truth[pool.ids.astype(int)]
    sizes.append(len(pool))
    right.append(np.mean(shown == pool.labels))

fig, ax = plt.subplots(figsize=(7, 4), layout="constrained")
bars = ax.barh(list(settings), right)
ax.bar_label(
    bars, [f"{100 * r:.0f} % of {n}" for r, n in zip(right, sizes, strict=True)], padding=3
)
ax.set(xlabel="fraction of recalled images that show the class", xlim=(0, 1.25))
ax.invert_yaxis()

# %%
# Neighbours of a few shots
# -------------------------
# With three labelled images per class, recall the most similar images of the collection: all with
# the label of the nearest shot, or only those whose caption names the class.

shots = make_captioned_images(600, style="sketch", random_state=7001)
target = np.asarray(shots.target)
chosen = np.concatenate([np.flatnonzero(target == name)[:3] for name in names])
X, y = embedder.transform([shots.images[i] for i in chosen]), target[chosen]
for restrict in (False, True):
    found = NeighborRetriever(corpus, k=5, restrict_to_class=restrict).recall(X, y)
    right = np.mean(truth[found.ids.astype(int)] == found.labels)
    print(f"restrict_to_class={restrict}: {len(found)} images, {100 * right:.0f} % right")

# %%
folder.cleanup()
