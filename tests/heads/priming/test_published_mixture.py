import numpy as np
import pytest

from skclip._linalg import unit_rows
from skclip.heads._class_sums import ClassSums
from skclip.heads._priming._published_mixture import published_mixture

CLASSES = np.array(["a", "b", "c"])


@pytest.fixture
def images():
    sums = np.random.default_rng(0).normal(size=(3, 4))
    sums[2] = 0
    return ClassSums(CLASSES, sums, np.array([3.0, 12.0, 0.0]))


@pytest.fixture
def text():
    return unit_rows(np.random.default_rng(1).normal(size=(3, 4)))


@pytest.mark.parametrize("alpha", [0.0, 0.3, 1.0, "exponential", lambda n: 1 / (1 + n)])
def test_formula(text, images, alpha):
    found = published_mixture(text, images, alpha)
    for c, n in enumerate(images.counts[:2]):
        own = np.exp(-(n**2) / 100) if alpha == "exponential" else alpha
        own = own(n) if callable(own) else own
        mean = images.sums[c] / np.linalg.norm(images.sums[c])
        np.testing.assert_allclose(found.coef[c], own * text[c] + (1 - own) * mean)


def test_a_class_without_images_is_its_text(text, images):
    found = published_mixture(text, images, 0.1)
    np.testing.assert_array_equal(found.coef[2], text[2])
    assert found.alpha[2] == 1


def test_without_text_only_known_classes_are_predicted(images):
    found = published_mixture(None, images, 0.5)
    np.testing.assert_array_equal(found.coef, unit_rows(images.sums))
    assert found.intercept.tolist() == [0, 0, -np.inf]
