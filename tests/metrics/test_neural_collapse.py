"""Neural collapse against its definition, class by class with pseudo-inverses."""

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from sklearn.preprocessing import normalize

from skclip.metrics import (
    CollapseStatistics,
    neural_collapse_score,
    variability_collapse_index,
)


def covariances(X, y, weight):
    X, n_classes = normalize(X), len(np.unique(y))
    grand = np.average(X, axis=0, weights=weight)
    within, between = 0, 0
    for c in np.unique(y):
        rows, w = X[y == c], weight[y == c]
        mean = np.average(rows, axis=0, weights=w)
        within = within + np.cov(rows.T, aweights=w, ddof=0) / n_classes
        between = between + np.outer(mean - grand, mean - grand) / n_classes
    return within, between, grand, n_classes


def problem(seed=0, n=40, d=6, n_classes=4, balanced=False):
    rng = np.random.default_rng(seed)
    y = np.arange(n) % n_classes
    if not balanced:
        y[n_classes:] = rng.integers(0, n_classes, n - n_classes)
        y[:2] = 0
    X = rng.standard_normal((n_classes, d))[y] + rng.standard_normal((n, d)) + 0.5
    return X, y


@settings(deadline=None, max_examples=40)
@given(
    seed=st.integers(0, 1000),
    n=st.integers(12, 60),
    d=st.integers(3, 9),
    n_classes=st.integers(2, 5),
)
def test_scores_are_their_definitions(seed, n, d, n_classes):
    X, y = problem(seed, n, d, n_classes, balanced=True)
    X, y = np.concatenate([X, X[:1] + 1]), np.append(y, y[0])  # one class is larger
    weight = np.random.default_rng(seed).uniform(0.5, 2, len(X))
    within, between, grand, n_classes = covariances(X, y, weight)
    inverse = np.linalg.pinv(between, hermitian=True)
    expected = np.trace(within @ inverse) / n_classes
    assert neural_collapse_score(X, y, sample_weight=weight) == pytest.approx(expected, rel=1e-6)
    shifted = np.trace((within + np.outer(grand, grand)) @ inverse) / n_classes
    legacy = neural_collapse_score(X, y, sample_weight=weight, legacy=True)
    assert legacy == pytest.approx(shifted, rel=1e-6)
    ratio = np.trace(between @ np.linalg.pinv(within + between, hermitian=True))
    index = variability_collapse_index(X, y, sample_weight=weight)
    assert index == pytest.approx(1 - ratio / np.linalg.matrix_rank(between, hermitian=True))


def test_published_form_subtracts_the_centred_mean_from_rows_that_are_not():
    X, y = problem(balanced=True)
    unit, grand = normalize(X), normalize(X).mean(axis=0)
    within, between, _, _ = covariances(X, y, np.ones(40))
    script = np.zeros((6, 6))
    for c in range(4):
        deviation = unit[y == c] - (unit[y == c].mean(axis=0) - grand)
        script += deviation.T @ deviation / (y == c).sum() / 4
    assert np.trace(script) + np.trace(between) == pytest.approx(1)  # as the published traces do
    assert np.trace(within) + np.trace(between) == pytest.approx(1 - grand @ grand)
    expected = np.trace(script @ np.linalg.pinv(between, hermitian=True)) / 4
    assert neural_collapse_score(X, y, legacy=True) == pytest.approx(expected)


def test_collapsed_classes_score_zero():
    X = np.repeat(np.random.default_rng(0).standard_normal((3, 5)), 4, axis=0)
    y = np.repeat([0, 1, 2], 4)
    assert neural_collapse_score(X, y) == pytest.approx(0, abs=1e-12)
    assert variability_collapse_index(X, y) == pytest.approx(0, abs=1e-9)


