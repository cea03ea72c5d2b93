"""A world of three classes whose texts lie apart from their images."""

import numpy as np
import pytest

NAMES = ["cat", "dog", "fox"]


class World:
    """Unit rows of three classes, and one text row each."""

    def __init__(self, n_features=16, noise=0.25, seed=0):
        rng = np.random.default_rng(seed)
        self.centres = np.linalg.qr(rng.normal(size=(n_features, n_features)))[0][:4]
        self.noise, self.n_features = noise, n_features
        gap = self.centres[3]
        # as in CLIP: the cosines of an image with all texts are nearly the same
        rows = 5 * gap + 0.2 * (self.centres[:3] + rng.normal(0, 0.2, (3, n_features)))
        self.text = dict(zip(NAMES, rows.astype(np.float32), strict=True))

    def draw(self, n, *, classes=(0, 1, 2), seed=1):
        rng = np.random.default_rng(seed)
        codes = rng.choice(classes, n)
        rows = self.centres[codes] - self.centres[3]
        rows = rows + rng.normal(0, self.noise, rows.shape)
        return rows.astype(np.float32), np.array(NAMES)[codes]


@pytest.fixture
def world():
    return World()
