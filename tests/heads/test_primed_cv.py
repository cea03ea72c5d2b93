"""PrimedNCMClassifierCV: the closed form equals brute force; the choice; bad input."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from skclip import PrimedNCMClassifier, PrimedNCMClassifierCV, PrimingPool
from skclip.heads._mixing import mix
from skclip.heads._primed_cv import _LeftOutRows


@st.composite
def few_shot_tasks(draw):
    """Return (X, y, weight, text, pool or None): up to 4 classes, one of them maybe unseen."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    n_classes, n_features = draw(st.integers(2, 4)), draw(st.integers(3, 6))
    labels = np.array(["a", "b", "c", "d"][:n_classes])
    text = dict(zip(labels.tolist(), rng.standard_normal((n_classes, n_features)), strict=True))
    seen = labels[: draw(st.integers(1, n_classes))]
    y = np.repeat(seen, draw(st.integers(1, 3)))
    X = rng.standard_normal((len(y), n_features))
    weight = rng.choice([1.0, 2.0], len(y))
    pool = None
    if draw(st.booleans()):
        pool = PrimingPool(rng.choice(labels, 7), rng.standard_normal((7, n_features)))
    return X, y, weight, text, pool


@pytest.mark.parametrize("calibration", ["none", "center", "zscore", "regression"])
@given(task=few_shot_tasks(), seed=st.integers(0, 99))
def test_left_out_scores_equal_refitting_without_the_row(calibration, task, seed):
    X, y, weight, text, pool = task
    params = {"retriever": pool, "calibration": calibration}
    head = PrimedNCMClassifierCV(text, **params)
    shots = head._accumulate(X, y, weight)
    rows = _LeftOutRows(head, head.text_head_.weights, shots)
    share = np.random.default_rng(seed).uniform(size=len(text))
    recalled = [] if head.pool_ is None else head.pool_.labels
    eligible = [i for i in range(len(y)) if (y == y[i]).sum() > 1 or y[i] in recalled]
    assert len(rows) == len(eligible)
    scores = [mix(text.T, image.T, share).T for text, image, _, _ in rows.blocks()]
    for at, i in enumerate(eligible):
        rest = np.arange(len(y)) != i
        refitted = PrimedNCMClassifier(text, alpha=lambda counts: share, **params)
        args = (X[rest], y[rest], weight[rest]) if rest.any() else ()
        expected = refitted.fit(*args)._validated_scores(X[i : i + 1])[0]
        assert_allclose(scores[0][at], expected, rtol=1e-6, atol=1e-6)


@pytest.fixture
def task():
    """Text that points the right way, ten classes, four rows each."""
    rng = np.random.default_rng(0)
    centers = rng.standard_normal((10, 20))
    text = {c: center + 0.8 * rng.standard_normal(20) for c, center in enumerate(centers)}
    y = np.repeat(np.arange(10), 4)
    return centers[y] + 1.5 * rng.standard_normal((40, 20)), y, text


def test_accuracies_equal_brute_force(task):
    X, y, text = task
    head = PrimedNCMClassifierCV(text, alphas=[0.0, 0.5, "variance"], sigmas=[0.5, 2.0]).fit(X, y)
    results = head.search_results_
    assert results["alpha"] == [0.0, 0.5, "variance", "variance"]
    assert results["sigma"] == [None, None, 0.5, 2.0]
    for alpha, sigma, accuracy in zip(*results.values(), strict=True):
        shares = PrimedNCMClassifier(text, alpha=alpha, sigma=sigma).fit(X, y).alpha_
        right = 0
        for i in range(len(y)):
            rest = np.arange(len(y)) != i
            refitted = PrimedNCMClassifier(text, alpha=lambda counts, shares=shares: shares)
            right += refitted.fit(X[rest], y[rest]).predict(X[i : i + 1])[0] == y[i]
        assert accuracy == pytest.approx(right / len(y))


