"""A step beside the plain loop one writes by hand."""

import math
from dataclasses import replace
from functools import partial

import numpy as np
import open_clip
import pytest
import torch
from torch.nn.functional import normalize

from skclip.distill._banks import Banks
from skclip.distill._learner import Hyperparameters, make_learner
from skclip.distill._neighbors import Guides
from skclip.distill._student import find_architecture
from tests.distill.conftest import SMALL

HOW = Hyperparameters(
    n_steps=6,
    learning_rate=1e-2,
    weight_decay=0.1,
    warmup=0.3,
    clip_grad_norm=1.0,
    accumulate=1,
    ema_decay=None,
    lambda_nn=0.0,
    lambda_xnn=0.0,
    dtype="float32",
    device="cpu",
    compile=False,
)
TOKENS = torch.randint(1, 49408, (8, 12), generator=torch.Generator().manual_seed(0))


@pytest.fixture
def batches():
    generator = torch.Generator().manual_seed(1)
    return [torch.randn(8, 3, 16, 16, generator=generator) for _ in range(HOW.n_steps)]


@pytest.fixture
def banks():
    rng = np.random.default_rng(0)
    guides = Guides(rng.integers(8, size=(2, 8)), rng.integers(8, size=(2, 8)))
    image, text = rng.normal(size=(8, 10)), rng.normal(size=(8, 6))
    return Banks(image.astype(np.float16), text.astype(np.float16), guides)


def rows_of(banks):
    gathered = banks.gather(np.arange(8))
    return tuple(torch.from_numpy(gathered[key]) for key in ("image_rows", "text_rows"))


def learn(how, batches, banks=None):
    torch.manual_seed(0)
    learner = make_learner(find_architecture(SMALL), TOKENS, banks, how)
    rows = None if banks is None else rows_of(banks)
    for images in batches:
        learner.step(images, TOKENS, rows)
    return learner


