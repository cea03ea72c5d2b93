"""Training of the generator: the loss against numpy, its gradient against differences."""

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from scipy.special import log_softmax

from skclip.heads._prompting import _prompt_loss
from skclip.heads._prompting._attention import ClassPrompts, prompt_scores
from skclip.heads._prompting._generator import (
    Generator,
    TrainingParameters,
    generate,
    held_out,
    initial_weights,
    train_generator,
)
from skclip.heads._prompting._prompt_loss import LabelledRows, LossParameters, PromptLoss

LOSS = LossParameters(
    gamma=0.7,
    temperature=0.3,
    logit_scale=5.0,
    distillation=0.8,
    reward=0.4,
    mixes_image=True,
)
PARAMETERS = TrainingParameters(
    LOSS,
    hidden_size=3,
    learning_rate=0.01,
    weight_decay=0.01,
    batch_size=4,
    max_epochs=5,
    patience=2,
    device="cpu",
)
# as many prompts as features, fewer (twice), more, one, and none
COUNTS = np.array([4, 2, 7, 1, 0, 2])


def unit(rows):
    return rows / np.linalg.norm(rows, axis=-1, keepdims=True)


def random_prompts(seed=0, counts=COUNTS, n_features=4):
    rng = np.random.default_rng(seed)
    text = unit(rng.standard_normal((len(counts), n_features)))
    return ClassPrompts(text, unit(rng.standard_normal((counts.sum(), n_features))), counts)


def random_rows(seed=1, n=12, n_classes=6, n_features=4):
    rng = np.random.default_rng(seed)
    X = unit(rng.standard_normal((n, n_features)))
    return LabelledRows(X, np.arange(n) % n_classes, rng.uniform(0.5, 2, n))


def random_weights(seed=2, n_features=4, hidden=3):
    rng = np.random.default_rng(seed)
    shapes = [(n_features, hidden), hidden, (hidden, n_features), n_features]
    return [rng.standard_normal(shape) for shape in [*shapes, *[(n_features, hidden)] * 2]]


def loss_by_numpy(rows, prompts, weights, parameters):
    """The formula, image by image."""
    p = generate(rows.X, Generator(*weights[:4]))
    scored = unit(rows.X + parameters.gamma * p) if parameters.mixes_image else rows.X
    scores = prompt_scores(
        scored, p, prompts, gamma=parameters.gamma, temperature=parameters.temperature
    )
    task = -log_softmax(parameters.logit_scale * scores, axis=1)
    losses, ends = [], np.cumsum(prompts.counts)
    for i, (x, y) in enumerate(zip(rows.X, rows.codes, strict=True)):
        loss = task[i, y]
        own = prompts.rows[ends[y] - prompts.counts[y] : ends[y]]
        if len(own):
            attention = np.exp((own @ weights[5]) @ (x @ weights[4]) / parameters.temperature)
            summary = unit(attention @ own)
            loss += parameters.distillation * (1 - p[i] @ summary)
            loss -= parameters.reward * (x @ summary)
        losses.append(loss)
    return np.average(losses, weights=rows.weight)


def loss_and_gradient(rows, prompts, parameters, weights):
    loss = PromptLoss(prompts, parameters, "cpu", torch.float64)
    value, _, gradient = loss(loss.rows(rows), [torch.tensor(w) for w in weights])
    return value, [g.numpy() for g in gradient]


@pytest.mark.parametrize("mixes_image", [True, False])
def test_loss_is_the_formula(mixes_image):
    parameters = LOSS._replace(mixes_image=mixes_image)
    rows, prompts, weights = random_rows(), random_prompts(), random_weights()
    ours, _ = loss_and_gradient(rows, prompts, parameters, weights)
    assert ours == pytest.approx(loss_by_numpy(rows, prompts, weights, parameters))


@pytest.mark.parametrize("mixes_image", [True, False])
def test_gradient_is_that_of_differences_of_the_formula(mixes_image):
    parameters = LOSS._replace(mixes_image=mixes_image)
    rows, prompts, weights = random_rows(), random_prompts(), random_weights()
    _, gradient = loss_and_gradient(rows, prompts, parameters, weights)
    for number, ours in enumerate(gradient):
        by_differences = np.empty_like(weights[number])
        for at in np.ndindex(by_differences.shape):
            moved = []
            for step in (1e-6, -1e-6):
                stepped = [w.copy() for w in weights]
                stepped[number][at] += step
                moved.append(loss_by_numpy(rows, prompts, stepped, parameters))
            by_differences[at] = (moved[0] - moved[1]) / 2e-6
        assert_allclose(ours, by_differences, rtol=1e-5, atol=1e-7)


def test_generator_starts_as_nothing_and_aggregator_as_attention():
    prompts, rows = random_prompts(), random_rows()
    weights = initial_weights(prompts, 4, np.random.RandomState(0))
    assert_allclose(generate(rows.X, Generator(*weights[:4])), rows.X, atol=1e-6)
    own = prompts.rows[:4]
    attention = np.exp(own @ rows.X[0] / LOSS.temperature)
    first = LabelledRows(*(a[:1] for a in rows))
    loss = PromptLoss(prompts, LOSS, "cpu", torch.float32)
    _, distance, _ = loss(loss.rows(first), [torch.tensor(w) for w in weights])
    assert distance == pytest.approx(1 - rows.X[0] @ unit(attention @ own), abs=1e-5)


