import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression, RidgeClassifier
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import cross_val_score

from skclip import NearestClassMean, OpenSetClassifier, StackedHeadClassifier
from skclip.exceptions import NoEvidenceWarning
from skclip.selection._left_out import class_scores, left_out
from skclip.selection._relative_distance import relative_distance

NAMES = ["cat", "dog", "fox"]
TEXT = dict(zip(NAMES, np.eye(3, 8), strict=True))


def draw(n, classes=(0, 1, 2), seed=0, noise=0.25):
    rng = np.random.default_rng(seed)
    codes = rng.choice(classes, n)
    X = np.eye(8)[codes] + rng.normal(0, noise, (n, 8))
    return X, np.array([*NAMES, *["none"] * 5])[codes]


@pytest.mark.parametrize("criterion", ["logit", "distance"])
def test_images_of_other_classes_are_rejected(criterion):
    X, y = draw(90)
    head = OpenSetClassifier(StackedHeadClassifier(TEXT), unknown="none", criterion=criterion)
    head.fit(X, y)
    new, labels = draw(400, classes=(0, 1, 2, 4, 5), seed=1)
    assert roc_auc_score(labels != "none", head.score_samples(new)) > 0.9
    predicted = head.predict(new)
    assert np.mean(predicted[labels != "none"] == "none") < 0.15
    assert np.mean(predicted[labels == "none"] == "none") > 0.5


@pytest.mark.parametrize("rate", [0.05, 0.2, 0.5])
def test_the_stated_part_of_known_images_is_rejected(rate):
    X, y = draw(200)
    head = OpenSetClassifier(NearestClassMean(), unknown="none", false_reject_rate=rate).fit(X, y)
    assert np.mean(~head.is_known(draw(2000, seed=2)[0])) == pytest.approx(rate, abs=0.08)


def test_the_threshold_is_the_rank_of_left_out_scores():
    X, y = draw(39)
    head = OpenSetClassifier(NearestClassMean(), false_reject_rate=0.1).fit(X, y)
    scores, rows = left_out(
        NearestClassMean(), X, y, lambda fitted, _X, _y, new: class_scores(fitted, new).max(axis=1)
    )
    assert_array_equal(np.sort(rows), np.arange(39))
    assert head.n_left_out_ == 39
    assert head.threshold_ == np.sort(scores)[3]


def test_left_out_images_are_scored_without_their_fold():
    X, y = draw(30)
    seen = []
    left_out(
        NearestClassMean(), X, y, lambda head, X_fit, y_fit, new: seen.append((X_fit, new)) or new
    )
    assert len(seen) == 5
    for X_fit, new in seen:
        assert len(X_fit) + len(new) == 30
        assert not (X_fit[:, None] == new).all(axis=2).any()


def test_a_frozen_head_is_asked_about_all_rows():
    X, y = draw(60)
    head = NearestClassMean().fit(X[:30], y[:30])
    frozen = OpenSetClassifier(FrozenEstimator(head), false_reject_rate=0.1).fit(X[30:], y[30:])
    scores = np.sort(class_scores(head, X[30:]).max(axis=1))
    assert frozen.threshold_ == scores[2]


def test_labelled_images_of_no_class_are_not_fitted():
    X, y = draw(80, classes=(0, 1, 2, 4))
    own = y != "none"
    with_none = OpenSetClassifier(NearestClassMean(), unknown="none").fit(X, y)
    without = OpenSetClassifier(NearestClassMean(), unknown="none").fit(X[own], y[own])
    assert_array_equal(with_none.classes_, NAMES)
    assert with_none.threshold_ == without.threshold_
    assert cross_val_score(with_none, X, y, cv=3, error_score="raise").mean() > 0.6


def test_without_a_label_for_unknown_all_images_get_a_class():
    X, y = draw(60)
    head = OpenSetClassifier(NearestClassMean()).fit(X, y)
    new = draw(50, classes=(5,), seed=1)[0]
    assert not head.is_known(new).all()
    assert set(head.predict(new)) <= set(NAMES)


