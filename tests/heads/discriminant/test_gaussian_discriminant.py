"""GaussianDiscriminantClassifier: the published formula, exact updates, scale and priors."""

import numpy as np
import pytest
from hypothesis import given, strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.metrics import log_loss

from skclip import GaussianDiscriminantClassifier, NearestClassMean
from skclip._linalg import unit_rows
from skclip.heads._discriminant._formulas import within_scatter
from tests.heads.discriminant.left_out import left_out_scores
from tests.heads.strategies import labelled_rows


def drawn(n_per_class=6, n_features=8, n_classes=3, seed=0, noise=0.6):
    rng = np.random.default_rng(seed)
    y = np.repeat(np.arange(n_classes), n_per_class)
    X = np.eye(n_classes, n_features)[y] + noise * rng.standard_normal((len(y), n_features))
    return X, y


def published_gda(X, y):
    """Weights and intercepts of the published formula, apart from the bias of noisy means."""
    X = unit_rows(X)
    means = np.stack([X[y == c].mean(axis=0) for c in np.unique(y)])
    centred, (n, d) = X - means[y], X.shape
    covariance = centred.T @ centred / (n - 1)
    P = d * np.linalg.pinv((n - 1) * covariance + np.trace(covariance) * np.eye(d))
    scatter, dof = centred.T @ centred, n - len(means)
    noise = np.trace(P @ scatter) / (2 * dof * np.bincount(y))
    return means @ P, noise - 0.5 * np.einsum("cd,de,ce->c", means, P, means)


def test_published_ridge_gives_the_published_weights():
    X, y = drawn()
    head = GaussianDiscriminantClassifier("published").fit(X, y)
    coef, intercept = published_gda(X, y)
    assert_allclose(head.coef_, coef)
    assert_allclose(head.intercept_, intercept + np.log(1 / 3) / head.logit_scale_)


def test_number_is_a_multiple_of_the_mean_scatter():
    X, y = drawn()
    head = GaussianDiscriminantClassifier(0.5).fit(X, y)
    twice = GaussianDiscriminantClassifier(1.0).fit(X, y)
    assert_allclose(twice.ridge_, 2 * head.ridge_)
    same = GaussianDiscriminantClassifier(8 / 17).fit(X, y)  # d / (n - 1)
    assert_allclose(same.coef_, GaussianDiscriminantClassifier("published").fit(X, y).coef_)


def test_left_out_ridge_is_a_multiple_of_that_of_the_features():
    X, y = drawn()
    chosen = GaussianDiscriminantClassifier("loo").fit(X, y).ridge_
    factors = chosen / GaussianDiscriminantClassifier().fit(X, y).ridge_
    assert_allclose(factors, factors[0])


@pytest.mark.parametrize("ridge", ["feature", "published", "loo", 0.3])
def test_one_row_a_class_is_classified_by_class_means(ridge):
    X, y = drawn(1)
    head = GaussianDiscriminantClassifier(ridge).fit(X, y)
    queries = drawn(20, seed=1)[0]
    assert_array_equal(head.predict(queries), NearestClassMean().fit(X, y).predict(queries))
    means = NearestClassMean(logit_scale=30.0).fit(X, y)
    assert_allclose(head.predict_proba(queries), means.predict_proba(queries))


@given(labelled_rows(zero_rows=False), st.integers(1, 23))
def test_partial_fit_over_any_split_gives_the_scores_of_fit(data, split):
    X, y = data
    split = min(split, len(y) - 1)
    whole = GaussianDiscriminantClassifier(logit_scale=1.0).fit(X, y)
    parts = GaussianDiscriminantClassifier(logit_scale=1.0).partial_fit(X[:split], y[:split])
    parts.partial_fit(X[split:], y[split:])
    assert_array_equal(parts.classes_, whole.classes_)
    assert_allclose(parts.coef_, whole.coef_, rtol=1e-4, atol=1e-4)
    assert_allclose(parts.intercept_, whole.intercept_, rtol=1e-4, atol=1e-4)


