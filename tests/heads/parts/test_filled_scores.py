"""Scores of unknown classes, predicted from the text."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from skclip.heads._parts._filled_scores import fill_by_text, slope_on_text

RNG = np.random.default_rng(0)
SCORES, TEXT = RNG.standard_normal((6, 4)), RNG.standard_normal((6, 4))
KNOWN = np.array([[True, True, False, True]] * 3 + [[False, True, True, True]] * 3)
WEIGHT = np.array([1.0, 2.0, 0.5, 1.0, 1.0, 3.0])


def test_filled_scores_by_the_formula():
    filled = fill_by_text(SCORES, KNOWN, TEXT, 0.7)
    for row, known, score, text in zip(filled, KNOWN, SCORES, TEXT, strict=True):
        assert_allclose(row[known], score[known] - score[known].mean())
        assert_allclose(row[~known], 0.7 * (text[~known] - text[known].mean()))


def test_a_share_of_a_known_class_is_its_own_and_the_rest_is_text():
    share = np.array([0.0, 0.25, 0.5, 1.0])
    filled = fill_by_text(SCORES[:3], KNOWN[:3], TEXT[:3], 0.7, share)
    own = fill_by_text(SCORES[:3], KNOWN[:3], TEXT[:3], 0.7)
    text = TEXT[:3] - np.average(TEXT[:3], weights=KNOWN[0], axis=1)[:, None]
    assert_allclose(filled[:, 1], 0.25 * own[:, 1] + 0.75 * 0.7 * text[:, 1])
    assert_allclose(filled[:, 0], 0.7 * text[:, 0])
    assert_allclose(filled[:, 3], own[:, 3])


@pytest.mark.parametrize("unseen", [np.nan, np.inf, 1e300])
def test_scores_of_unknown_classes_are_not_looked_at(unseen):
    scores = np.where(KNOWN, SCORES, unseen)
    assert_array_equal(
        fill_by_text(scores, KNOWN, TEXT, 0.7), fill_by_text(SCORES, KNOWN, TEXT, 0.7)
    )
    assert slope_on_text(scores, KNOWN, TEXT, WEIGHT) == slope_on_text(SCORES, KNOWN, TEXT, WEIGHT)


def test_a_row_that_knows_no_class_has_the_scores_of_the_text():
    filled = fill_by_text(SCORES, np.zeros_like(KNOWN), TEXT, 0.5)
    assert_allclose(filled, 0.5 * TEXT)


def test_arguments_are_not_changed():
    before = SCORES.copy(), TEXT.copy()
    fill_by_text(SCORES, KNOWN, TEXT, 0.7)
    assert_array_equal(SCORES, before[0])
    assert_array_equal(TEXT, before[1])


def test_slope_is_that_of_weighted_least_squares():
    scores = 0.6 * TEXT + 0.1 * SCORES
    x, y, w = [], [], []
    for known, score, text, weight in zip(KNOWN, scores, TEXT, WEIGHT, strict=True):
        x.extend(text[known] - text[known].mean())
        y.extend(score[known] - score[known].mean())
        w.extend([weight] * known.sum())
    x, y, w = map(np.array, (x, y, w))
    assert_allclose(slope_on_text(scores, KNOWN, TEXT, WEIGHT), (w * x) @ y / ((w * x) @ x))


def test_slope_is_not_negative():
    assert slope_on_text(-TEXT, KNOWN, TEXT, WEIGHT) == 0


@pytest.mark.parametrize("text", [np.zeros_like(TEXT), np.ones_like(TEXT)])
def test_a_text_that_says_nothing_has_slope_zero(text):
    assert slope_on_text(SCORES, KNOWN, text, WEIGHT) == 0
