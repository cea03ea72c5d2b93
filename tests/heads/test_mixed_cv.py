"""MixedHeadClassifierCV: equals mixing on folds by hand; the choice; few rows; bad input."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold
from sklearn.naive_bayes import GaussianNB

from skclip import MixedHeadClassifier, MixedHeadClassifierCV, ZeroShotClassifier


@pytest.fixture
def task():
    rng = np.random.default_rng(0)
    centers = rng.standard_normal((5, 12))
    text = {c: center + 0.8 * rng.standard_normal(12) for c, center in enumerate(centers)}
    y = np.repeat(np.arange(5), 6)
    return centers[y] + 1.5 * rng.standard_normal((30, 12)), y, text


@pytest.mark.parametrize("space", ["weights", "logits", "proba"])
@pytest.mark.parametrize("calibration", ["none", "regression"])
def test_accuracy_is_that_of_mixtures_fitted_on_the_folds(task, space, calibration):
    X, y, text = task
    params = {"space": space, "calibration": calibration}
    cv = StratifiedKFold(3)
    search = MixedHeadClassifierCV(
        text, LinearDiscriminantAnalysis(), alphas=[0.2, "variance"], sigmas=[1.0], cv=cv, **params
    ).fit(X, y)
    for alpha, accuracy in zip([0.2, "variance"], search.search_results_["accuracy"], strict=True):
        whole = MixedHeadClassifier(text, LinearDiscriminantAnalysis(), alpha=alpha, **params)
        shares = whole.fit(X, y).alpha_
        right = 0
        for train, test in cv.split(X, y):
            fold = MixedHeadClassifier(
                text,
                LinearDiscriminantAnalysis(),
                alpha=lambda counts, shares=shares: shares,
                **params,
            )
            right += (fold.fit(X[train], y[train]).predict(X[test]) == y[test]).sum()
        assert accuracy == pytest.approx(right / len(y))


def test_head_equals_the_plain_one_with_the_choice(task):
    X, y, text = task
    search = MixedHeadClassifierCV(text, LogisticRegression()).fit(X, y)
    plain = MixedHeadClassifier(
        text, LogisticRegression(), alpha=search.best_alpha_, sigma=search.best_sigma_
    )
    assert_allclose(search.decision_function(X), plain.fit(X, y).decision_function(X))


def test_any_classifier_by_its_probabilities(task):
    X, y, text = task
    search = MixedHeadClassifierCV(text, GaussianNB(), space="proba").fit(X, y)
    assert_allclose(search.predict_proba(X).sum(axis=1), 1)


def test_folds_are_lowered_to_the_smallest_class(task):
    X, y, text = task
    rows = np.r_[0:6, 6:8, 12:18]  # six, two and six rows
    assert np.isfinite(MixedHeadClassifierCV(text).fit(X[rows], y[rows]).best_score_)


def test_one_row_a_class_takes_the_default(task):
    X, y, text = task
    search = MixedHeadClassifierCV(text).fit(X[::6], y[::6])
    assert (search.best_alpha_, search.best_sigma_) == ("variance", 1.0)
    assert np.isnan(search.best_score_)


def test_probabilities_have_less_loss_than_at_the_models_scale(task):
    X, y, text = task
    zero_shot = ZeroShotClassifier(text, logit_scale=100.0)
    fitted = MixedHeadClassifierCV(zero_shot).fit(X, y)
    plain = MixedHeadClassifier(zero_shot, alpha=fitted.best_alpha_, sigma=fitted.best_sigma_)
    plain.fit(X, y)
    new = X + 1.5 * np.random.default_rng(1).standard_normal(X.shape)

    def loss(head):
        return -np.log(np.maximum(head.predict_proba(new)[np.arange(len(y)), y], 1e-12)).mean()

    assert loss(fitted) < loss(plain)


def test_bad_input(task):
    X, y, text = task
    with pytest.raises(ValueError, match=r"alphas must hold numbers in \[0, 1\]"):
        MixedHeadClassifierCV(text, alphas=[2.0]).fit(X, y)
    with pytest.raises(ValueError, match="The 'cv' parameter of MixedHeadClassifierCV"):
        MixedHeadClassifierCV(text, cv=1).fit(X, y)
