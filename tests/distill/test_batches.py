"""Which pairs a step sees."""

import pickle

import numpy as np
from hypothesis import given, strategies as st

from skclip.distill._batches import Plan


def epoch_of(plan, number):
    steps = range(number * plan.steps_per_epoch, (number + 1) * plan.steps_per_epoch)
    return [plan.pairs(step) for step in steps]


@given(st.lists(st.integers(1, 5), min_size=3, max_size=12), st.integers(1, 3), st.integers(0, 99))
def test_an_epoch_has_every_image_once(n_captions, n_batch, seed):
    image_of = np.repeat(np.arange(len(n_captions)), n_captions)
    plan = Plan(np.random.default_rng(seed).permutation(image_of), n_batch, seed)
    shuffled = np.random.default_rng(seed).permutation(image_of)
    for number in range(3):
        seen = shuffled[np.concatenate(epoch_of(plan, number))]
        assert len(np.unique(seen)) == len(seen) == len(n_captions) // n_batch * n_batch


def test_captions_of_an_image_take_turns():
    plan = Plan(np.array([0, 0, 0, 1, 1]), n_batch=2, seed=0)
    seen = np.sort([np.concatenate(epoch_of(plan, number)) for number in range(6)], axis=1)
    assert sorted(seen[:3, 0]) == sorted(seen[3:, 0]) == [0, 1, 2]
    assert sorted(seen[:2, 1]) == [3, 4]


def test_epochs_differ_in_order():
    plan = Plan(np.arange(100), n_batch=100, seed=0)
    assert (plan.pairs(0) != plan.pairs(1)).any()


def test_a_step_depends_on_seed_and_number_alone():
    plan = Plan(np.arange(20), n_batch=6, seed=3)
    steps = [plan.pairs(step) for step in range(7)]
    again = pickle.loads(pickle.dumps(plan))
    np.testing.assert_array_equal(again.pairs(6), steps[6])
    assert (Plan(np.arange(20), n_batch=6, seed=4).pairs(0) != steps[0]).any()
