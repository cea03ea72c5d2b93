"""MultiProxyImprinter: the number of proxies it chooses, and whitened rows."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.model_selection import StratifiedKFold

from skclip import GaussianDiscriminantClassifier, MultiProxyImprinter
from skclip.heads._imprinting._normalization import whiten_rows, within_class_whitener


def drawn(n_per_class=8, n_features=10, seed=0, noise=0.5):
    """Three classes; the last feature is noise of a large scale."""
    rng = np.random.default_rng(seed)
    y = np.repeat(np.arange(3), n_per_class)
    X = np.eye(3, n_features)[y] + noise * rng.standard_normal((len(y), n_features))
    X[:, -1] *= 5
    return X, y


def two_modes(n_per_class=20, seed=0):
    """Two classes of two opposite modes each: one proxy a class says nothing."""
    rng = np.random.default_rng(seed)
    y = np.arange(4 * n_per_class) % 2
    sign = np.where(np.arange(len(y)) % 4 < 2, 1, -1)
    return np.eye(2)[y] * sign[:, None] + 0.1 * rng.standard_normal((len(y), 2)), y


def test_few_rows_of_one_mode_get_one_proxy():
    X, y = drawn(4)
    imprinter = MultiProxyImprinter(random_state=0).fit(X, y)
    assert imprinter.k_ == 1
    assert_array_equal(imprinter.predict(X), MultiProxyImprinter("mean").fit(X, y).predict(X))


def test_modes_get_a_proxy_each():
    X, y = two_modes()
    imprinter = MultiProxyImprinter(random_state=0).fit(X, y)
    assert imprinter.k_ == 2
    assert imprinter.score(X, y) == 1


def test_published_number_is_a_parameter():
    X, y = drawn(30)
    imprinter = MultiProxyImprinter(k=20, random_state=0).fit(X, y)
    assert_array_equal(np.bincount(imprinter.proxy_classes_), [20, 20, 20])


@pytest.mark.parametrize("normalize_inputs", ["l2", "whiten"])
def test_choice_depends_neither_on_order_nor_on_copies(normalize_inputs):
    X, y = drawn()
    order = np.random.default_rng(1).permutation(len(y))
    weight = np.random.default_rng(2).integers(0, 3, len(y))
    weight[::8] = 1
    rows = np.repeat(np.arange(len(y)), weight)
    heads = [
        MultiProxyImprinter(normalize_inputs=normalize_inputs, random_state=0).fit(*arguments)
        for arguments in (
            (X, y, weight),
            (X[order], y[order], weight[order]),
            (X[rows], y[rows]),
        )
    ]
    for other in heads[1:]:
        assert other.k_ == heads[0].k_
        for k, scores in heads[0].k_scores_.items():
            assert_allclose(other.k_scores_[k], scores)


def test_given_folds_count_the_rows_as_they_came():
    X, y = drawn()
    kept = np.ones(len(y), bool)
    kept[[1, 9, 17]] = False
    X[1] = 0
    folds = list(StratifiedKFold(4).split(X, y))
    imprinter = MultiProxyImprinter(cv=folds, random_state=0)
    imprinter.fit(X, y, sample_weight=kept.astype(float))
    position = np.cumsum(kept) - 1
    inner = [(position[a[kept[a]]], position[b[kept[b]]]) for a, b in folds]
    expected = MultiProxyImprinter(cv=inner, random_state=0).fit(X[kept], y[kept])
    for k, scores in expected.k_scores_.items():
        assert_allclose(imprinter.k_scores_[k], scores)


def test_classes_that_coincide_have_no_collapse_score():
    X, y = np.array([[1.0, 0], [0, 1], [1, 0], [0, 1]]), np.array([0, 0, 1, 1])
    assert np.isnan(MultiProxyImprinter(random_state=0).fit(X, y).neural_collapse_score_)


def test_whitened_means_are_about_the_discriminant():
    X, y = drawn(40)
    X_test, y_test = drawn(200, seed=1)
    plain = MultiProxyImprinter("mean").fit(X, y).score(X_test, y_test)
    whitened = MultiProxyImprinter("mean", normalize_inputs="whiten").fit(X, y)
    discriminant = GaussianDiscriminantClassifier().fit(X, y).score(X_test, y_test)
    assert whitened.score(X_test, y_test) > plain + 0.05
    assert abs(whitened.score(X_test, y_test) - discriminant) < 0.03


def test_whitened_rows_scatter_alike_in_all_directions():
    X, y = drawn(2000)
    root = within_class_whitener(X, y, 3, np.ones(len(y)))
    unit = X / np.linalg.norm(X, axis=1, keepdims=True)
    means = np.stack([unit[y == c].mean(axis=0) for c in range(3)])
    within = np.cov((unit - means[y]) @ root, rowvar=False)
    assert_allclose(within / within[0, 0], np.eye(10), atol=0.05)
    assert_allclose(np.linalg.norm(whiten_rows(X, root), axis=1), 1)


def test_one_row_a_class_is_not_whitened():
    X, y = drawn(1)
    queries = drawn(seed=1)[0]
    whitened = MultiProxyImprinter(normalize_inputs="whiten").fit(X, y)
    assert_allclose(
        whitened.decision_function(queries),
        MultiProxyImprinter().fit(X, y).decision_function(queries),
    )


def test_whitening_is_that_of_the_first_call():
    X, y = drawn()
    first = np.arange(len(y)) % 2 == 0
    imprinter = MultiProxyImprinter("mean", normalize_inputs="whiten").fit(X[first], y[first])
    before = imprinter.proxies_
    imprinter.partial_fit(X[~first], y[~first])
    assert not np.allclose(imprinter.proxies_, before)
    assert_allclose(imprinter.forget(X[~first], y[~first]).proxies_, before)
