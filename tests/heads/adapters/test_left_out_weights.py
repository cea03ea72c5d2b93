import numpy as np
from numpy.testing import assert_allclose, assert_array_equal

from skclip.heads._adapters._left_out_weights import (
    MAX_SCORES,
    MIN_ROWS,
    Weights,
    label_loss,
    left_out_folds,
    weigh_left_out,
)

RNG = np.random.default_rng(0)
CODES = np.repeat(np.arange(4), 25)
GOOD = 2 * np.eye(4)[CODES] + RNG.standard_normal((100, 4))
BAD = RNG.standard_normal((100, 4))
ONES = np.ones(100)


def test_a_fold_holds_one_image_of_every_class_that_has_others():
    codes = np.array([0, 0, 0, 1, 2, 2])
    folds = left_out_folds(codes, np.ones(6), 3)
    assert [fold.tolist() for fold in folds] == [[0, 4], [1, 5], [2]]


def test_classes_of_one_image_leave_nothing_out():
    assert left_out_folds(np.arange(5), np.ones(5), 5) == []


def test_many_images_are_left_out_in_part():
    codes = np.repeat(np.arange(200), 10)
    rows = np.concatenate(left_out_folds(codes, np.ones(2000), 200))
    assert len(rows) <= max(MIN_ROWS, MAX_SCORES // 200)
    assert_array_equal(np.unique(codes[rows]), np.arange(200))


def test_a_part_that_knows_gets_weight_and_one_that_does_not_gets_little():
    knows = weigh_left_out(BAD, GOOD, CODES, ONES)
    does_not = weigh_left_out(GOOD, BAD, CODES, ONES)
    assert knows.part > 0.8 > 0.3 > knows.text
    assert does_not.part < 0.3
    assert does_not.text > 0.8


def test_the_loss_is_that_at_the_weights():
    found = weigh_left_out(GOOD, BAD, CODES, ONES)
    expected = label_loss(found.text * GOOD + found.part * BAD, CODES, ONES)
    assert_allclose(found.loss, expected)


def test_a_part_that_says_nothing_gets_no_weight():
    assert weigh_left_out(GOOD, np.full((100, 4), 3.0), CODES, ONES)[:2] == (1.0, 0.0)


def test_the_start_changes_nothing():
    found = weigh_left_out(GOOD, BAD, CODES, ONES)
    again = weigh_left_out(GOOD, BAD, CODES, ONES, start=Weights(3.0, 2.0, 0.0))
    assert_allclose(again, found, atol=1e-5)


def test_without_text_the_part_gets_a_scale():
    found = weigh_left_out(None, GOOD, CODES, ONES)
    grid = [label_loss(scale * GOOD, CODES, ONES) for scale in np.linspace(0.1, 5, 50)]
    assert found.text == 0
    assert found.loss <= min(grid) + 0.01
