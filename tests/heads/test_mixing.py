"""Schedules, scatter, score moments and calibration: golden values and limits."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from skclip.heads._mixing import (
    BETWEEN_CLASS_SHARE,
    Scatter,
    calibrated,
    evidence,
    image_scale,
    mix,
    saturated,
    scatter,
    text_share,
)

COUNTS = np.array([0.0, 1.0, 2.0, 3.0, 4.0, 8.0])
EVEN = Scatter(within=1.0, offset=1.0)


def test_exponential_golden_values():
    # the published README values for 2 and 3 shots imply these sigmas
    assert_allclose(text_share("exponential", COUNTS, sigma=7.3, scatter=EVEN)[2], 0.58, atol=0.002)
    assert_allclose(
        text_share("exponential", COUNTS, sigma=15.1, scatter=EVEN)[3], 0.55, atol=0.002
    )
    assert_allclose(
        text_share("exponential", COUNTS, sigma=10, scatter=EVEN),
        [1, 0.905, 0.670, 0.407, 0.202, 0.002],
        atol=5e-4,
    )


def test_shrinkage_golden_values():
    share = text_share("shrinkage", COUNTS, sigma=4, scatter=EVEN)
    assert_allclose(share, [1, 4 / 5, 4 / 6, 4 / 7, 1 / 2, 1 / 3])


def test_variance_is_shrinkage_by_the_ratio_of_variances():
    share = text_share("variance", COUNTS, sigma=2, scatter=Scatter(within=0.8, offset=0.4))
    assert_allclose(share, text_share("shrinkage", COUNTS, sigma=4, scatter=EVEN))


@pytest.mark.parametrize(
    ("alpha", "sigma"), [("exponential", 100), ("shrinkage", 5), ("variance", 1)]
)
def test_own_constant_of_each_schedule(alpha, sigma):
    assert_array_equal(
        text_share(alpha, COUNTS, sigma=None, scatter=EVEN),
        text_share(alpha, COUNTS, sigma=sigma, scatter=EVEN),
    )


@pytest.mark.parametrize("alpha", ["exponential", "shrinkage", "variance"])
@given(counts=st.lists(st.floats(0, 1e6), min_size=2, max_size=8), sigma=st.floats(1e-3, 1e6))
def test_schedules_fall_from_one_with_the_count(alpha, counts, sigma):
    counts = np.sort(np.array([0.0, *counts]))
    share = text_share(alpha, counts, sigma=sigma, scatter=EVEN)
    assert share[0] == 1
    assert ((share >= 0) & (share <= 1)).all()
    assert (np.diff(share) <= 0).all()


def test_callable_gets_the_counts():
    share = text_share(lambda counts: 1 / (1 + counts), COUNTS, sigma=1, scatter=EVEN)
    assert_allclose(share, 1 / (1 + COUNTS))


def test_callable_may_return_one_number():
    assert_array_equal(text_share(lambda counts: 0.3, COUNTS, sigma=1, scatter=EVEN), [0.3] * 6)


@pytest.mark.parametrize(
    ("result", "message"),
    [
        (np.array([0.1, 1.5, -2, 0, 0, 0]), r"in \[0, 1\], got 1.5, -2.0"),
        (np.full(6, np.nan), r"in \[0, 1\], got nan"),
        (np.zeros(2), r"shape \(2,\) for 6 classes"),
    ],
)
def test_bad_callable(result, message):
    with pytest.raises(ValueError, match=message):
        text_share(lambda counts: result, COUNTS, sigma=1, scatter=EVEN)


def test_callable_cannot_change_the_counts():
    counts = COUNTS.copy()

    def greedy(given):
        given[:] = 99
        return 0.5

    text_share(greedy, counts, sigma=1, scatter=EVEN)
    assert_array_equal(counts, COUNTS)


def test_evidence():
    counts, shots = np.array([1.0, 3.0]), np.array([0.0, 1.0])
    assert_array_equal(evidence(counts, "per_class", shots), [1, 3])
    assert_array_equal(evidence(counts, "mean", shots), [2, 2])
    assert_array_equal(evidence(counts, "total", shots), [4, 4])
    assert_array_equal(evidence(counts, "shots", shots), [0, 1])


def test_scatter_recovers_the_variances_of_its_model():
    rng = np.random.default_rng(0)
    n_classes, n_features, n_rows = 200, 40, 6
    text = rng.standard_normal((n_classes, n_features))
    text /= np.linalg.norm(text, axis=1, keepdims=True)
    offset, within = 0.3, 0.9
    means = 0.5 * text + rng.normal(0, (offset / n_features) ** 0.5, text.shape)
    rows = means[:, None] + rng.normal(
        0, (within / n_features) ** 0.5, (n_classes, n_rows, n_features)
    )
    # unit rows are what sums are made of; the identity of v needs their mean square only
    rows /= np.sqrt(np.square(rows).sum(axis=2).mean())
    scale = 1 / (0.25 + offset + within)
    estimate = scatter(text, rows.sum(axis=1), np.full(n_classes, float(n_rows)))
    assert_allclose(estimate, (within * scale, offset * scale), rtol=0.05)


def test_within_class_scatter_is_the_pooled_variance():
    rng = np.random.default_rng(1)
    rows = rng.standard_normal((3, 5, 4))
    rows /= np.linalg.norm(rows, axis=2, keepdims=True)
    estimate = scatter(np.eye(3, 4), rows.sum(axis=1), np.full(3, 5.0))
    assert_allclose(estimate.within, rows.var(axis=1, ddof=1).sum(axis=1).mean())


def test_scatter_of_single_rows_divides_their_variance():
    rows = np.eye(4)  # pairwise orthogonal, unrelated to the text
    estimate = scatter(np.eye(4, 8, k=4)[:, :4] + np.ones((4, 4)), rows, np.ones(4))
    total = rows.var(axis=0, ddof=1).sum()
    assert_allclose(estimate, ((1 - BETWEEN_CLASS_SHARE) * total, BETWEEN_CLASS_SHARE * total))


@pytest.mark.parametrize("counts", [[0, 0, 0], [5, 0, 0], [1, 1, 1], [3, 2, 0]])
def test_scatter_is_positive_whatever_is_known(counts):
    counts = np.array(counts, float)
    estimate = scatter(np.eye(3), np.eye(3) * counts[:, None], counts)
    assert min(estimate) > 0


@given(st.floats(0, 1e5), st.floats(0.1, 100))
def test_saturated_counts_stay_below_count_and_limit(count, limit):
    value = saturated(np.array([count]), limit)[0]
    assert 0 <= value <= min(count, limit)


def test_no_limit_leaves_counts_alone():
    assert_array_equal(saturated(COUNTS, None), COUNTS)


def test_image_scale_golden_values():
    text = np.array([[1.0, 0.0], [-1.0, 0.0]])
    image = np.array([[5.0, 7.0], [1.0, 4.0]])  # centred: (2, 1.5), (-2, -1.5)
    assert image_scale("none", text, image) == image_scale("center", text, image) == 1
    assert_allclose(image_scale("zscore", text, image), 2**0.5 / 12.5**0.5)
    assert_allclose(image_scale("regression", text, image), 1 / 2)


def test_text_that_contradicts_the_images_has_next_to_no_voice():
    text = np.array([[1.0, 0.0], [-1.0, 0.0]])
    assert_allclose(image_scale("regression", text, -3 * text), 100 / 3)


@pytest.mark.parametrize("kind", ["zscore", "regression"])
def test_image_scale_without_anything_to_compare(kind):
    assert image_scale(kind, np.ones((1, 2)), np.ones((1, 2))) == 1
    assert image_scale(kind, np.ones((3, 2)), np.eye(3, 2)) == 1


def test_calibrated_golden_values():
    text, image = np.array([[1.0], [3.0], [9.0]]), np.array([[10.0], [20.0], [0.0]])
    known = np.array([True, True, False])
    assert_allclose(calibrated("zscore", 0.1, text, image, known), [[1.5], [2.5], [0.5]])
    assert calibrated("none", 1.0, text, image, known) is image


@pytest.mark.parametrize("kind", ["center", "zscore", "regression"])
@given(seed=st.integers(0, 99))
def test_calibration_changes_no_label_of_a_head(kind, seed):
    rng = np.random.default_rng(seed)
    text, image, X = (
        rng.standard_normal((4, 3)),
        rng.standard_normal((4, 3)),
        rng.standard_normal((9, 3)),
    )
    scale = image_scale(kind, text, image)
    moved = calibrated(kind, scale, text, image, np.ones(4, bool))
    assert_array_equal((X @ moved.T).argmax(1), (X @ image.T).argmax(1))


def test_mix_golden_values():
    text, image = np.array([[1.0, 0.0], [0.0, 1.0]]), np.array([[0.0, 2.0], [4.0, 0.0]])
    assert_allclose(mix(text, image, np.array([0.5, 0.25])), [[0.5, 1.0], [3.0, 0.25]])
    assert_allclose(mix(text[0], image[0], np.array([0.5, 0.25])), [0.5, 1.5])


def test_share_one_is_text_to_the_last_bit():
    text, image = np.array([[0.1, 0.2]]), np.array([[np.nan, np.inf]])
    assert_array_equal(mix(text, image, np.array([1.0])), text)
