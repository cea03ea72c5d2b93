import numpy as np
import pytest
from hypothesis import given, strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.model_selection import GridSearchCV

from skclip import KernelTextClassifier, ZeroShotClassifier
from skclip.heads._adapters import _kernel_text
from tests.heads.adapters.data import NAMES, task
from tests.heads.strategies import labelled_rows

X, Y, TEXT = task()
ROWS = np.stack(list(TEXT.values()))
NEW = task(seed=1)[0]
GIVEN = {"bandwidth": 2.0, "ridge": 0.3, "weight": 0.7}


def centred(scores):
    return scores - scores.mean(axis=1, keepdims=True)


def published_scores(bandwidth, ridge, weight):
    """Return the formula as it is written, with a dense inverse."""

    def kernel(a, b):
        return np.exp(-bandwidth * (1 - a @ b.T))

    residual = np.eye(4)[np.unique(Y, return_inverse=True)[1]] - X @ ROWS.T
    dual = np.linalg.inv(kernel(X, X) + ridge * np.eye(len(X))) @ residual
    return NEW @ ROWS.T + weight * kernel(NEW, X) @ dual


def test_given_constants_are_the_formula():
    head = KernelTextClassifier(TEXT, **GIVEN).fit(X, Y)
    expected = published_scores(2.0, 0.3, 0.7)
    assert_allclose(centred(head.decision_function(NEW)), centred(expected), atol=1e-9)


@pytest.mark.parametrize(
    ("n", "bandwidth", "ridge"), [(1, 3.0, 0.05), (4, 1.5, 0.05), (6, 1.5936, 0.0617)]
)
def test_published_constants_go_by_images_per_class(n, bandwidth, ridge):
    rows, labels, text = task(n)
    published = {name: "published" for name in GIVEN}
    head = KernelTextClassifier(text, **published).fit(rows, labels)
    assert_allclose([head.bandwidth_, head.ridge_], [bandwidth, ridge], atol=1e-4)
    assert_allclose([head.weight_, head.text_weight_], [head.ridge_, 1.0])


def test_without_weight_it_is_zero_shot():
    head = KernelTextClassifier(TEXT, weight=0.0).fit(X, Y)
    expected = ZeroShotClassifier(TEXT).fit()
    assert_allclose(head.predict_proba(NEW), expected.predict_proba(NEW), atol=1e-12)


def test_a_huge_ridge_is_zero_shot():
    head = KernelTextClassifier(TEXT, bandwidth=1.0, ridge=1e9, weight=1.0).fit(X, Y)
    assert_array_equal(head.predict(NEW), ZeroShotClassifier(TEXT).fit().predict(NEW))


def test_no_ridge_reproduces_the_labels():
    head = KernelTextClassifier(TEXT, bandwidth=5.0, ridge=1e-9, weight=1.0).fit(X, Y)
    labels = np.eye(4)[np.unique(Y, return_inverse=True)[1]]
    assert_allclose(centred(head.decision_function(X)), centred(labels), atol=1e-5)


def test_the_choice_follows_the_images_where_the_text_is_wrong():
    wrong = dict(zip(NAMES, ROWS[[1, 2, 3, 0]], strict=True))
    head = KernelTextClassifier(wrong).fit(X, Y)
    assert head.score(X, Y) > 0.9
    assert head.text_weight_ < 0.5


def test_a_single_image_takes_the_published_constants():
    head = KernelTextClassifier(TEXT).fit(X[:1], Y[:1])
    assert (head.bandwidth_, head.ridge_, head.weight_) == (3.0, 0.05, 0.05)


def test_one_image_per_class_is_believed_where_the_text_is_wrong():
    wrong = dict(zip(NAMES, ROWS[[1, 2, 3, 0]], strict=True))
    rows, labels, _ = task(1, noise=0.4)
    head = KernelTextClassifier(wrong).fit(rows, labels)
    assert head.score(*task(10, noise=0.4)[:2]) > 0.8


def test_few_keys_stand_for_many_images(monkeypatch):
    rows, labels, text = task(60, noise=0.8)
    new, labels_new, _ = task(20, noise=0.8)
    exact = KernelTextClassifier(text, **GIVEN).fit(rows, labels)
    monkeypatch.setattr(_kernel_text, "MAX_KEYS", 40)
    few = KernelTextClassifier(text, **GIVEN).fit(rows, labels)
    assert few.keys_.shape == (40, 12)
    assert np.mean(few.predict(new) == exact.predict(new)) > 0.95
    assert few.score(new, labels_new) > 0.8


def test_weights_are_frequencies():
    weight = np.random.default_rng(0).integers(0, 3, len(X))
    weighted = KernelTextClassifier(TEXT).fit(X, Y, sample_weight=weight)
    repeated = KernelTextClassifier(TEXT).fit(np.repeat(X, weight, axis=0), np.repeat(Y, weight))
    assert_allclose(weighted.decision_function(NEW), repeated.decision_function(NEW), atol=1e-8)


def test_a_class_without_images_is_predicted_by_its_text():
    kept = Y != "cat"
    for settings in ({}, GIVEN):
        head = KernelTextClassifier(TEXT, **settings).fit(X[kept], Y[kept])
        assert head.classes_.tolist() == NAMES
        assert head.predict(ROWS)[2] == "cat"


def test_a_class_without_images_and_text_is_never_predicted():
    head = KernelTextClassifier(classes=[*NAMES, "eel"]).fit(X, Y)
    assert "eel" not in head.predict(NEW)


def test_constants_can_be_searched():
    search = GridSearchCV(KernelTextClassifier(TEXT), {"ridge": [0.1, 1.0], "weight": [0.1, 1.0]})
    assert search.fit(X, Y).best_params_.keys() == {"ridge", "weight"}


@pytest.mark.parametrize("wrong", [{"bandwidth": 0.0}, {"ridge": 0.0}, {"weight": -1.0}])
def test_wrong_parameters_are_refused(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        KernelTextClassifier(**wrong).fit(X, Y)


@given(labelled_rows(zero_rows=True), st.integers(0, 2**32 - 1))
def test_the_order_of_rows_means_nothing(data, seed):
    rows, labels = data
    order = np.random.default_rng(seed).permutation(len(rows))
    head = KernelTextClassifier().fit(rows, labels)
    other = KernelTextClassifier().fit(rows[order], labels[order])
    assert_allclose(other.predict_proba(rows), head.predict_proba(rows), atol=1e-3)
