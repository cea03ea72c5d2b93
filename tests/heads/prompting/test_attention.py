"""Scores by attention over prompts against class weights written out image by image."""

import numpy as np
import pytest
from hypothesis import given, strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from skclip.heads._prompting import _attention
from skclip.heads._prompting._attention import (
    ClassPrompts,
    class_groups,
    mean_weights,
    prompt_scores,
)


def unit(rows):
    return rows / np.linalg.norm(rows, axis=-1, keepdims=True)


def random_case(seed, counts, n_images=7, n_features=5, dtype=np.float64):
    rng = np.random.default_rng(seed)
    counts = np.asarray(counts)
    shapes = [(n_images, n_features), (n_images, n_features), (len(counts), n_features)]
    images, queries, text, rows = (
        unit(rng.standard_normal(shape)).astype(dtype)
        for shape in [*shapes, (counts.sum(), n_features)]
    )
    return images, queries, ClassPrompts(text, rows, counts)


def written_out(images, queries, prompts, gamma, temperature):
    """Form every class weight of every image."""
    ends = np.cumsum(prompts.counts)
    scores = np.empty((len(images), len(ends)))
    for i, (x, q) in enumerate(zip(images, queries, strict=True)):
        for c, (count, end) in enumerate(zip(prompts.counts, ends, strict=True)):
            weight = prompts.text[c]
            if count:
                own = prompts.rows[end - count : end]
                attention = np.exp(own @ q / temperature)
                weight = unit(weight + gamma * unit(attention @ own / attention.sum()))
            scores[i, c] = x @ weight
    return scores


COUNTS = st.lists(st.integers(0, 9), min_size=1, max_size=6).filter(any)


@given(
    seed=st.integers(0, 1000),
    counts=COUNTS,
    n_images=st.integers(1, 30),
    gamma=st.floats(0, 4),
    temperature=st.floats(0.02, 10),
    block=st.sampled_from([1, 10, 1 << 22]),
)
def test_scores_are_those_of_weights_written_out(seed, counts, n_images, gamma, temperature, block):
    images, queries, prompts = random_case(seed, counts, n_images)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_attention, "BLOCK_ELEMENTS", block)
        scores = prompt_scores(images, queries, prompts, gamma=gamma, temperature=temperature)
    expected = written_out(images, queries, prompts, gamma, temperature)
    assert_allclose(scores, expected, atol=1e-9)


@given(seed=st.integers(0, 1000), counts=COUNTS)
def test_gamma_zero_is_the_template_to_the_last_bit(seed, counts):
    images, queries, prompts = random_case(seed, counts, dtype=np.float32)
    scores = prompt_scores(images, queries, prompts, gamma=0, temperature=0.01)
    assert_array_equal(scores, images @ prompts.text.T)
    assert_array_equal(mean_weights(prompts, 0), prompts.text)


def test_infinite_temperature_is_the_mean():
    images, queries, prompts = random_case(0, [3, 1, 0, 5])
    scores = prompt_scores(images, queries, prompts, gamma=0.7, temperature=np.inf)
    assert_allclose(scores, images @ mean_weights(prompts, 0.7).T, atol=1e-12)


def test_zero_temperature_is_the_best_prompt():
    images, queries, prompts = random_case(0, [3, 4])
    scores = prompt_scores(images, queries, prompts, gamma=2.0, temperature=0)
    for i, (x, q) in enumerate(zip(images, queries, strict=True)):
        best = [own[(own @ q).argmax()] for own in np.split(prompts.rows, [3])]
        assert_allclose(scores[i], unit(prompts.text + 2 * np.stack(best)) @ x, atol=1e-12)


def test_low_temperatures_neither_over_nor_underflow():
    images, queries, prompts = random_case(1, [4, 2], dtype=np.float32)
    scores = prompt_scores(images, queries, prompts, gamma=1.0, temperature=1e-6)
    limit = prompt_scores(images, queries, prompts, gamma=1.0, temperature=0)
    assert_allclose(scores, limit, atol=1e-5)


def test_prompts_that_cancel_leave_the_template():
    text = np.array([[0.6, 0.8]])
    prompts = ClassPrompts(text, np.array([[1.0, 0.0], [-1.0, 0.0]]), np.array([2]))
    images = np.array([[0.0, 1.0]])
    scores = prompt_scores(images, images, prompts, gamma=1.0, temperature=1.0)
    assert_allclose(scores, [[0.8]])
    assert_allclose(mean_weights(prompts, 1.0), text)


def test_template_may_be_missing():
    prompts = ClassPrompts(np.zeros((1, 2)), np.array([[0.6, 0.8]]), np.array([1]))
    images = np.array([[1.0, 0.0]])
    scores = prompt_scores(images, images, prompts, gamma=0.5, temperature=1.0)
    assert_allclose(scores, [[0.6]])


@given(counts=COUNTS)
def test_groups_hold_every_prompt_once(counts):
    counts = np.asarray(counts)
    owner = np.repeat(np.arange(len(counts)), counts)
    seen = []
    for classes, rows in class_groups(counts):
        assert_array_equal(owner[rows], np.broadcast_to(classes[:, None], rows.shape))
        seen += rows.ravel().tolist()
    assert sorted(seen) == list(range(counts.sum()))


def test_text_of_some_classes():
    _, _, prompts = random_case(0, [2, 0, 3])
    some = prompts.of(np.array([0, 2]))
    assert_array_equal(some.rows, prompts.rows)
    assert_array_equal(some.counts, [2, 3])
    assert_array_equal(prompts.of(np.array([2])).rows, prompts.rows[2:])
