"""The constrained probe (CLAP): convex loss, limits of the penalty, folds."""

import numpy as np
import pytest
from scipy.optimize import check_grad, minimize
from scipy.special import log_softmax, softmax

from skclip import ConstrainedProbeClassifier, ZeroShotClassifier
from skclip.heads._adapters._beside_text import LabelledImages
from skclip.heads._adapters._constrained_probe import constrained_rows, own_confidence
from tests.heads.adapters.data import NAMES, task

X, Y, TEXT = task()
CODES = np.searchsorted(NAMES, Y)
ROWS = np.stack([TEXT[name] for name in NAMES])
IMAGES = LabelledImages(X, CODES, np.random.default_rng(0).uniform(0.5, 2, len(X)))


def loss_of(W, penalty, scale=100.0, images=IMAGES):
    """The formula, one image after the other."""
    cross_entropy = 0.0
    for x, code, weight in zip(*images, strict=True):
        cross_entropy -= weight * log_softmax(scale * W @ x)[code]
    held = 0.0
    for c, row in enumerate(ROWS):
        own = images.codes == c
        sure = [softmax(scale * ROWS @ x)[c] for x in images.X[own]]
        held += penalty * np.average(sure, weights=images.weight[own]) * np.sum((W[c] - row) ** 2)
    return cross_entropy / images.weight.sum() + held / len(ROWS)


def test_no_step_away_from_the_rows_lowers_the_loss():
    hold = 0.7 * own_confidence(IMAGES, ROWS, 100.0)
    rows, n_iter = constrained_rows(IMAGES, ROWS, hold, 100.0, 1000)
    best = minimize(
        lambda flat: loss_of(flat.reshape(ROWS.shape), 0.7), rows.ravel(), options={"maxiter": 30}
    )
    assert 1 < n_iter < 1000
    assert loss_of(rows, 0.7) == pytest.approx(best.fun, rel=1e-4)


def test_the_gradient_is_that_of_the_loss(monkeypatch):
    def spy(loss, start, **_):
        at = start + 0.05 * np.random.default_rng(1).standard_normal(len(start))
        error = check_grad(lambda w: loss(w)[0], lambda w: loss(w)[1], at)
        assert error < 1e-4 * np.linalg.norm(loss(at)[1])
        return minimize(loss, start, jac=True)

    monkeypatch.setattr("skclip.heads._adapters._constrained_probe.minimize", spy)
    rows, _ = constrained_rows(IMAGES, ROWS, np.ones(4), 10.0, 10)
    assert rows.shape == ROWS.shape


def test_a_large_penalty_is_the_text():
    head = ConstrainedProbeClassifier(TEXT, penalty=1e9).fit(X, Y)
    np.testing.assert_allclose(head.coef_, ROWS, atol=1e-3)
    np.testing.assert_array_equal(head.predict(X), ZeroShotClassifier(TEXT).fit().predict(X))


def test_without_a_penalty_every_labelled_image_is_right():
    assert ConstrainedProbeClassifier(TEXT, penalty=0).fit(X, Y).score(X, Y) == 1


def test_labels_move_the_head_away_from_wrong_text():
    rows, labels, _ = task(4, noise=0.3)
    other = task(4, noise=0.3, seed=9)[2]
    assert ZeroShotClassifier(other).fit().score(rows, labels) < 0.6
    assert ConstrainedProbeClassifier(other).fit(rows, labels).score(rows, labels) == 1


@pytest.mark.parametrize("settings", [{}, {"cross_modal": True}, {"penalty": "folds"}])
def test_a_class_without_images_keeps_its_text(settings):
    kept = Y != "dog"
    head = ConstrainedProbeClassifier(TEXT, **settings).fit(X[kept], Y[kept])
    assert head.classes_.tolist() == NAMES
    assert head.predict([TEXT["dog"]]) == ["dog"]


def test_a_class_with_neither_image_nor_text_is_never_predicted():
    head = ConstrainedProbeClassifier(classes=[*NAMES, "eel"]).fit(X, Y)
    assert head.intercept_.tolist() == [0, 0, 0, 0, -np.inf]
    assert not (head.predict(np.concatenate([X, -X])) == "eel").any()


def test_text_rows_count_as_images_across_modes():
    text_rows = np.concatenate([X, ROWS])
    by_hand = ConstrainedProbeClassifier(TEXT, penalty=0, max_iter=5)
    by_hand.fit(text_rows, np.concatenate([Y, NAMES]))
    across = ConstrainedProbeClassifier(TEXT, penalty=0, max_iter=5, cross_modal=True).fit(X, Y)
    np.testing.assert_allclose(across.coef_, by_hand.coef_, atol=1e-9)


def test_weights_are_repetitions():
    weight = np.random.default_rng(0).integers(0, 3, len(X))
    weighted = ConstrainedProbeClassifier(TEXT).fit(X, Y, sample_weight=weight)
    repeated = ConstrainedProbeClassifier(TEXT)
    repeated.fit(np.repeat(X, weight, axis=0), np.repeat(Y, weight))
    np.testing.assert_allclose(weighted.coef_, repeated.coef_, atol=1e-6)


def test_folds_take_the_penalty_of_the_least_left_out_loss():
    rank = np.tile(np.arange(6), 4)
    losses = {}
    for penalty in (1.0, 0.1, 10.0):
        losses[penalty] = 0.0
        for fold in range(3):
            out = rank % 3 == fold
            head = ConstrainedProbeClassifier(TEXT, penalty=penalty)
            # distinct images are sorted before they are dealt to folds
            order = np.lexsort((X[:, 0], X[:, 6], X[:, -1], CODES))
            rows, labels = X[order], Y[order]
            head.fit(rows[~out], labels[~out])
            log_proba = head.predict_log_proba(rows[out])
            losses[penalty] -= log_proba[np.arange(out.sum()), CODES[order][out]].sum()
    head = ConstrainedProbeClassifier(TEXT, penalty="folds").fit(X, Y)
    assert head.penalty_ == min(losses, key=losses.get)


def test_folds_of_one_image_per_class_take_the_published_penalty():
    rows, labels, text = task(1)
    head = ConstrainedProbeClassifier(text, penalty="folds").fit(rows, labels)
    assert head.penalty_ == 1


def test_nothing_to_learn_from_is_named():
    with pytest.raises(ValueError, match="No row of the 2 given to ConstrainedProbeClassifier"):
        ConstrainedProbeClassifier(TEXT).fit(np.zeros((2, X.shape[1])), ["ant", "bee"])


@pytest.mark.parametrize("wrong", [{"penalty": -1}, {"penalty": "loo"}, {"max_iter": 0}])
def test_bad_parameters_are_named(wrong):
    with pytest.raises(ValueError, match=f"'{next(iter(wrong))}' parameter of Constrained"):
        ConstrainedProbeClassifier(TEXT, **wrong).fit(X, Y)
