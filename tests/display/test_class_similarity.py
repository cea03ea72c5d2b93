import numpy as np
import pytest

from skclip import NearestClassMean, PrimedNCMClassifier, ZeroShotClassifier
from skclip.display import ClassSimilarityDisplay

TEXT = {"cat": [2.0, 0.0], "dog": [0.0, 1.0], "fox": [1.0, 1.0]}
X = np.array([[1.0, 0.5], [3.0, 0.1], [0.2, 1.0], [0.1, 2.0]])
Y = ["cat", "cat", "dog", "dog"]


@pytest.mark.parametrize("head", [ZeroShotClassifier(TEXT).fit(), PrimedNCMClassifier(TEXT).fit()])
def test_cosines_are_those_of_text_and_class_means(head):
    display = ClassSimilarityDisplay.from_estimator(head, X, Y)
    assert display.names == ["cat", "dog"]
    unit = X / np.linalg.norm(X, axis=1, keepdims=True)
    means = np.stack([unit[:2].mean(axis=0), unit[2:].mean(axis=0)])
    means /= np.linalg.norm(means, axis=1, keepdims=True)
    assert display.cosines[0, 1] == pytest.approx(0.0)
    assert display.cosines[1, 0] == pytest.approx(means[0] @ means[1])
    np.testing.assert_allclose(np.diag(display.cosines), [means[0, 0], means[1, 1]])
    gap = np.linalg.norm(np.array([0.5, 0.5]) - means.mean(axis=0))
    assert display.modality_gap == pytest.approx(gap)


def test_head_must_have_text():
    class Nothing:
        classes_ = np.array(["cat", "dog"])

    with pytest.raises(ValueError, match="Nothing has no text head"):
        ClassSimilarityDisplay.from_estimator(Nothing(), X, Y)


def test_labels_must_be_of_the_classes():
    with pytest.raises(ValueError, match="y holds no label of the classes"):
        ClassSimilarityDisplay.from_embeddings(["a"], [[1.0, 0.0]], X, Y)


def test_text_and_image_must_be_of_one_model():
    with pytest.raises(ValueError, match="of one model"):
        ClassSimilarityDisplay(names=["a"], text=np.ones((1, 2)), image=np.ones((1, 3)))


def test_class_means_are_no_text():
    means = NearestClassMean().fit(X, Y)
    assert ClassSimilarityDisplay.from_estimator(means, X, Y).modality_gap == pytest.approx(0)