def test_numbers_may_be_unknown():
    X, y = draw(60)
    codes = np.searchsorted(NAMES, y)
    head = OpenSetClassifier(NearestClassMean(), unknown=-1).fit(X, codes)
    assert -1 in head.predict(draw(50, classes=(5,), seed=1)[0])


def test_unreadable_images_are_of_no_class():
    X, y = draw(60)
    head = OpenSetClassifier(StackedHeadClassifier(TEXT), unknown="none").fit(X, y)
    assert_array_equal(head.predict(np.zeros((2, 8))), ["none", "none"])


def test_one_image_per_class_needs_a_head_with_text():
    X, y = np.eye(3, 8) + 0.1, NAMES
    with pytest.warns(NoEvidenceWarning, match="3 labelled images are too few for one in 20"):
        head = OpenSetClassifier(StackedHeadClassifier(TEXT), unknown="none").fit(X, y)
    assert head.threshold_ == -np.inf
    with pytest.raises(ValueError, match="Give two images of a class, or a head with text"):
        OpenSetClassifier(NearestClassMean()).fit(X, y)


def test_two_classes_keep_the_level_of_their_scores():
    X, y = draw(60, classes=(0, 1))
    text = {name: TEXT[name] for name in NAMES[:2]}
    head = OpenSetClassifier(StackedHeadClassifier(text), unknown="none").fit(X, y)
    assert np.mean(head.predict(draw(100, classes=(5, 6), seed=1)[0]) == "none") > 0.5


@pytest.mark.parametrize("head", [LogisticRegression(), RidgeClassifier()])
def test_methods_are_those_of_the_head(head):
    X, y = draw(60)
    fitted = OpenSetClassifier(head).fit(X, y)
    assert hasattr(fitted, "predict_proba") is hasattr(head, "predict_proba")
    assert_allclose(fitted.decision_function(X), fitted.head_.decision_function(X))
    assert_array_equal(fitted.predict(X), fitted.head_.predict(X))


def test_relative_distance_by_brute_force():
    X, y = draw(40)
    codes = np.searchsorted(NAMES, y)
    new = draw(10, classes=(0, 5), seed=3)[0]
    U, V = (rows / np.linalg.norm(rows, axis=1, keepdims=True) for rows in (X, new))
    means = np.stack([U[codes == c].mean(axis=0) for c in range(3)])

    def metric(residuals, n_means):
        scatter = residuals.T @ residuals
        return np.linalg.inv((scatter + np.eye(8) * np.trace(scatter) / 40) / (40 - n_means))

    within, of_all = metric(U - means[codes], 3), metric(U - U.mean(axis=0), 1)
    expected = [
        min((v - m) @ within @ (v - m) for m in means)
        - (v - U.mean(axis=0)) @ of_all @ (v - U.mean(axis=0))
        for v in V
    ]
    assert_allclose(relative_distance(X, codes, new), expected)


def test_one_image_per_class_has_a_relative_distance():
    assert np.isfinite(relative_distance(np.eye(3, 8), np.arange(3), np.ones((2, 8)))).all()


@pytest.mark.parametrize(
    ("parameters", "y", "error", "message"),
    [
        ({"unknown": "none"}, ["none"] * 6, ValueError, "Every label in y is unknown='none'"),
        ({"unknown": -1}, ["cat", "dog"] * 3, TypeError, "give labels of one type"),
        ({"false_reject_rate": 1.0}, ["cat", "dog"] * 3, ValueError, "false_reject_rate"),
        ({"criterion": "best"}, ["cat", "dog"] * 3, ValueError, "criterion"),
    ],
)
def test_bad_arguments_are_refused(parameters, y, error, message):
    with pytest.raises(error, match=message):
        OpenSetClassifier(NearestClassMean(), **parameters).fit(np.eye(6, 8), y)