def test_the_smaller_count_of_a_left_out_class_betrays_nothing():
    """With shares computed anew, own classes alone would be text here, and win by its scale."""
    rng = np.random.default_rng(0)
    X, y = rng.standard_normal((40, 30)), np.repeat(np.arange(10), 4)  # nothing to learn
    text = {c: rng.standard_normal(30) for c in range(10)}
    head = PrimedNCMClassifierCV(text, alphas=["exponential"], sigmas=[0.02]).fit(X, y)
    assert max(head.search_results_["accuracy"]) < 0.4


def test_default_stays_when_no_other_is_clearly_better(task):
    X, y, text = task
    head = PrimedNCMClassifierCV(text, alphas=["variance"], sigmas=[1.0, 1.2]).fit(X, y)
    assert (head.best_alpha_, head.best_sigma_) == ("variance", 1.0)
    assert head.best_score_ == pytest.approx(head.search_results_["accuracy"][0])


def test_default_goes_when_another_is_clearly_better(task, monkeypatch):
    X, y, text = task
    misleading = dict(zip(text, [text[c] for c in np.roll(list(text), 1)], strict=True))
    for module in ("_share_search", "_primed_cv"):
        monkeypatch.setattr(f"skclip.heads.{module}.DEFAULT", (1.0, None))
    head = PrimedNCMClassifierCV(misleading, alphas=[0.0, 0.9]).fit(X, y)
    assert head.best_alpha_ == 0.0
    assert head.best_score_ == max(head.search_results_["accuracy"])


def test_head_equals_the_plain_one_with_the_choice(task):
    X, y, text = task
    head = PrimedNCMClassifierCV(text, alphas=[0.25, 0.75]).fit(X, y)
    plain = PrimedNCMClassifier(text, alpha=head.best_alpha_, sigma=head.best_sigma_).fit(X, y)
    assert_allclose(head.coef_, plain.coef_)


def test_one_row_a_class_takes_the_default(task):
    X, y, text = task
    head = PrimedNCMClassifierCV(text).fit(X[::4], y[::4])
    assert (head.best_alpha_, head.best_sigma_) == ("variance", 1.0)
    assert np.isnan(head.best_score_)
    assert head.logit_scale_ == 100


def test_logit_scale_has_the_least_left_out_loss(task):
    X, y, text = task
    head = PrimedNCMClassifierCV(text).fit(X, y)
    rows = _LeftOutRows(head, head.text_head_.weights, head._accumulate(X, y, None))
    text_scores, image_scores, _, _ = next(rows.blocks())
    scores = mix(text_scores.T, image_scores.T, head.alpha_).T

    def loss(scale):
        logits = scale * scores - (scale * scores).max(axis=1, keepdims=True)
        return -(logits[np.arange(40), y] - np.log(np.exp(logits).sum(axis=1))).mean()

    best = loss(head.logit_scale_)
    assert best <= min(loss(head.logit_scale_ * f) for f in (0.5, 0.9, 1.1, 2.0)) + 1e-9


def test_given_logit_scale_is_kept(task):
    X, y, text = task
    assert PrimedNCMClassifierCV(text, logit_scale=3.0).fit(X, y).logit_scale_ == 3


def test_blocks_do_not_change_the_choice(task, monkeypatch):
    X, y, text = task
    X, y = np.tile(X, (20, 1)), np.tile(y, 20)
    whole = PrimedNCMClassifierCV(text).fit(X, y).search_results_
    monkeypatch.setattr("skclip._linalg.BLOCK_ELEMENTS", 1)
    assert_array_equal(
        PrimedNCMClassifierCV(text).fit(X, y).search_results_["accuracy"], whole["accuracy"]
    )


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"alphas": [0.5, 1.5]}, r"alphas must hold numbers in \[0, 1\] .* got \[1.5\]"),
        ({"alphas": ["linear"]}, "got \\['linear'\\]"),
        ({"alphas": []}, "got nothing"),
        ({"sigmas": [1.0, 0.0]}, "sigmas must hold positive numbers"),
    ],
)
def test_bad_input(task, params, message):
    X, y, text = task
    with pytest.raises(ValueError, match=message):
        PrimedNCMClassifierCV(text, **params).fit(X, y)