@given(labelled_rows(zero_rows=False, min_samples=6), st.integers(0, 23))
def test_fit_then_forget_is_never_seen(data, split):
    X, y = data
    split = min(len(np.unique(y)) + split, len(y) - 1)  # the part that stays holds every class
    forgotten = GaussianDiscriminantClassifier(logit_scale=1.0).fit(X, y)
    forgotten.forget(X[split:], y[split:])
    never_seen = GaussianDiscriminantClassifier(logit_scale=1.0).fit(X[:split], y[:split])
    assert_allclose(forgotten.second_moment_, never_seen.second_moment_, atol=1e-12)
    assert_allclose(forgotten.coef_, never_seen.coef_, rtol=1e-4, atol=1e-4)
    assert_allclose(forgotten.intercept_, never_seen.intercept_, rtol=1e-4, atol=1e-4)


def test_merge_equals_fitting_all_rows():
    X, y = drawn()
    merged = GaussianDiscriminantClassifier(logit_scale=1.0).fit(X[::2], y[::2])
    merged.merge(GaussianDiscriminantClassifier(logit_scale=1.0).fit(X[1::2], y[1::2]))
    whole = GaussianDiscriminantClassifier(logit_scale=1.0).fit(X, y)
    assert_allclose(merged.coef_, whole.coef_)
    assert_allclose(merged.intercept_, whole.intercept_)


def test_merge_of_other_features_is_refused():
    head = GaussianDiscriminantClassifier().fit(*drawn())
    with pytest.raises(ValueError, match="5 features into one of 8"):
        head.merge(GaussianDiscriminantClassifier().fit(*drawn(n_features=5)))


def test_merge_of_classes_that_the_text_lacks_is_refused():
    X, y = drawn()
    head = GaussianDiscriminantClassifier(zero_shot=dict(enumerate(np.eye(3, 8)))).fit(X, y)
    other = GaussianDiscriminantClassifier().fit(X[:2], [7, 8])
    with pytest.raises(ValueError, match="labels without a text embedding: 7, 8"):
        head.merge(other)


@pytest.mark.parametrize("ridge", ["feature", "loo"])
def test_weight_two_is_the_row_twice_and_weight_zero_the_row_left_out(ridge):
    X, y = drawn()
    weight = np.random.default_rng(0).choice([0, 1, 2], len(y))
    weight[::6] = 1
    weighted = GaussianDiscriminantClassifier(ridge).fit(X, y, sample_weight=weight)
    rows = np.repeat(np.arange(len(y)), weight)
    repeated = GaussianDiscriminantClassifier(ridge).fit(X[rows], y[rows])
    assert_allclose(weighted.predict_proba(X), repeated.predict_proba(X))


def test_order_of_rows_changes_nothing():
    X, y = drawn()
    order = np.random.default_rng(0).permutation(len(y))
    one = GaussianDiscriminantClassifier("loo").fit(X, y)
    other = GaussianDiscriminantClassifier("loo").fit(X[order], y[order])
    assert_allclose(one.predict_proba(X), other.predict_proba(X))


def test_float32_rows_are_as_good():
    X, y = drawn(40, 64)
    one = GaussianDiscriminantClassifier().fit(X.astype(np.float32), y)
    assert one.coef_.dtype == np.float32
    assert_allclose(one.coef_, GaussianDiscriminantClassifier().fit(X, y).coef_, rtol=1e-3)


def test_probabilities_are_calibrated_by_rows_left_out():
    X, y = drawn(20, 100, seed=0, noise=0.4)
    X_test, y_test = drawn(300, 100, seed=1, noise=0.4)
    head = GaussianDiscriminantClassifier().fit(X, y)
    chosen = log_loss(y_test, head.predict_proba(X_test))
    best = min(
        log_loss(y_test, head.set_params(logit_scale=scale).fit(X, y).predict_proba(X_test))
        for scale in np.geomspace(0.01, 10, 20)
    )
    assert chosen < 1.05 * best


