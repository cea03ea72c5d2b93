"""
Real photos: label a few, let the rest follow
=============================================

What to do with a folder of photos: embed it once, label three images per class, let a head label
the rest, and look at the result. The images here are 120 tiles of two photos that come with
scikit-learn (`daniel buechele <https://www.flickr.com/photos/danielbuechele/>`_ and `vultilion
<https://www.flickr.com/photos/vultilion/>`_, `CC BY 2.0
<https://creativecommons.org/licenses/by/2.0/>`_).

``skclip-tiny`` was trained on synthetic drawings and has no words for what these photos show.
Therefore no text is used. Its image embeddings do separate the sky from a roof. With a real model,
begin as in :doc:`/user_guide/your_photos`.
"""

# %%
# A folder of images
# ------------------
# Each letter is what one tile shows: sky, temple, leaves, petals, or trees (r). A dot is a tile
# that shows two things; it is never counted.

from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from PIL import Image
from sklearn.datasets import load_sample_image

maps = {
    "china.jpg": "sss.ssssss s.tttsssss .ttttssss. .tttt....r .tttt....r rrttt.rrrr",
    "flower.jpg": "llllllllll llll.p.lll lll.ppplll lllpppplll lllpppplll lll.pp.lll",
}
titles = {"s": "sky", "t": "temple", "l": "leaves", "p": "petals", "r": "trees", ".": "?"}
size = 64
folder = TemporaryDirectory()
photos = {name: Image.fromarray(load_sample_image(name)) for name in maps}
paths, shown = [], []
for name, letters in maps.items():
    for row, line in enumerate(letters.split()):
        for column, letter in enumerate(line):
            left, top = column * size, row * size
            path = Path(folder.name) / f"{name[:-4]}-{row}-{column}.png"
            photos[name].crop((left, top, left + size, top + size)).save(path)
            paths.append(path)
            shown.append(titles[letter])
shown = np.array(shown)

# %%
# Embed once, label a few
# -----------------------
# Three tiles per class are labelled. The accuracy depends on which three: below are mean and
# standard deviation over 20 draws, on all tiles that are not labelled.

from skclip import CLIPEmbedder, GaussianDiscriminantClassifier

X = CLIPEmbedder("skclip-tiny").transform(paths)
clear = np.flatnonzero(shown != "?")


def draw(seed):
    """Return three clear tiles of each class."""
    order = np.random.default_rng(seed).permutation(clear)
    return np.concatenate([order[shown[order] == name][:3] for name in np.unique(shown[clear])])


scores = []
for seed in range(20):
    labelled = draw(seed)
    rest = np.setdiff1d(clear, labelled)
    head = GaussianDiscriminantClassifier().fit(X[labelled], shown[labelled])
    scores.append(100 * head.score(X[rest], shown[rest]))
print(f"accuracy on the other tiles: {np.mean(scores):.1f} ± {np.std(scores):.1f} %")

# %%
# Look at it
# ----------
# Predictions for every tile, by the head of the first draw. Labelled tiles have a white frame,
# mistakes a red cross.

import matplotlib.pyplot as plt

labelled = draw(0)
head = GaussianDiscriminantClassifier().fit(X[labelled], shown[labelled])
found = head.predict(X)
figure, axes = plt.subplots(2, 1, figsize=(6.4, 8.6), layout="constrained")
for i, label in enumerate(found):
    photo, place = divmod(i, 60)
    left, top = place % 10 * size, place // 10 * size
    ax = axes[photo]
    box = {"facecolor": f"C{list(head.classes_).index(label)}", "alpha": 0.7, "pad": 1.5, "lw": 0}
    ax.text(left + 32, top + 32, label, ha="center", va="center", fontsize=7, color="w", bbox=box)
    if i in labelled:
        ax.add_patch(plt.Rectangle((left + 2, top + 2), 60, 60, fill=False, color="w", lw=2))
    elif shown[i] not in ("?", label):
        ax.plot(left + 32, top + 50, "rx")
for ax, photo in zip(axes, photos.values(), strict=True):
    ax.imshow(photo)
    ax.axis("off")
plt.show()

# %%
# A contact sheet shows the most confident tiles of each class.
# :func:`~skclip.report.predictions_page` makes a page with all of them to look through.

from skclip import PrimingPool
from skclip.display import PoolDisplay

confident = np.argsort(-head.predict_proba(X).max(axis=1), kind="stable")
sheet = PrimingPool(found[confident], X[confident], images=[paths[i] for i in confident])
_ = PoolDisplay.from_pool(sheet).plot()

# %%
folder.cleanup()
