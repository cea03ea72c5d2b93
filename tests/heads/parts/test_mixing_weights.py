"""Mixing weights: the minimum against scipy, invariances, lone images, degenerate evidence."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.optimize import minimize
from scipy.special import log_softmax
from scipy.stats import norm

from skclip.heads._parts._mixing_weights import (
    LeftOut,
    PartScores,
    Prior,
    fit_among_wrong_labels,
    fit_mixing_weights,
    mixing_weights,
    random_label_rate,
)

PRIORS = [Prior(1.0, 1.0), Prior(0.0, 0.7), Prior(0.1, 0.3)]


def problem(seed=0, n=40, n_classes=5, n_parts=3, signal=(2.0, 1.0, 0.0)):
    rng = np.random.default_rng(seed)
    codes = np.concatenate([np.arange(n_classes), rng.integers(0, n_classes, n - n_classes)])
    scores = rng.standard_normal((n_parts, n, n_classes))
    for k in range(n_parts):
        scores[k, np.arange(n), codes] += signal[k]
    return LeftOut(scores, codes, rng.uniform(0.5, 2, n))


def loss(b, rows, priors):
    mixed = np.tensordot(b, rows.scores, 1)
    log_proba = log_softmax(mixed, axis=1)[np.arange(len(rows.codes)), rows.codes]
    return -rows.weight @ log_proba + sum(
        (x - p.mean) ** 2 / p.deviation**2 / 2 for x, p in zip(b, priors, strict=True)
    )


def slope_of(b, rows, priors, step=1e-5):
    axes = np.eye(len(b)) * step
    return [
        (loss(b + axis, rows, priors) - loss(b - axis, rows, priors)) / (2 * step) for axis in axes
    ]


def as_parts(rows, priors=None):
    zeros = np.zeros(len(rows.codes))
    priors = priors or [PRIORS[0]] + [None] * (len(rows.scores) - 1)
    return [PartScores(s, s, zeros, p) for s, p in zip(rows.scores, priors, strict=True)]


def weights_of(rows, parts=None, **options):
    alone = np.zeros(len(rows.codes), dtype=bool)
    return mixing_weights(
        parts or as_parts(rows),
        rows.codes,
        rows.weight,
        **{"alone": alone, "missing": 0.0} | options,
    )


@pytest.mark.parametrize("seed", range(8))
def test_the_minimum_is_that_of_scipy(seed):
    rows = problem(seed, signal=np.random.default_rng(seed).uniform(-1, 3, 3))
    ours = fit_mixing_weights(rows, PRIORS)
    theirs = minimize(
        loss, np.ones(3), (rows, PRIORS), bounds=[(0, None)] * 3, method="L-BFGS-B", tol=1e-14
    )
    assert loss(ours, rows, PRIORS) <= theirs.fun + 1e-8
    assert_allclose(ours, theirs.x, atol=2e-4)


@pytest.mark.parametrize("seed", range(8))
def test_the_gradient_is_zero_or_points_out_of_the_bound(seed):
    rows = problem(seed, signal=np.random.default_rng(seed).uniform(-2, 2, 3))
    b = fit_mixing_weights(rows, PRIORS)
    slope = np.array(slope_of(b, rows, PRIORS))
    assert_allclose(slope[b > 0], 0, atol=1e-3)
    assert (slope[b == 0] > -1e-3).all()


def test_scores_far_apart_reach_the_minimum_too():
    rows = problem(3)
    rows = rows._replace(scores=rows.scores * np.array([1.0, 100.0, 1e-2])[:, None, None])
    priors = [Prior(1.0, 1.0), Prior(0.0, 2.0), Prior(0.0, 2.0)]
    b = fit_mixing_weights(rows, priors)
    found = minimize(loss, b, (rows, priors), bounds=[(0, None)] * 3, method="L-BFGS-B", tol=1e-14)
    assert loss(b, rows, priors) <= found.fun + 1e-6


def test_order_of_classes_rows_and_parts_changes_nothing():
    rows, rng = problem(), np.random.default_rng(1)
    ours = weights_of(rows)
    classes, order = rng.permutation(5), rng.permutation(40)
    place = np.argsort(classes)
    shuffled = LeftOut(
        rows.scores[:, order][:, :, classes], place[rows.codes[order]], rows.weight[order]
    )
    assert_allclose(weights_of(shuffled), ours, rtol=1e-6)
    parts = as_parts(rows)
    swapped = weights_of(rows, [parts[0], parts[2], parts[1]])
    assert_allclose(swapped[[0, 2, 1]], ours, rtol=1e-6, atol=1e-9)


def test_weight_two_is_the_row_twice():
    rows = problem()
    twice = 1 + np.arange(40) % 2
    weighted = rows._replace(weight=rows.weight * twice)
    repeated = LeftOut(
        rows.scores.repeat(twice, 1), rows.codes.repeat(twice), rows.weight.repeat(twice)
    )
    # the spread of scores, and so the prior, is that of rows
    parts = as_parts(rows, PRIORS)
    assert_allclose(
        weights_of(weighted, parts), weights_of(repeated, as_parts(repeated, PRIORS)), rtol=1e-6
    )


def test_weight_zero_is_absent():
    rows = problem()
    there = np.arange(40) < 30
    ours = fit_mixing_weights(rows._replace(weight=rows.weight * there), PRIORS)
    without = fit_mixing_weights(
        LeftOut(rows.scores[:, there], rows.codes[there], rows.weight[there]), PRIORS
    )
    assert_allclose(ours, without, rtol=1e-6)


def test_levels_of_rows_change_nothing():
    rows = problem()
    level = np.random.default_rng(0).standard_normal((3, 40, 1)) * 100
    moved = rows._replace(scores=rows.scores + level)
    assert_allclose(weights_of(moved), weights_of(rows), rtol=1e-6)


def test_without_evidence_the_priors_hold():
    rows = problem()
    b = fit_mixing_weights(rows._replace(weight=np.zeros(40)), PRIORS)
    assert_allclose(b, [1.0, 0.0, 0.1])


def test_the_better_part_gets_more_weight():
    b = weights_of(problem(n=400, signal=(0.0, 3.0, 0.0)))
    assert b[1] > 5 * max(b[0], b[2])


def test_a_lone_image_takes_part_at_the_quantiles_of_its_error():
    rows = problem(n=5)
    deviation = np.array([0.0, 0.0, 0.5, 0.0, 0.0])
    alone = deviation > 0
    parts = [
        PartScores(s, s, deviation * (k > 0), p)
        for k, (s, p) in enumerate(zip(rows.scores, PRIORS, strict=True))
    ]
    ours = weights_of(rows, parts, alone=alone)
    scores, codes, weight = (
        [rows.scores[:, ~alone]],
        [rows.codes[~alone]],
        [rows.weight[~alone]],
    )
    for quantile in norm.ppf([0.1, 0.3, 0.5, 0.7, 0.9]):
        lone = rows.scores[:, alone].copy()
        lone[1:, 0, rows.codes[2]] += 0.5 * quantile
        scores.append(lone)
        codes.append(rows.codes[alone])
        weight.append(rows.weight[alone] / 5)
    by_hand = LeftOut(np.concatenate(scores, axis=1), np.concatenate(codes), np.concatenate(weight))
    assert_allclose(ours, fit_among_wrong_labels(by_hand, PRIORS), rtol=1e-6)


def test_hidden_classes_count_by_the_share_of_missing_classes():
    rows, hidden = problem(0), problem(1).scores
    parts = [
        PartScores(s, h, np.zeros(40), p)
        for s, h, p in zip(rows.scores, hidden, PRIORS, strict=True)
    ]
    by_hand = LeftOut(
        np.concatenate([rows.scores, hidden], axis=1),
        np.tile(rows.codes, 2),
        np.r_[0.75 * rows.weight, 0.25 * rows.weight],
    )
    ours = weights_of(rows, parts, missing=0.25)
    assert_allclose(ours, fit_among_wrong_labels(by_hand, PRIORS), rtol=1e-6)


def test_hidden_scores_are_not_looked_at_where_no_class_is_missing():
    rows = problem()
    parts = [part._replace(hidden=np.full((40, 5), np.nan)) for part in as_parts(rows)]
    assert_array_equal(weights_of(rows, parts), weights_of(rows))


def test_a_part_that_says_nothing_is_skipped():
    rows = problem()
    flat = rows._replace(scores=rows.scores * np.array([1, 1e-5, 1])[:, None, None])
    b = weights_of(flat)
    assert b[1] == 0
    without = LeftOut(flat.scores[[0, 2]], flat.codes, flat.weight)
    assert_allclose(b[[0, 2]], weights_of(without), rtol=1e-8)


def test_labels_that_no_part_predicts_leave_the_order_of_the_first():
    rows = problem(n=300, signal=(-5.0, -5.0, -5.0))
    assert_array_equal(weights_of(rows), [1e-3, 0, 0])


@pytest.mark.parametrize("scale", [1.0, 1e3])
def test_separable_images_have_finite_weights(scale):
    codes = np.arange(6) % 2
    scores = scale * np.stack([np.eye(2)[codes]] * 2)
    b = weights_of(LeftOut(scores, codes, np.ones(6)))
    assert np.isfinite(b).all()
    assert 0 < b.sum() < 20


def test_one_class_has_finite_weights():
    rows = LeftOut(
        np.random.default_rng(0).standard_normal((2, 4, 1)), np.zeros(4, int), np.ones(4)
    )
    assert_allclose(weights_of(rows), [1.0, 0.0])


def test_a_first_part_that_says_nothing_is_replaced_by_the_next():
    rows = problem(n=200)
    rows.scores[0] = 7.0
    b = weights_of(rows)
    assert b[0] == 0
    alone = LeftOut(rows.scores[1:], rows.codes, rows.weight)
    assert_allclose(b[1:], weights_of(alone, as_parts(alone)), rtol=1e-8)


def test_parts_that_all_say_nothing_keep_the_prior_of_the_first():
    rows = problem()
    assert_allclose(weights_of(rows._replace(scores=0 * rows.scores)), [1.0, 0.0, 0.0])


def test_random_label_rate_has_maximum_likelihood():
    rng = np.random.default_rng(0)
    proba, weight = rng.uniform(0, 1, 50) ** 0.3, rng.uniform(1, 2, 50)
    proba[:10] /= 1e4
    rate = random_label_rate(proba, 0.1, weight)
    rates = np.linspace(0, 0.9, 9001)[:, None]
    likelihood = np.log((1 - rates) * proba + rates * 0.1) @ weight
    assert_allclose(rate, rates[likelihood.argmax(), 0], atol=1e-4)


@pytest.mark.parametrize("proba", [0.99, 0.3, 0.1])
def test_labels_as_likely_as_predicted_are_not_random(proba):
    assert random_label_rate(np.full(20, proba), 0.1, np.ones(20)) == 0


def test_impossible_labels_have_the_largest_rate():
    assert random_label_rate(np.zeros(5), 0.1, np.ones(5)) == 0.9


def test_wrong_labels_do_not_spoil_the_temperature():
    rows = problem(n=400, signal=(8.0, 0.0, 0.0))
    clean = weights_of(rows, as_parts(rows, PRIORS))
    wrong = rows.codes.copy()
    wrong[::5] = np.random.default_rng(1).integers(0, 5, 80)
    spoilt = rows._replace(codes=wrong)
    spoilt_weight = fit_mixing_weights(spoilt, PRIORS)[0]
    assert 1.3 * spoilt_weight < weights_of(spoilt, as_parts(spoilt, PRIORS))[0] < clean[0]


def test_right_labels_have_no_random_label_rate():
    rows = problem(n=400)
    rows = rows._replace(codes=rows.scores[0].argmax(axis=1))
    assert_array_equal(fit_among_wrong_labels(rows, PRIORS), fit_mixing_weights(rows, PRIORS))
