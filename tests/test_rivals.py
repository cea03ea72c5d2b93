"""Exact limits of the rivals that stand in the benchmarks."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from benchmarks.rivals.constrained_probe import ConstrainedProbeClassifier
from benchmarks.rivals.lp_plus_plus import LPPlusPlusClassifier
from benchmarks.rivals.text_rows import TextRowsDiscriminant
from skclip import GaussianDiscriminantClassifier, ZeroShotClassifier
from tests.heads.adapters.data import NAMES, task

X, Y, TEXT = task(6)
ROWS = np.stack(list(TEXT.values()))
NEW = task(seed=1)[0]


def test_a_probe_that_is_held_tight_is_zero_shot():
    head = ConstrainedProbeClassifier(TEXT, penalty=1e6).fit(X, Y)
    assert_array_equal(head.predict(NEW), ZeroShotClassifier(TEXT).fit().predict(NEW))


def test_a_probe_without_penalty_learns_its_images_by_heart():
    assert ConstrainedProbeClassifier(TEXT, penalty=0.0).fit(X, Y).score(X, Y) == 1


def test_text_rows_as_images_pull_a_probe_to_them():
    apart = ConstrainedProbeClassifier(TEXT, penalty=0.0).fit(X, Y)
    joint = ConstrainedProbeClassifier(TEXT, penalty=0.0, cross_modal=True).fit(X, Y)
    assert joint.score(ROWS, NAMES) == 1 >= apart.score(ROWS, NAMES)


def test_without_steps_the_second_probe_is_sums_and_text():
    head = LPPlusPlusClassifier(TEXT, steps=0).fit(X, Y)
    sums = np.stack([X[name == Y].sum(axis=0) for name in NAMES])
    own = [np.mean(X[name == Y] @ TEXT[name]) for name in NAMES]
    expected = NEW @ (sums + 250 * np.mean(own) * ROWS).T
    assert_allclose(head.logit_scale_ * head.decision_function(NEW), expected)


def test_steps_make_the_labels_likelier():
    heads = [LPPlusPlusClassifier(TEXT, steps=n).fit(X, Y) for n in (0, 300)]
    own = [head.predict_proba(X)[np.arange(len(X)), np.searchsorted(NAMES, Y)] for head in heads]
    assert np.log(own[1]).mean() > np.log(own[0]).mean()


def test_text_rows_of_no_weight_change_nothing():
    head = TextRowsDiscriminant(TEXT, text_weight=1e-9).fit(X, Y)
    expected = GaussianDiscriminantClassifier().fit(X, Y)
    assert_array_equal(head.predict(NEW), expected.predict(NEW))


@pytest.mark.parametrize(
    "head", [ConstrainedProbeClassifier(TEXT), LPPlusPlusClassifier(TEXT, steps=10)]
)
def test_weights_are_frequencies(head):
    weight = np.random.default_rng(0).integers(1, 3, len(X))
    weighted = head.fit(X, Y, sample_weight=weight).decision_function(NEW)
    if isinstance(head, LPPlusPlusClassifier):
        weighted = weighted.argmax(axis=1)
        repeated = head.fit(np.repeat(X, weight, axis=0), np.repeat(Y, weight))
        assert np.mean(repeated.decision_function(NEW).argmax(axis=1) == weighted) > 0.9
        return
    repeated = head.fit(np.repeat(X, weight, axis=0), np.repeat(Y, weight))
    assert_allclose(repeated.decision_function(NEW), weighted, atol=1e-3)


@pytest.mark.parametrize("setting", [{"penalty": "folds"}, {"penalty": 1.0}])
def test_folds_choose_among_published_values(setting):
    head = ConstrainedProbeClassifier(TEXT, **setting).fit(X, Y)
    assert head.penalty_ in (0.1, 1.0, 10.0)
    assert head.score(X, Y) >= ZeroShotClassifier(TEXT).fit().score(X, Y)
