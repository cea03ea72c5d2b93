import numpy as np
import pytest
from numpy.testing import assert_array_equal
from sklearn import config_context
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression, RidgeClassifier

from skclip import ConformalHead, NearestClassMean
from skclip.exceptions import NoEvidenceWarning
from skclip.selection._left_out import least_score

NAMES = np.array(["cat", "dog", "fox"])


def draw(n, seed=0, noise=0.5):
    rng = np.random.default_rng(seed)
    codes = rng.integers(3, size=n)
    return np.eye(6)[codes] + rng.normal(0, noise, (n, 6)), NAMES[codes]


def coverage(head, X, y):
    return head.predict_set(X)[np.arange(len(y)), np.searchsorted(NAMES, y)].mean()


@pytest.mark.parametrize("calibration", [0.5, "left_out"])
def test_coverage_over_200_draws(calibration):
    X_test, y_test = draw(500, seed=1, noise=0.8)
    found = []
    for seed in range(200):
        head = NearestClassMean(logit_scale=5.0)
        head = ConformalHead(head, confidence=0.9, calibration=calibration, random_state=seed)
        with config_context(assume_finite=True, skip_parameter_validation=True):  # takes longest
            found.append(coverage(head.fit(*draw(80, seed=100 + seed, noise=0.8)), X_test, y_test))
    assert np.mean(found) == pytest.approx(0.9, abs=0.02)


def test_sets_grow_with_the_confidence():
    X, y = draw(200)
    sets = [
        ConformalHead(NearestClassMean(logit_scale=5.0), confidence=c).fit(X, y).predict_set(X)
        for c in (0.5, 0.8, 0.95)
    ]
    assert (sets[0] <= sets[1]).all()
    assert (sets[1] <= sets[2]).all()
    assert sets[0].sum() < sets[2].sum()


def test_the_likeliest_class_is_always_in_the_set():
    X, y = draw(100)
    head = ConformalHead(NearestClassMean(), confidence=0.5).fit(X, y)
    sets = head.predict_set(X)
    assert sets[np.arange(100), np.searchsorted(NAMES, head.predict(X))].all()


def test_only_held_out_images_are_guaranteed():
    X, y = draw(100)
    assert not ConformalHead(NearestClassMean()).fit(X, y).is_guaranteed_
    split = ConformalHead(NearestClassMean(), calibration=0.25, random_state=0).fit(X, y)
    assert split.is_guaranteed_
    assert split.n_calibration_ == 25


def test_a_frozen_head_calibrates_on_all_rows():
    X, y = draw(100)
    inner = NearestClassMean(logit_scale=5.0).fit(X[:50], y[:50])
    head = ConformalHead(FrozenEstimator(inner)).fit(X[50:], y[50:])
    assert head.is_guaranteed_
    assert head.n_calibration_ == 50
    own = inner.predict_proba(X[50:])[np.arange(50), np.searchsorted(NAMES, y[50:])]
    assert head.threshold_ == np.sort(own)[4]


def test_a_class_that_the_head_does_not_know_is_missed():
    X, y = draw(60)
    inner = NearestClassMean(logit_scale=5.0).fit(X[y != "fox"], y[y != "fox"])
    head = ConformalHead(FrozenEstimator(inner), confidence=0.5).fit(X, y)
    sure = ConformalHead(FrozenEstimator(inner), confidence=0.9).fit(X, y)
    assert head.threshold_ > 0
    assert sure.threshold_ == 0
    assert sure.predict_set(X).all()


def test_too_few_images_give_sets_of_all_classes():
    X, y = draw(8)
    with pytest.warns(NoEvidenceWarning, match="too few for one in 20: every set holds all"):
        head = ConformalHead(NearestClassMean(), confidence=0.95).fit(X, y)
    assert head.predict_set(X).all()


def test_labels_may_be_numbers():
    X, y = draw(100)
    head = ConformalHead(LogisticRegression()).fit(X, np.searchsorted(NAMES, y) + 5)
    assert_array_equal(head.classes_, [5, 6, 7])
    assert head.predict_set(X).shape == (100, 3)


@pytest.mark.parametrize("calibration", [0.1, 0.9])
def test_classes_of_one_image_are_no_error(calibration):
    X, y = draw(60)
    y = y.copy()
    y[0] = "owl"
    head = ConformalHead(NearestClassMean(), calibration=calibration, confidence=0.5)
    head.set_params(random_state=0).fit(X, y)
    assert np.isfinite(head.threshold_)


def test_a_head_without_probabilities_is_refused():
    with pytest.raises(ValueError, match=r"needs a head with predict_proba, .* Calibrated"):
        ConformalHead(RidgeClassifier()).fit(*draw(30))


@pytest.mark.parametrize("parameters", [{"confidence": 1.0}, {"calibration": 1.5}])
def test_parameters_out_of_range_are_refused(parameters):
    with pytest.raises(ValueError, match="parameter of ConformalHead must be"):
        ConformalHead(NearestClassMean(), **parameters).fit(*draw(30))


@pytest.mark.parametrize(("n", "rate", "place"), [(19, 0.05, 1), (99, 0.05, 5), (9, 0.1, 1)])
def test_least_score_is_a_rank(n, rate, place):
    assert least_score(np.arange(n)[::-1].astype(float), rate, "x") == place - 1
