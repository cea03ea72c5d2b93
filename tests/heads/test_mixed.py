"""MixedHeadClassifier: limits, equal spaces, any head, bad input."""

import numpy as np
import pytest
import sklearn
from hypothesis import given, strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.cluster import KMeans
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression, RidgeClassifier
from sklearn.neighbors import KNeighborsClassifier
from sklearn.svm import SVC
from sklearn.tree import DecisionTreeClassifier

from skclip import MixedHeadClassifier, NearestClassMean, ZeroShotClassifier
from tests.heads.strategies import labelled_rows, text_heads

# text at random agrees with labels by chance
pytestmark = pytest.mark.filterwarnings("ignore::skclip.exceptions.TextDisagreementWarning")

TEXT = {"cat": [1.0, 0.0, 0.0], "dog": [0.0, 1.0, 0.0], "fox": [0.0, 0.0, 1.0]}
X = np.array([[0.8, 0.6, 0.0], [0.9, 0.1, 0.4], [0.5, 0.8, 0.0], [0.4, 0.9, 0.1]])
Y = np.array(["cat", "cat", "dog", "dog"])
SPACES = ["weights", "logits", "proba"]


@st.composite
def mixtures(draw):
    X, y = draw(labelled_rows(zero_rows=False))
    return X, y, draw(text_heads(np.unique(y), X.shape[1]))


@pytest.mark.parametrize("space", SPACES)
@given(data=mixtures())
def test_alpha_one_is_the_text_head(space, data):
    X, y, text = data
    mixed = MixedHeadClassifier(text, alpha=1.0, space=space).fit(X, y)
    assert_array_equal(mixed.predict(X), ZeroShotClassifier(text).fit().predict(X))


@pytest.mark.parametrize("space", SPACES)
@given(data=mixtures())
def test_alpha_zero_is_the_image_head(space, data):
    X, y, text = data
    mixed = MixedHeadClassifier(text, alpha=0.0, space=space).fit(X, y)
    image = NearestClassMean().fit(X, y)
    if space == "proba":
        assert_allclose(mixed.predict_proba(X), image.predict_proba(X), atol=1e-4)
    else:  # the same margins
        ours, margins = mixed._validated_scores(X), image._validated_scores(X)
        ours = ours - ours.max(axis=1, keepdims=True)
        assert_allclose(ours, margins - margins.max(axis=1, keepdims=True), atol=1e-3)


def test_golden_mixture():
    mixed = MixedHeadClassifier(TEXT, alpha=0.25, space="weights").fit(X, Y)
    means = NearestClassMean().fit(X, Y).coef_
    # the class that has no images is its text, both heads about the centre of the other classes
    centre = 0.25 * np.eye(3)[:2].mean(axis=0) + 0.75 * means.mean(axis=0)
    assert_allclose(mixed.coef_[:2], 0.25 * np.eye(3)[:2] + 0.75 * means - centre)
    assert_allclose(mixed.coef_[2], np.eye(3)[2] - np.eye(3)[:2].mean(axis=0))
    assert_array_equal(mixed.alpha_, [0.25, 0.25, 1.0])


@pytest.mark.parametrize("head", [None, LogisticRegression(), RidgeClassifier()])
@pytest.mark.parametrize("n_classes", [2, 3])
def test_weights_and_logits_are_one_head(head, n_classes):
    rng = np.random.default_rng(0)
    X, y = rng.standard_normal((30, 4)), np.arange(30) % n_classes
    text = {c: rng.standard_normal(4) for c in range(n_classes)}
    scores = [
        MixedHeadClassifier(text, head, alpha=0.3, space=space).fit(X, y).decision_function(X)
        for space in ("weights", "logits")
    ]
    assert_allclose(*scores, atol=1e-9)


@pytest.mark.parametrize("space", SPACES)
def test_class_without_images_keeps_its_text_score_and_can_be_predicted(space):
    mixed = MixedHeadClassifier(TEXT, alpha=0.1, space=space).fit(X, Y)
    assert_array_equal(mixed.predict([[0.05, 0.0, 0.9], [0.9, 0.3, 0.0]]), ["fox", "cat"])


