"""MultiProxyImprinter as an estimator: the contract, the invariants, bad input."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.neighbors import KNeighborsClassifier
from sklearn.preprocessing import normalize
from sklearn.utils.estimator_checks import parametrize_with_checks

from skclip.heads import MultiProxyImprinter, NearestClassMean


@parametrize_with_checks([MultiProxyImprinter(), MultiProxyImprinter("mean")], xfail_strict=True)
def test_sklearn_contract(estimator, check):
    check(estimator)


@pytest.fixture
def blobs():
    """Three classes of two well separated modes each, in five dimensions."""
    rng = np.random.default_rng(0)
    modes = rng.standard_normal((6, 5)) * 4
    X = np.repeat(modes, 12, axis=0) + rng.standard_normal((72, 5))
    y = np.repeat(np.array(["ant", "bee", "cat"]), 24)
    order = rng.permutation(72)
    return X[order], y[order]


def test_one_proxy_by_mean_is_nearest_class_mean(blobs):
    X, y = blobs
    one = MultiProxyImprinter("mean").fit(X, y)
    mean = NearestClassMean().fit(X, y)
    np.testing.assert_allclose(one.proxies_, mean.coef_, rtol=1e-12)
    np.testing.assert_allclose(one.decision_function(X), mean.decision_function(X), rtol=1e-12)


def test_k_not_less_than_rows_is_one_nearest_neighbour(blobs):
    X, y = blobs
    rng = np.random.default_rng(1)
    queries = rng.standard_normal((200, 5))
    neighbor = KNeighborsClassifier(1).fit(normalize(X), y)
    expected = neighbor.predict(normalize(queries))
    found = MultiProxyImprinter(k=24).fit(X, y)
    assert len(found.proxies_) == len(X)
    np.testing.assert_array_equal(found.predict(queries), expected)


def test_scores_are_the_best_inner_product(blobs):
    X, y = blobs
    imprinter = MultiProxyImprinter(k=3, random_state=0).fit(X, y)
    similarity = normalize(X) @ imprinter.proxies_.T
    expected = np.stack(
        [similarity[:, imprinter.proxy_classes_ == c].max(axis=1) for c in imprinter.classes_],
        axis=1,
    )
    np.testing.assert_allclose(imprinter.decision_function(X), expected, rtol=1e-12)


def test_proxies_of_k_means_are_means_of_their_rows(blobs):
    X, y = blobs
    imprinter = MultiProxyImprinter(k=2, normalize_proxies=None, random_state=0).fit(X, y)
    for label in imprinter.classes_:
        rows = normalize(X[y == label])
        proxies = imprinter.proxies_[imprinter.proxy_classes_ == label]
        nearest = np.linalg.norm(rows[:, None] - proxies, axis=2).argmin(axis=1)
        for proxy in range(2):
            np.testing.assert_allclose(
                proxies[proxy], rows[nearest == proxy].mean(axis=0), rtol=1e-10, atol=1e-12
            )


@settings(deadline=None, max_examples=30)
@given(
    seed=st.integers(0, 10_000),
    n_rows=st.integers(2, 30),
    n_features=st.integers(1, 6),
    k=st.integers(1, 8),
    generation=st.sampled_from(["mean", "kmeans"]),
)
def test_weight_is_repetition_and_order_is_irrelevant(seed, n_rows, n_features, k, generation):
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n_rows, n_features))
    y = rng.integers(0, 3, n_rows)
    weight = rng.integers(0, 4, n_rows)
    if not weight.any():
        weight[0] = 1
    weight[[np.flatnonzero(y == c)[0] for c in np.unique(y)]] += 1  # every class keeps a row
    order = rng.permutation(int(weight.sum()))
    imprinter = MultiProxyImprinter(generation, k=k, random_state=seed)
    weighted = imprinter.fit(X, y, sample_weight=weight).proxies_
    repeated = imprinter.fit(X.repeat(weight, 0)[order], y.repeat(weight)[order]).proxies_
    np.testing.assert_allclose(weighted, repeated, rtol=1e-9, atol=1e-12)


def test_proxies_of_a_class_do_not_depend_on_the_others(blobs):
    X, y = blobs
    together = MultiProxyImprinter(k=4, random_state=0).fit(X, y)
    alone = MultiProxyImprinter(k=4, random_state=0).fit(X[y == "bee"], y[y == "bee"])
    np.testing.assert_allclose(
        together.proxies_[together.proxy_classes_ == "bee"], alone.proxies_, rtol=1e-9
    )


def test_zero_rows_carry_no_evidence(blobs):
    X, y = blobs
    padded = np.concatenate([X, np.zeros((5, 5))])
    imprinter = MultiProxyImprinter(k=3, random_state=0)
    expected = imprinter.fit(X, y).proxies_
    found = imprinter.fit(padded, np.append(y, ["ant"] * 5)).proxies_
    np.testing.assert_array_equal(found, expected)


def test_class_of_zero_rows_only_is_never_predicted(blobs):
    X, y = blobs
    imprinter = MultiProxyImprinter(k=3, random_state=0)
    imprinter.fit(np.concatenate([X, np.zeros((2, 5))]), np.append(y, ["zebra"] * 2))
    assert list(imprinter.classes_) == ["ant", "bee", "cat", "zebra"]
    assert np.all(imprinter.decision_function(X)[:, 3] == -np.inf)
    assert np.all(imprinter.predict_proba(X)[:, 3] == 0)


def test_all_rows_zero_is_refused():
    with pytest.raises(ValueError, match="No row carries evidence"):
        MultiProxyImprinter().fit(np.zeros((3, 2)), [0, 1, 1])


def test_float16_is_widened_to_float32(blobs):
    X, y = blobs
    imprinter = MultiProxyImprinter(k=3, random_state=0).fit(X.astype(np.float16), y)
    assert imprinter.proxies_.dtype == np.float32