def test_scale_follows_the_degrees_of_freedom_under_updates():
    X, y = drawn(200, 20)
    few = np.arange(len(y)) % 200 < 10
    head = GaussianDiscriminantClassifier().partial_fit(X[few], y[few])
    before = head.logit_scale_
    head.partial_fit(X[~few], y[~few])
    assert_allclose(head.logit_scale_, before * (600 - 3) / (30 - 3))
    whole = GaussianDiscriminantClassifier().fit(X, y).logit_scale_
    assert 0.5 < head.logit_scale_ / whole < 2


def test_choice_waits_for_rows_that_can_be_left_out():
    X, y = drawn()
    head = GaussianDiscriminantClassifier().partial_fit(X[::6], y[::6])
    assert head.logit_scale_ == 30 / 8
    others = np.arange(len(y)) % 6 > 0
    head.partial_fit(X[others], y[others])
    assert head._choice is not None


def test_given_scale_is_used():
    head = GaussianDiscriminantClassifier(logit_scale=0.5).fit(*drawn())
    assert head.logit_scale_ == 0.5


def test_rare_class_with_uniform_priors_is_as_likely_as_others():
    X, y = drawn()
    X, y = np.r_[X, np.repeat(X[y == 0], 30, axis=0)], np.r_[y, np.zeros(180, int)]
    uniform = GaussianDiscriminantClassifier(0.5, logit_scale=1.0).fit(X, y)
    empirical = GaussianDiscriminantClassifier(0.5, logit_scale=1.0, priors="empirical").fit(X, y)
    shares = np.bincount(y) / len(y)
    assert_allclose(empirical.intercept_ - uniform.intercept_, np.log(3 * shares))


def test_priors_are_added_to_the_logits():
    X, y = drawn()
    head = GaussianDiscriminantClassifier(logit_scale=0.5, priors=[1, 1, 2]).fit(X, y)
    plain = GaussianDiscriminantClassifier(logit_scale=0.5).fit(X, y)
    odds = head.predict_proba(X) / plain.predict_proba(X)
    assert_allclose(odds[:, 2] / odds[:, 0], 2)


@pytest.mark.parametrize("priors", [[0.5, 0.5], [0.5, 0.5, 0.0], [[0.3, 0.3, 0.4]]])
def test_priors_must_be_one_positive_number_a_class(priors):
    with pytest.raises(ValueError, match="priors of GaussianDiscriminantClassifier must hold one"):
        GaussianDiscriminantClassifier(priors=priors).fit(*drawn())


def test_class_without_rows_is_never_predicted():
    X, y = drawn()
    head = GaussianDiscriminantClassifier().partial_fit(X, y, classes=[0, 1, 2, 9])
    assert_array_equal(head.predict_proba(X)[:, 3], 0)
    head.forget(X[y == 1], y[y == 1])
    assert not (head.predict(X) == 1).any()
    assert_array_equal(head.partial_fit(X[y == 1], y[y == 1]).classes_, [0, 1, 2, 9])
    assert (head.predict(X) == 1).any()


def test_no_evidence_is_refused():
    with pytest.raises(ValueError, match="No row carries evidence"):
        GaussianDiscriminantClassifier().fit(np.zeros((4, 3)), [0, 0, 1, 1])


def test_forgetting_more_than_was_seen_is_refused():
    X, y = drawn()
    head = GaussianDiscriminantClassifier().fit(X[1:], y[1:])
    with pytest.raises(ValueError, match="Cannot forget more rows"):
        head.forget(X, y)


def test_not_finite_rows_are_refused():
    X, y = drawn()
    X[3, 2] = np.nan
    with pytest.raises(ValueError, match="Input X contains NaN"):
        GaussianDiscriminantClassifier().fit(X, y)


def scores_without_their_row(head, X, codes, weight):
    """Score each row of the fit by the fit without it, with the ridge and priors of the head."""
    state = head._state()
    scatter, dof = within_scatter(state)
    statistics = (state.means, state.counts, scatter, dof)
    scores = left_out_scores(unit_rows(X), codes, weight, *statistics, head.ridge_)
    return scores + np.log(head._class_priors(state)) / head.logit_scale_


