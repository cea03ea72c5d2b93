"""
See what was recalled, and correct it
=====================================

A caption that names a class does not prove that the image shows it. Here a pool is recalled from
synthetic captioned images, some of which have wrong captions. We look at it, let a person reject
what is wrong, and fit the head again.
"""

# %%
# Recall
# ------
# Six classes from a collection of flat drawings and mosaics.

import numpy as np

from skclip import CaptionRetriever, CLIPEmbedder, PrimedNCMClassifier, ZeroShotClassifier
from skclip.datasets import make_captioned_images

names = ["bell", "fish", "house", "key", "star", "umbrella"]
collection = make_captioned_images(240, classes=names, style=["flat", "mosaic"], random_state=0)
embedder = CLIPEmbedder("skclip-tiny")
zero_shot = ZeroShotClassifier(embedder=embedder, classes=names).fit()
retriever = CaptionRetriever(embedder=embedder, k=30)
retriever.fit(collection.captions, images=collection.images)
pool = retriever.recall(names)
print(pool.report())

# %%
# A contact sheet
# ---------------
# The zero-shot filter keeps an image whose label is the class it was recalled for. It rejects most
# images whose caption is wrong, and some that show their class.

from skclip.display import PoolCompositionDisplay, PoolDisplay
from skclip.recall import ZeroShotFilter

kept = ZeroShotFilter(zero_shot).fit(pool.embeddings, pool.labels).support_
_ = PoolDisplay.from_pool(pool, kept=kept).plot()

# %%
# What became of the matches of each class:

_ = PoolCompositionDisplay.from_pool(pool, kept=kept).plot()

# %%
# A page to look through
# ----------------------
# :func:`~skclip.report.pool_page` makes one HTML file: captions, similarities, duplicates, and
# buttons and keys to decide. It works without a network, and the decisions are exported as CSV.

import tempfile
from pathlib import Path

from skclip.report import pool_page

page = pool_page(pool, zero_shot=zero_shot, embedder=embedder)
path = page.save(Path(tempfile.mkdtemp()) / "pool.html")
print(f"{path.name}: {path.stat().st_size // 1024} kB")

# %%
# Decide
# ------
# In place of a person, the truth decides here: we know what was drawn. A file that the page has
# exported would be given in the same way, ``pool.apply_decisions("decisions.csv")``.

drawn = collection.target[pool.ids.astype(int)]
decisions = [
    {"id": str(identifier), "class": label, "row": row, "decision": "keep" if right else "reject"}
    for row, (identifier, label, right) in enumerate(
        zip(pool.ids, pool.labels, drawn == pool.labels, strict=True)
    )
]
corrected = pool.apply_decisions(decisions)
print(corrected.report())

# %%
# Fit again
# ---------
# What a person has kept passes the filter of the head. Images in a style that the model has hardly
# seen are classified. The filter had found nearly all that is wrong here, and so the correction
# changes little. It matters where the text itself is wrong about a class.

new = make_captioned_images(300, classes=names, style="mosaic", random_state=1)
X = embedder.transform(new.images)
for name, source in {"as recalled": pool, "corrected": corrected}.items():
    head = PrimedNCMClassifier(zero_shot, retriever=source).fit()
    print(f"{name:12} {100 * head.score(X, new.target):.1f} %")
print(f"{'zero-shot':12} {100 * zero_shot.score(X, new.target):.1f} %")

# sphinx_gallery_thumbnail_number = 1
assert np.isin(corrected.labels, names).all()
