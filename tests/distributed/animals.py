"""Three classes of images, and the text of four."""

import numpy as np

MEANS = np.random.default_rng(1).normal(size=(3, 24))
TEXT = {
    **dict(zip(["cat", "dog", "fox"], (MEANS + 0.3).tolist(), strict=True)),
    "owl": np.random.default_rng(2).normal(size=24).tolist(),
}
