import numpy as np
import pytest
from numpy.testing import assert_allclose

from skclip import KernelTextClassifier, TipAdapterClassifier, ZeroShotClassifier
from skclip.heads._adapters._beside_text import N_QUANTILES, LabelledImages, LeftOutJudge
from tests.heads.adapters.data import NAMES, task

X, Y, TEXT = task(6)
CODES = np.unique(Y, return_inverse=True)[1]
ROWS = np.stack(list(TEXT.values()))
LOGITS = 20 * X @ ROWS.T


def judge_of(kept, n_classes=4):
    images = LabelledImages(X[kept], CODES[kept], np.ones(len(X))[kept])
    return LeftOutJudge(images, LOGITS[kept], ROWS, n_classes)


def test_all_images_are_judged_where_each_class_has_several():
    judge = judge_of(np.ones(len(X), dtype=bool))
    assert sorted(judge.rows.tolist()) == list(range(len(X)))
    assert judge.own_similarity is None
    assert judge.hidden == 0
    assert_allclose(judge.weight.sum(), len(X))


def test_classes_count_alike():
    kept = (CODES != 0) | (np.arange(len(X)) < 3)
    judge = judge_of(kept)
    assert_allclose(np.bincount(judge.codes, judge.weight), np.full(4, kept.sum() / 4))


def test_one_image_per_class_is_judged_at_quantiles_of_its_similarity():
    judge = judge_of(np.arange(len(X)) % 6 == 0)
    assert len(judge.rows) == 4 * N_QUANTILES
    assert len(np.unique(judge.own_similarity)) > 1
    assert (judge.own_similarity <= 1).all()
    assert_allclose(judge.weight.sum(), 4)


def test_classes_that_cannot_be_left_out_are_a_share():
    without_two = judge_of(CODES > 1)
    one_image = judge_of((CODES > 0) | (np.arange(len(X)) == 0))
    assert without_two.hidden == 0.5
    assert one_image.hidden == 0.25


def test_hidden_classes_lower_the_weight_of_the_part():
    kept = CODES > 1
    judge = judge_of(kept)
    part = 10.0 * np.eye(4)[judge.codes]
    weights, _ = judge.weigh(part)
    judge.hidden = 1e-9
    believing, _ = judge.weigh(part)
    assert weights.part < believing.part


@pytest.mark.parametrize("head", [TipAdapterClassifier(), KernelTextClassifier()])
def test_missing_classes_cost_little_where_the_text_is_right(head):
    rows, labels, _ = task(12, noise=1.0)
    means = np.stack([rows[labels == name].mean(axis=0) for name in NAMES])
    text = dict(zip(NAMES, means, strict=True))
    kept = np.isin(labels, NAMES[:2])
    new, y, _ = task(30, noise=1.0)
    fitted = head.set_params(zero_shot=text).fit(rows[kept][::3], labels[kept][::3])
    assert fitted.score(new, y) > ZeroShotClassifier(text).fit().score(new, y) - 0.1
