"""MultiProxyImprinter row by row: partial_fit, forget and forget_class."""

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from sklearn.base import clone

from skclip.heads import MultiProxyImprinter
from tests.heads.strategies import labelled_rows

EXACT = [
    MultiProxyImprinter("mean"),
    MultiProxyImprinter("all"),
    MultiProxyImprinter("least_squares", regularization=0.1),
    MultiProxyImprinter("least_squares", regularization=0.1, normalize_inputs=None),
]
MERGED = ["kmeans", "kmedoids", "farthest", "covariance", "random", "kmeans_least_squares"]


@pytest.mark.parametrize("imprinter", EXACT, ids=lambda imprinter: imprinter.generation)
@settings(deadline=None, max_examples=25)
@given(data=labelled_rows(zero_rows=True), cut=st.floats(0.1, 0.9), seed=st.integers(0, 99))
def test_partial_fit_over_any_split_is_fit(imprinter, data, cut, seed):
    X, y = data
    weight = np.random.default_rng(seed).integers(1, 4, len(X))
    cut = max(1, int(cut * len(X)))
    whole = clone(imprinter).fit(X, y, sample_weight=weight)
    parts = clone(imprinter)
    for rows in (slice(0, cut), slice(cut, None)):
        parts.partial_fit(X[rows], y[rows], sample_weight=weight[rows])
    np.testing.assert_array_equal(parts.classes_, whole.classes_)
    np.testing.assert_allclose(
        parts.decision_function(X), whole.decision_function(X), rtol=1e-4, atol=1e-5
    )


