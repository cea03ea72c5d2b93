"""Quantile normalisation against sorting by hand, and what it must not depend on."""

import numpy as np
import pytest
from hypothesis import given, strategies as st

from skclip.heads._imprinting._normalization import (
    normalize_rows,
    quantile_in_order,
    quantile_reference,
    quantile_rows,
)


def test_reference_is_the_quantiles_at_the_middle_of_each_step():
    values = np.random.default_rng(0).standard_normal((7, 11))
    expected = [np.quantile(values.ravel(), i / 5 + 1 / 10) for i in range(5)]
    np.testing.assert_allclose(quantile_reference(values, 5), expected)


def test_sorted_row_becomes_the_reference():
    rng = np.random.default_rng(0)
    X, reference = rng.standard_normal((6, 9)), np.sort(rng.standard_normal(9))
    found = quantile_rows(X, reference)
    np.testing.assert_allclose(np.sort(found, axis=1), np.tile(reference, (6, 1)))
    np.testing.assert_array_equal(np.argsort(found, axis=1), np.argsort(X, axis=1))


def test_equal_entries_become_equal():
    found = quantile_rows(np.array([[0.0, 3, 0, 1]]), np.array([10.0, 20, 30, 40]))
    np.testing.assert_allclose(found, [[15, 40, 15, 30]])


@given(st.integers(0, 1000))
def test_permuting_features_permutes_the_result(seed):
    rng = np.random.default_rng(seed)
    X, order = rng.integers(0, 4, (3, 6)).astype(float), rng.permutation(6)
    reference = np.sort(rng.standard_normal(6))
    np.testing.assert_array_equal(
        quantile_rows(X, reference)[:, order], quantile_rows(X[:, order], reference)
    )


def test_published_form_goes_class_by_class():
    rng = np.random.default_rng(0)
    proxies, bounds = rng.standard_normal((5, 4)), np.array([0, 2, 2, 3, 5])
    found = quantile_in_order(proxies, bounds)
    np.testing.assert_array_equal(found[:2], proxies[:2])
    second = quantile_rows(proxies[2:3], quantile_reference(proxies[:2], 4))
    np.testing.assert_array_equal(found[2:3], second)
    before = np.concatenate([proxies[:2], second])
    third = quantile_rows(proxies[3:], quantile_reference(before, 4))
    np.testing.assert_array_equal(found[3:], third)


def test_normalisations_keep_the_dtype_and_none_keeps_the_rows():
    X = np.random.default_rng(0).standard_normal((3, 4)).astype(np.float32)
    assert normalize_rows(X, None) is X
    np.testing.assert_allclose(np.linalg.norm(normalize_rows(X, "l2"), axis=1), 1, rtol=1e-6)
    assert normalize_rows(X, "quantile", np.arange(4.0)).dtype == np.float32


@pytest.mark.parametrize("values", [[], [1.0, np.nan], [np.inf]])
def test_reference_must_be_finite_numbers(values):
    with pytest.raises(
        ValueError, match="quantile_reference must hold at least one number, all finite"
    ):
        quantile_reference(values, 3)