@pytest.mark.parametrize("priors", [None, "empirical"])
def test_left_out_scores_equal_refits_at_the_same_ridge(priors):
    X, y = drawn(4)
    weight = np.random.default_rng(0).choice([1.0, 2.0], len(y))
    head = GaussianDiscriminantClassifier(priors=priors).fit(X, y, sample_weight=weight)
    ours = scores_without_their_row(head, X, y, weight)
    priors = np.ones(3) if priors is None else head.class_count_
    offset = np.log(priors / priors.sum()) / head.logit_scale_
    for i in range(len(y)):
        rest = np.arange(len(y)) != i
        expected = refitted_scores(X[i], X[rest], y[rest], weight[rest], head.ridge_)
        assert_allclose(ours[i], expected + offset, rtol=1e-8)


def text_of(n_classes=4, n_features=8):
    """Text rows of classes 0, 1, ..., beside the images: the last feature is the gap."""
    return dict(enumerate(np.eye(n_classes, n_features) + 3 * np.eye(n_features)[-1]))


def test_text_stands_in_for_a_class_without_images():
    X, y = drawn()
    head = GaussianDiscriminantClassifier(zero_shot=text_of()).fit(X, y)
    assert_array_equal(head.classes_, [0, 1, 2, 3])
    assert_array_equal(head.class_count_, [6, 6, 6, 0])
    assert_array_equal(head.predict(np.eye(4, 8)), [0, 1, 2, 3])


def test_text_counts_as_so_many_images():
    X, y = drawn()
    plain = GaussianDiscriminantClassifier(logit_scale=1.0).fit(X, y)
    little, much = (
        GaussianDiscriminantClassifier(
            zero_shot=text_of(3), shrinkage=shrinkage, logit_scale=1.0
        ).fit(X, y)
        for shrinkage in (1e-9, 1e9)
    )
    assert_allclose(little.coef_, plain.coef_, rtol=1e-6)
    assert_array_equal(much.predict(np.eye(3, 8)), [0, 1, 2])


@given(labelled_rows(zero_rows=False), st.integers(1, 23))
def test_partial_fit_with_text_gives_the_scores_of_fit(data, split):
    X, y = data
    split = min(split, len(y) - 1)
    rows = np.random.default_rng(0).standard_normal((4, X.shape[1]))
    text = dict(zip(np.unique(y).tolist(), rows, strict=False))
    arguments = {"zero_shot": text, "logit_scale": 1.0}
    whole = GaussianDiscriminantClassifier(**arguments).fit(X, y)
    parts = GaussianDiscriminantClassifier(**arguments).partial_fit(X[:split], y[:split])
    parts.partial_fit(X[split:], y[split:])
    assert_allclose(parts.coef_, whole.coef_, rtol=1e-4, atol=1e-4)
    assert_allclose(parts.intercept_, whole.intercept_, rtol=1e-4, atol=1e-4)


def test_labels_without_text_are_refused():
    X, y = drawn()
    with pytest.raises(ValueError, match="labels without a text embedding"):
        GaussianDiscriminantClassifier(zero_shot=text_of(2)).fit(X, y)


def refitted_scores(x, X, y, weight, ridge):
    """Scores of one row by definition, at a given ridge."""
    X, x, d = unit_rows(X), unit_rows(x[None])[0], len(ridge)
    counts = np.bincount(y, weight)
    means = np.stack([weight[y == c] @ X[y == c] / counts[c] for c in range(len(counts))])
    centred = X - means[y]
    scatter = centred.T @ (weight[:, None] * centred)
    P = d * np.linalg.inv(scatter + np.diag(ridge))
    noise = np.trace(P @ scatter) / (2 * (counts.sum() - len(counts)) * counts)
    return means @ P @ x - np.einsum("cd,de,ce->c", means, P, means) / 2 + noise
