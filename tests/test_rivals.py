"""Exact limits of the rivals that stand in the benchmarks."""

import numpy as np
from numpy.testing import assert_allclose, assert_array_equal

from benchmarks.rivals.lp_plus_plus import LPPlusPlusClassifier
from benchmarks.rivals.text_rows import TextRowsDiscriminant
from skclip import GaussianDiscriminantClassifier
from tests.heads.adapters.data import NAMES, task

X, Y, TEXT = task(6)
ROWS = np.stack(list(TEXT.values()))
NEW = task(seed=1)[0]


def test_without_steps_the_probe_is_sums_and_text():
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


def test_weights_are_frequencies():
    weight = np.random.default_rng(0).integers(1, 3, len(X))
    head = LPPlusPlusClassifier(TEXT, steps=10)
    weighted = head.fit(X, Y, sample_weight=weight).predict(NEW)
    repeated = head.fit(np.repeat(X, weight, axis=0), np.repeat(Y, weight))
    assert np.mean(repeated.predict(NEW) == weighted) > 0.9