def test_more_modes_a_class_score_higher():
    rng = np.random.default_rng(0)
    rows = rng.standard_normal((8, 20)).repeat(10, axis=0) + 0.1 * rng.standard_normal((80, 20))
    modes = np.arange(80) // 10
    scores = [neural_collapse_score(rows, modes % n_classes) for n_classes in (8, 4, 2)]
    assert scores == sorted(scores)


def test_rotation_scale_and_order_change_nothing():
    X, y = problem()
    rng = np.random.default_rng(1)
    rotation, order = np.linalg.qr(rng.standard_normal((6, 6)))[0], rng.permutation(40)
    moved = (X * rng.uniform(0.1, 9, (40, 1)) @ rotation)[order]
    for score in (neural_collapse_score, variability_collapse_index):
        assert score(moved, y[order]) == pytest.approx(score(X, y))


def test_weight_is_repetition_and_zero_rows_do_not_count():
    X, y = problem()
    repeats = np.random.default_rng(1).integers(1, 4, 40)
    padded, labels = np.concatenate([X, np.zeros((3, 6))]), np.append(y, [0, 1, 1])
    weight = np.append(repeats, [1, 1, 1])
    for score in (neural_collapse_score, variability_collapse_index):
        repeated = score(X.repeat(repeats, axis=0), y.repeat(repeats))
        assert score(padded, labels, sample_weight=weight) == pytest.approx(repeated)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_batches_give_the_same(dtype):
    X, y = problem(n=400)
    X = X.astype(dtype)
    names = np.array(["d", "a", "c", "b"])[y]
    statistics = CollapseStatistics({c: (names == c).sum() for c in "abcd"})
    for rows in np.array_split(np.random.default_rng(0).permutation(400), 7):
        statistics.update(X[rows], names[rows])
    score = neural_collapse_score(X, names)
    assert statistics.neural_collapse_score() == pytest.approx(score, rel=1e-9)
    legacy = neural_collapse_score(X, names, legacy=True)
    assert statistics.neural_collapse_score(legacy=True) == pytest.approx(legacy, rel=1e-9)
    index = variability_collapse_index(X, names)
    assert statistics.variability_collapse_index() == pytest.approx(index, rel=1e-9)


def test_score_needs_all_rows():
    X, y = problem()
    statistics = CollapseStatistics(dict(enumerate(np.bincount(y))))
    with pytest.raises(ValueError, match="but update got 0 that are not zero"):
        statistics.neural_collapse_score()
    statistics.update(X[:-1], y[:-1])
    with pytest.raises(ValueError, match="Call update with all rows"):
        statistics.variability_collapse_index()


def test_unknown_class_is_refused():
    with pytest.raises(ValueError, match="classes that class_counts does not: 7, 9"):
        CollapseStatistics({0: 1, 1: 1}).update(np.ones((3, 2)), [0, 9, 7])
    with pytest.raises(ValueError, match="classes that class_counts does not: None"):
        CollapseStatistics({0: 1, 1: 1}).update(np.ones((2, 2)), [0, None])


def test_large_labels_are_two_classes():
    X, y = problem()
    large = (np.asarray(y) + 2**60).astype(np.uint64)
    assert neural_collapse_score(X, large) == neural_collapse_score(X, y)


@pytest.mark.parametrize("counts", [{}, {"cat": 3}, {"cat": 3, "dog": 0}])
def test_counts_of_two_classes_are_needed(counts):
    with pytest.raises(ValueError, match="at least two classes, each with a positive number"):
        CollapseStatistics(counts)


def test_one_class_has_no_score():
    with pytest.raises(ValueError, match="at least two classes with a row that is not zero, got 1"):
        neural_collapse_score([[1.0, 2.0], [0.0, 0.0]], ["cat", "dog"])


def test_coinciding_means_have_no_score():
    X = [[1.0, 2.0], [2.0, 1.0], [1.0, 2.0], [2.0, 1.0]]
    with pytest.raises(ValueError, match="class means coincide"):
        neural_collapse_score(X, [0, 0, 1, 1])
