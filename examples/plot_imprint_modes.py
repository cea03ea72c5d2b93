"""
=======================================================
Several modes per class need as many proxies ("d in 1")
=======================================================

A class may have several modes: the label "vehicle" includes cars, boats and trains. Its mean is
between them and similar to none. Multi-proxy imprinting keeps ``k`` vectors per class instead. If
each label is merged from ``d`` classes, about ``d`` proxies are needed.
"""

# %%
# Mixtures with d modes per class
# -------------------------------
# Five classes, each with ``d`` modes at a fixed distance from the origin and unit noise around
# them. Every class has 400 rows, for any number of modes.

import numpy as np


def make_mixtures(n_modes, n_classes=5, n_rows=400, n_features=32, random_state=None):
    rng = np.random.default_rng(random_state)
    centers = rng.standard_normal((n_classes * n_modes, n_features))
    centers *= 3.5 / np.linalg.norm(centers, axis=1, keepdims=True)
    y = np.repeat(np.arange(n_classes), n_rows)
    mode = n_modes * y + np.tile(np.arange(n_rows) % n_modes, n_classes)
    return centers[mode] + rng.standard_normal((len(y), n_features)), y


# %%
# Accuracy versus the number of proxies
# -------------------------------------
# ``ProxyCountDisplay`` cross-validates ``k`` and marks the best.

import matplotlib.pyplot as plt

from skclip.display import ProxyCountDisplay
from skclip.heads import MultiProxyImprinter
from skclip.metrics import neural_collapse_score

fig, ax = plt.subplots(figsize=(7, 4.5), layout="constrained")
for n_modes in (1, 2, 3, 5):
    X, y = make_mixtures(n_modes, random_state=0)
    display = ProxyCountDisplay.from_estimator(
        MultiProxyImprinter(random_state=0),
        X,
        y,
        k_values=list(range(1, 11)),
        name=f"{n_modes} in 1 (NC1 {neural_collapse_score(X, y):.2f})",
    )
    display.plot(ax=ax)
    print(f"{n_modes} in 1: best at k = {display.best_k}")
ax.set_title("The best number of proxies is the number of modes")

# %%
# With fewer than ``d`` proxies, two modes have one proxy, and the accuracy is much lower. With more
# than ``d``, modes are split by noise, which loses little accuracy.
#
# The legend shows the neural collapse score NC1, the variability within classes relative to between
# classes. It grows with ``d``. But it is comparable within one family of tasks only, and does not
# give the best ``k``.
#
# Choosing k
# ----------
# ``k="auto"`` cross-validates inside ``fit`` and keeps the scores.

X, y = make_mixtures(3, random_state=0)
imprinter = MultiProxyImprinter(k="auto", random_state=0).fit(X, y)
print(f"k = {imprinter.k_}, NC1 = {imprinter.neural_collapse_score_:.2f}")
for k, scores in imprinter.k_scores_.items():
    print(f"{k:2d} proxies: {100 * scores.mean():.1f} ± {100 * scores.std():.1f} %")
