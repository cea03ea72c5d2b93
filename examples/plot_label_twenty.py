"""
Twenty labels: which images to ask about
========================================

A head of class names alone already sorts images. With patience for twenty labels, it matters which
images get them. :func:`~skclip.selection.query` asks for the next ones; here its strategies are
compared with labels drawn at random, four at a time.
"""

# %%
# Class names that the model does not know
# ----------------------------------------
# The bundled model reads English, and the classes have German names. One set of drawn images has no
# labels yet. The other is held out, to see what labels bring.

import matplotlib.pyplot as plt
import numpy as np

from skclip import CLIPEmbedder, StackedHeadClassifier, ZeroShotClassifier
from skclip.datasets import make_captioned_images
from skclip.selection import query

german = {"boat": "Boot", "cup": "Tasse", "fish": "Fisch", "house": "Haus", "tree": "Baum"}
embedder = CLIPEmbedder("skclip-tiny")
pool = make_captioned_images(240, classes=list(german), random_state=1)
test = make_captioned_images(300, classes=list(german), random_state=2)
X, X_test = embedder.transform(pool.images), embedder.transform(test.images)
y, y_test = (np.array([german[name] for name in part.target]) for part in (pool, test))

zero_shot = ZeroShotClassifier(embedder=embedder, classes=list(german.values())).fit()
text = dict(zip(zero_shot.classes_, zero_shot.coef_, strict=True))
baseline = zero_shot.score(X_test, y_test)
print(f"{len(text)} classes, zero-shot: {baseline:.3f}")

# %%
# Ask, label, fit, ask again
# --------------------------
# The loop begins without any label: ``fit()`` of a head with text needs none.


def ask_and_fit(strategy, seed, n_rounds=5, n=4):
    """Return the accuracy after every round, for labels that a strategy asks for."""
    rng = np.random.default_rng(seed)
    some = rng.permutation(len(X))[:160]  # another collection for every seed
    labelled = np.zeros(0, dtype=int)
    head = StackedHeadClassifier(text).fit()
    accuracies = [head.score(X_test, y_test)]
    for _ in range(n_rounds):
        left = np.setdiff1d(some, labelled)
        asked = query(
            head,
            X[left],
            n,
            strategy=strategy,
            X_labeled=X[labelled],
            y_labeled=y[labelled],
            random_state=seed,
        )
        labelled = np.concatenate([labelled, left[asked]])
        head = StackedHeadClassifier(text).fit(X[labelled], y[labelled])
        accuracies.append(head.score(X_test, y_test))
    return accuracies


strategies = ["pcoreset", "margin", "badge", "random"]
curves = {
    strategy: np.array([ask_and_fit(strategy, seed) for seed in range(4)])
    for strategy in strategies
}

# %%
# What twenty labels bring
# ------------------------
# Means over four collections; the band is one standard deviation of random labels. The tables of
# the user guide have 20 seeds on real images.

n_labels = np.arange(6) * 4
figure, axis = plt.subplots(figsize=(6, 3.8), layout="constrained")
for strategy, accuracy in curves.items():
    axis.plot(n_labels, accuracy.mean(axis=0), marker="o", label=strategy)
    area = accuracy[:, 1:].mean(axis=1)
    print(f"{strategy}: {area.mean():.3f} ± {area.std():.3f} on average over 4 to 20 labels")
middle, deviation = curves["random"].mean(axis=0), curves["random"].std(axis=0)
axis.fill_between(n_labels, middle - deviation, middle + deviation, color="0.85")
axis.axhline(baseline, color="0.5", linestyle=":", label="zero-shot")
axis.set(xlabel="labels", ylabel="accuracy on held-out images", xticks=n_labels)
axis.legend()
plt.show()