def test_without_text_the_image_head_stands_alone():
    mixed = MixedHeadClassifier(head=LogisticRegression()).fit(X, Y)
    unit = X / np.linalg.norm(X, axis=1, keepdims=True)
    reference = LogisticRegression().fit(unit, Y)
    assert_allclose(mixed.decision_function(X), reference.decision_function(unit))
    assert_allclose(mixed.predict_proba(X), reference.predict_proba(unit))


def test_frozen_head_is_used_as_it_is():
    frozen = FrozenEstimator(NearestClassMean().fit(X[:, ::-1], Y))
    mixed = MixedHeadClassifier(TEXT, frozen, alpha=0.0).fit(X, Y)
    assert_array_equal(mixed.head_.coef_, NearestClassMean().fit(X[:, ::-1], Y).coef_)


def test_probabilities_of_any_classifier_can_be_mixed():
    mixed = MixedHeadClassifier(TEXT, DecisionTreeClassifier(), alpha=0.5, space="proba").fit(X, Y)
    proba = mixed.predict_proba(X)
    assert_allclose(proba.sum(axis=1), 1)
    assert_array_equal(mixed.predict(X), Y)


def test_zero_rows_are_ignored():
    with_zero = MixedHeadClassifier(TEXT).fit(np.vstack([X, np.zeros(3)]), [*Y, "fox"])
    assert_array_equal(with_zero.class_count_, [2, 2, 0])
    assert_allclose(
        with_zero.decision_function(X), MixedHeadClassifier(TEXT).fit(X, Y).decision_function(X)
    )


def test_counts_follow_the_weights():
    mixed = MixedHeadClassifier(TEXT, alpha="shrinkage", sigma=3.0).fit(X, Y, [3, 3, 1, 0])
    assert_allclose(mixed.alpha_, [3 / 9, 3 / 4, 1])


@pytest.mark.parametrize(
    ("params", "args", "message"),
    [
        ({"alpha": 1.5}, (X, Y), "The 'alpha' parameter of MixedHeadClassifier must be"),
        ({"alpha": "linear"}, (X, Y), "The 'alpha' parameter"),
        ({"sigma": 0}, (X, Y), "The 'sigma' parameter"),
        ({"space": "latent"}, (X, Y), "The 'space' parameter"),
        ({}, (X, ["cat", "cat", "dog", "owl"]), "labels without a text embedding: 'owl'"),
        ({}, (X[:, :2], Y), "X has 2 features, but the text head has 3"),
        ({}, (np.zeros((4, 3)), Y), "X holds only zero rows"),
        ({"head": RidgeClassifier(), "space": "proba", "alpha": 0.5}, (X, Y), "with predict_proba"),
        ({"space": "proba"}, (X, Y), "with space='proba' give `alpha` as a number"),
        ({"head": SVC(), "space": "weights"}, (X, Y), "needs a linear head"),
        ({"head": KMeans(2)}, (X, Y), "needs a head with decision_function or predict_proba"),
        ({"head": KNeighborsClassifier(2)}, (X, Y, [1, 1, 1, 2]), "does not accept it"),
    ],
)
def test_bad_input(params, args, message):
    with pytest.raises(ValueError, match=message):
        MixedHeadClassifier(TEXT, **params).fit(*args)


def test_routing_hands_weights_to_a_head_that_asks_for_them():
    weight = [3.0, 1.0, 1.0, 2.0]
    with sklearn.config_context(enable_metadata_routing=True):
        asking = LogisticRegression().set_fit_request(sample_weight=True)
        routed = MixedHeadClassifier(TEXT, asking).fit(X, Y, sample_weight=weight)
        declining = LogisticRegression().set_fit_request(sample_weight=False)
        unweighted = MixedHeadClassifier(TEXT, declining).fit(X, Y, sample_weight=weight)
        default = MixedHeadClassifier(TEXT).fit(X, Y, sample_weight=weight)
    plain = MixedHeadClassifier(TEXT, LogisticRegression())
    assert_allclose(routed.head_.coef_, plain.fit(X, Y, weight).head_.coef_)
    assert_allclose(unweighted.head_.coef_, plain.fit(X, Y).head_.coef_)
    assert_array_equal(default.head_.class_count_, [4, 3])