def train(rows, *, validation=None, seed=0, prompts=None, stop=lambda *_: False, **changes):
    return train_generator(
        rows,
        validation,
        prompts or random_prompts(),
        PARAMETERS._replace(**changes),
        np.random.RandomState(seed),
        stop,
    )


def test_training_lowers_the_loss_and_repeats_itself():
    generator, history = train(random_rows(), max_epochs=20)
    again, _ = train(random_rows(), max_epochs=20)
    other, _ = train(random_rows(), max_epochs=20, seed=1)
    assert history.loss[-1] < history.loss[0] - 0.1
    assert len(history.loss) == history.best_epoch == 20
    for ours, same in zip(generator, again, strict=True):
        assert_array_equal(ours, same)
    assert not np.array_equal(generator.output, other.output)


def test_steps_are_those_of_adamw():
    rows, prompts = random_rows(n_features=8), random_prompts(n_features=8)
    generator, _ = train(rows, prompts=prompts, max_epochs=1, batch_size=12)
    random_state = np.random.RandomState(0)
    weights = [
        torch.tensor(w, requires_grad=True) for w in initial_weights(prompts, 3, random_state)
    ]
    optimizer = torch.optim.AdamW(weights, lr=0.01, weight_decay=0.01, foreach=False)
    loss = PromptLoss(prompts, LOSS, "cpu", torch.float32)
    for _ in range(10):  # the order of the rows does not matter in a step of all
        with torch.no_grad():
            gradient = loss(loss.rows(rows), weights)[2]
        for w, by_weight in zip(weights, gradient, strict=True):
            w.grad = by_weight.clone(memory_format=torch.preserve_format)
        optimizer.step()
    for ours, expected in zip(generator, weights[:4], strict=True):
        assert_allclose(ours, expected.detach().numpy(), atol=1e-5)


def test_state_of_torch_is_left_alone():
    before = torch.random.get_rng_state()
    train(random_rows())
    assert torch.equal(torch.random.get_rng_state(), before)


def test_best_epoch_is_taken_and_patience_ends_training():
    rows = random_rows(n=30)
    wrong = rows._replace(codes=(rows.codes + 1) % 6)  # what is learned makes these worse
    generators = []
    generator, history = train(
        rows,
        validation=wrong,
        max_epochs=50,
        stop=lambda epoch, now: bool(generators.append(now())),
    )
    best = int(np.argmax(history.validation))
    assert history.best_epoch == best + 1
    assert len(history.validation) == min(50, best + 1 + PARAMETERS.patience)
    assert_array_equal(generator.output, generators[best].output)


def test_listener_ends_training():
    _, history = train(random_rows(), stop=lambda epoch, _: epoch == 1)
    assert len(history.loss) == 2


def test_few_rows_are_shown_several_times_an_epoch(monkeypatch):
    seen = []
    original = PromptLoss.__call__

    def counting(self, rows, weights):
        seen.append(len(rows.x))
        return original(self, rows, weights)

    monkeypatch.setattr(PromptLoss, "__call__", counting)
    train(random_rows(n=6), max_epochs=1)
    assert (len(seen), sum(seen)) == (10, 7 * 6)
    seen.clear()
    train(random_rows(n=100), max_epochs=1)
    assert (len(seen), set(seen)) == (25, {4})


def test_weight_of_a_row_is_its_part_in_the_loss():
    rows, prompts, weights = random_rows(), random_prompts(), random_weights()
    double = rows._replace(weight=np.where(np.arange(12) == 3, 2.0, 1.0))
    repeated = LabelledRows(
        np.vstack([rows.X, rows.X[3]]), np.append(rows.codes, rows.codes[3]), np.ones(13)
    )
    ours, theirs = (loss_and_gradient(r, prompts, LOSS, weights)[0] for r in (double, repeated))
    assert ours == pytest.approx(theirs)


def test_class_without_prompts_is_not_distilled():
    prompts, weights = random_prompts(), random_weights()
    bare = LabelledRows(random_rows().X[:3], np.full(3, 4), np.ones(3))
    loss = PromptLoss(prompts, LOSS, "cpu", torch.float64)
    _, distance, gradient = loss(loss.rows(bare), [torch.tensor(w) for w in weights])
    assert distance == 0
    assert not any(g.any() for g in gradient[4:])


def test_cosines_that_are_not_kept_change_nothing(monkeypatch):
    rows, prompts, weights = random_rows(), random_prompts(), random_weights()
    kept = loss_and_gradient(rows, prompts, LOSS, weights)
    monkeypatch.setattr(_prompt_loss, "KEPT_COSINES", 0)
    value, gradient = loss_and_gradient(rows, prompts, LOSS, weights)
    assert value == pytest.approx(kept[0])
    for ours, same in zip(gradient, kept[1], strict=True):
        assert_allclose(ours, same, rtol=1e-10, atol=1e-14)


def test_held_out_rows_are_a_part_of_each_class():
    codes = np.repeat([0, 1, 2], [10, 5, 4])
    rows = LabelledRows(np.arange(19.0)[:, None], codes, np.ones(19))
    kept, part = held_out(rows, 0.2, np.random.RandomState(0))
    assert_array_equal(np.bincount(part.codes, minlength=3), [2, 1, 0])
    assert_array_equal(np.sort(np.append(kept.X, part.X)), np.arange(19))
    assert_array_equal(codes[part.X[:, 0].astype(int)], part.codes)
    few = LabelledRows(*(a[-4:] for a in rows))
    assert held_out(few, 0.2, np.random.RandomState(0)) == (few, None)