def plain_clip(batches):
    """CLIP training as one writes it with open_clip and torch."""
    torch.manual_seed(0)
    model = find_architecture(SMALL).create_model()
    unread = torch.ones(49408, dtype=torch.bool)
    unread[TOKENS.flatten()] = False
    with torch.no_grad():
        model.token_embedding.weight[unread] = 0
    matrices = [p for n, p in model.named_parameters() if p.ndim > 1 and "embedding" not in n]
    others = [p for n, p in model.named_parameters() if p.ndim < 2 or "embedding" in n]
    groups = [{"params": matrices, "weight_decay": 0.1}, {"params": others, "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, lr=1e-2, betas=(0.9, 0.98), eps=1e-6, fused=True)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, 1e-2, total_steps=6, pct_start=0.3, cycle_momentum=False
    )
    loss_of = open_clip.ClipLoss()
    for images in batches:
        loss = loss_of(*model(images.contiguous(memory_format=torch.channels_last), TOKENS))
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        with torch.no_grad():
            model.logit_scale.clamp_(0, math.log(100))
    return model


def assert_same(model, other):
    for name, value in model.state_dict().items():
        assert torch.equal(value, other.state_dict()[name]), name


def test_without_weights_it_is_plain_clip_training_bit_for_bit(batches):
    assert_same(learn(HOW, batches).model, plain_clip(batches))


@pytest.mark.filterwarnings("ignore:Guards may run slower")  # Python 3.13.0
def test_compiled_training_is_the_same(batches, monkeypatch):
    """The graphs are captured and run as they are: no compiler is needed."""
    monkeypatch.setattr(torch, "compile", partial(torch.compile, backend="eager"))
    compiled, plain = learn(replace(HOW, compile=True), batches).model, learn(HOW, batches).model
    for name, value in plain.state_dict().items():
        torch.testing.assert_close(compiled.state_dict()[name], value)


def test_fresh_weights_are_the_same_with_and_without_guidance(banks):
    guided = learn(replace(HOW, lambda_nn=1.0, lambda_xnn=1.0), [], banks)
    assert_same(guided.model, learn(HOW, []).model)


def test_guided_step_minimises_the_formula(batches, banks):
    """Gradients of the first step, from the learner's own projections and a loss by hand."""
    how = replace(HOW, lambda_nn=0.5, lambda_xnn=2.0)
    learner = learn(how, [], banks)
    maps = {
        name: getattr(learner.guidance, name.split()[0])[name.split()[1]].weight.detach().clone()
        for name in ("image nn", "text nn", "image xnn", "text xnn")
    }
    image_rows, text_rows = (rows.float() for rows in rows_of(banks))
    with torch.no_grad():
        v, u, scale = learner.model(batches[0], TOKENS)
    contrast = open_clip.ClipLoss()

    def target(rows, name):
        return normalize(rows @ maps[name].T, dim=-1)

    clip = contrast(v, u, scale)
    nn = contrast(v, target(image_rows[0], "image nn"), scale)
    nn = (nn + contrast(u, target(text_rows[0], "text nn"), scale)) / 2
    xnn = contrast(v, target(text_rows[1], "text xnn"), scale)
    xnn = (xnn + contrast(u, target(image_rows[1], "image xnn"), scale)) / 2
    learner.step(batches[0], TOKENS, rows_of(banks))
    terms = learner.mean_terms()
    expected = {"clip": clip, "nn": nn, "xnn": xnn, "loss": clip + 0.5 * nn + 2 * xnn}
    assert set(terms) == set(expected)
    for name, value in expected.items():
        np.testing.assert_allclose(terms[name], value.item(), rtol=1e-5, err_msg=name)
    for name, weight in maps.items():
        modality, slot = name.split()
        assert not torch.equal(getattr(learner.guidance, modality)[slot].weight, weight)


@pytest.mark.parametrize(("lambdas", "slots"), [((1.0, 0.0), ["nn"]), ((0.0, 1.0), ["xnn"])])
def test_a_term_of_weight_zero_has_no_maps(lambdas, slots, banks, batches):
    how = replace(HOW, lambda_nn=lambdas[0], lambda_xnn=lambdas[1])
    learner = learn(how, batches[:1], banks)
    assert learner.guidance.slots == slots
    assert learner.terms == ["loss", "clip", *slots]


def test_accumulated_batches_learn_as_one(batches, banks):
    how = replace(HOW, lambda_nn=1.0, lambda_xnn=1.0)
    whole = learn(how, batches, banks)
    parts = learn(replace(how, accumulate=4), batches, banks)
    assert parts.mean_terms() == pytest.approx(whole.mean_terms(), rel=1e-4)
    for name, value in parts.model.state_dict().items():
        torch.testing.assert_close(value, whole.model.state_dict()[name], atol=2e-4, rtol=1e-3)


def test_average_is_exponential(batches):
    learner = learn(replace(HOW, ema_decay=0.8), [])
    expected = learner.model.text_projection.detach().clone()
    for images in batches:
        learner.step(images, TOKENS, None)
        expected = 0.8 * expected + 0.2 * learner.model.text_projection.detach()
    torch.testing.assert_close(learner.trained_state()["text_projection"], expected)
    assert_same(learner.model, learn(HOW, batches).model)


def test_rate_rises_and_falls():
    learner = learn(replace(HOW, n_steps=20, warmup=0.25), [])
    rates = []
    for _ in range(20):
        rates.append(learner.learning_rate)
        learner.step(torch.zeros(8, 3, 16, 16), TOKENS, None)
    assert max(rates) == pytest.approx(1e-2)
    assert np.argmax(rates) == 4
    assert rates[-1] < 1e-5


@pytest.mark.parametrize("k", [0, 1, 3, 6])
def test_state_is_everything_that_steps_depend_on(batches, banks, k):
    how = replace(HOW, lambda_nn=1.0, lambda_xnn=1.0, ema_decay=0.9)
    whole, begun = learn(how, batches, banks), learn(how, batches[:k], banks)
    torch.manual_seed(99)
    resumed = make_learner(find_architecture(SMALL), TOKENS, banks, how)
    resumed.load_state_dict(begun.state_dict())
    for images in batches[k:]:
        resumed.step(images, TOKENS, rows_of(banks))
    assert_same(resumed.model, whole.model)
    assert_same(resumed.averaged, whole.averaged)
    assert_same(resumed.guidance, whole.guidance)
    assert resumed.mean_terms() == whole.mean_terms()
    assert resumed.learning_rate == whole.learning_rate


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_mixed_precision_stays_close(batches, banks, dtype):
    how = replace(HOW, lambda_nn=1.0, lambda_xnn=1.0, n_steps=30)
    full = learn(how, batches[:1], banks).mean_terms()
    learner = learn(replace(how, dtype=dtype), batches[:1], banks)
    assert learner.mean_terms() == pytest.approx(full, rel=0.03)
    # float16 begins with steps that its scale of the loss lets overflow, and leaves out
    for images in 5 * batches[1:5]:
        learner.step(images, TOKENS, rows_of(banks))
    assert learner.is_finite()


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_no_step_waits_for_the_device(batches, banks):
    how = replace(
        HOW, device="cuda", dtype="bfloat16", lambda_nn=1.0, lambda_xnn=1.0, ema_decay=0.9
    )
    learner = learn(how, [], banks)
    rows = tuple(r.cuda() for r in rows_of(banks))
    on_device = [images.cuda() for images in batches]
    tokens = TOKENS.cuda()
    learner.step(on_device[0], tokens, rows)
    torch.cuda.set_sync_debug_mode("error")
    try:
        for images in on_device[1:]:
            learner.step(images, tokens, rows)
    finally:
        torch.cuda.set_sync_debug_mode("default")