@pytest.fixture
def stream():
    rng = np.random.default_rng(0)
    y = np.repeat(["ant", "bee", "cat"], 40)
    modes = rng.standard_normal((6, 8)) * 3
    X = modes[np.arange(120) // 20] + 0.5 * rng.standard_normal((120, 8))
    order = rng.permutation(120)
    return X[order], y[order]


@pytest.mark.parametrize("generation", MERGED)
def test_new_classes_are_as_if_fitted_at_once(stream, generation):
    X, y = stream
    imprinter = MultiProxyImprinter(generation, k=3, regularization=0.1, random_state=0)
    expected = imprinter.fit(X, y).decision_function(X)
    parts = MultiProxyImprinter(generation, k=3, regularization=0.1, random_state=0)
    for label in ("cat", "ant", "bee"):
        parts.partial_fit(X[y == label], y[y == label])
    np.testing.assert_allclose(parts.decision_function(X), expected, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("generation", MERGED)
def test_new_rows_are_merged_with_the_proxies(stream, generation):
    X, y = stream
    imprinter = MultiProxyImprinter(generation, k=4, regularization=0.1, random_state=0)
    for rows in np.array_split(np.arange(120), 6):
        imprinter.partial_fit(X[rows], y[rows])
    assert imprinter.proxy_weights_.sum() == pytest.approx(120)
    assert np.unique(imprinter.proxy_classes_, return_counts=True)[1].tolist() == [4, 4, 4]
    assert imprinter.score(X, y) > 0.8


def test_class_that_began_with_one_row_grows_to_k_proxies(stream):
    X, y = stream
    imprinter = MultiProxyImprinter(k=2, random_state=0)
    for i in range(len(X)):
        imprinter.partial_fit(X[i : i + 1], y[i : i + 1])
    assert len(imprinter.proxies_) == 6
    assert imprinter.score(X, y) > 0.9


def test_classes_may_be_named_before_they_come(stream):
    X, y = stream
    imprinter = MultiProxyImprinter(k=2, random_state=0)
    imprinter.partial_fit(X[y == "ant"], y[y == "ant"], classes=["ant", "bee", "cat"])
    assert imprinter.predict_proba(X).shape == (120, 3)
    assert set(imprinter.predict(X)) == {"ant"}
    imprinter.partial_fit(X, y)
    assert imprinter.classes_.tolist() == ["ant", "bee", "cat"]


def test_choices_of_the_first_call_stay(stream):
    X, y = stream
    imprinter = MultiProxyImprinter("kmeans_least_squares", k="auto", random_state=0)
    imprinter.partial_fit(X[:60], y[:60])
    k, ridge = imprinter.k_, imprinter.regularization_
    imprinter.partial_fit(X[60:], y[60:])
    assert (imprinter.k_, imprinter.regularization_) == (k, ridge)


def test_batch_without_evidence_changes_nothing(stream):
    X, y = stream
    imprinter = MultiProxyImprinter(k=2, random_state=0).fit(X, y)
    proxies = imprinter.proxies_
    imprinter.partial_fit(np.zeros((2, 8)), ["ant", "bee"])
    np.testing.assert_allclose(imprinter.proxies_, proxies)


@pytest.mark.parametrize("imprinter", [EXACT[0], *EXACT[2:]], ids=str)
def test_forgotten_rows_were_never_seen(stream, imprinter):
    X, y = stream
    weight = np.random.default_rng(1).uniform(0.5, 2, 120)
    expected = imprinter.fit(X[50:], y[50:], sample_weight=weight[50:]).decision_function(X)
    imprinter.fit(X, y, sample_weight=weight).forget(X[:50], y[:50], sample_weight=weight[:50])
    np.testing.assert_allclose(imprinter.decision_function(X), expected, rtol=1e-8)


def test_class_whose_rows_all_went_is_never_predicted(stream):
    X, y = stream
    imprinter = MultiProxyImprinter("least_squares", regularization=0.1).fit(X, y)
    imprinter.forget(X[y == "bee"], y[y == "bee"])
    assert imprinter.classes_.tolist() == ["ant", "bee", "cat"]
    assert "bee" not in imprinter.predict(X)


def test_more_rows_than_were_fitted_cannot_be_forgotten(stream):
    X, y = stream
    imprinter = MultiProxyImprinter("mean").fit(X[:60], y[:60])
    with pytest.raises(ValueError, match="Cannot forget more rows than were fitted"):
        imprinter.forget(X, y)


def test_only_sums_forget_row_by_row(stream):
    imprinter = MultiProxyImprinter("kmeans", random_state=0).fit(*stream)
    assert not hasattr(imprinter, "forget")


@pytest.mark.parametrize("generation", ["mean", "kmeans", "all", "random"])
def test_forgotten_class_was_never_seen(stream, generation):
    X, y = stream
    imprinter = MultiProxyImprinter(generation, k=3, random_state=0)
    expected = imprinter.fit(X[y != "bee"], y[y != "bee"]).predict_proba(X)
    found = imprinter.fit(X, y).forget_class("bee")
    assert found.classes_.tolist() == ["ant", "cat"]
    np.testing.assert_allclose(found.predict_proba(X), expected)


def test_unknown_class_cannot_be_forgotten(stream):
    imprinter = MultiProxyImprinter("mean").fit(*stream)
    with pytest.raises(ValueError, match=r"does not know: 'dog'\. It knows 'ant', 'bee', 'cat'"):
        imprinter.forget_class(["ant", "dog"])
    with pytest.raises(ValueError, match="does not know: 'dog'"):
        imprinter.forget(np.ones((1, 8)), ["dog"])


def test_last_class_stays(stream):
    imprinter = MultiProxyImprinter("mean").fit(*stream)
    with pytest.raises(ValueError, match="at least one must remain"):
        imprinter.forget_class(["ant", "bee", "cat"])
    with pytest.raises(ValueError, match="Keep at least one row"):
        imprinter.forget(*stream)


def test_least_squares_says_how_to_forget_a_class(stream):
    imprinter = MultiProxyImprinter("least_squares").fit(*stream)
    with pytest.raises(ValueError, match=r"Use forget\(X, y\) with the rows"):
        imprinter.forget_class("ant")
