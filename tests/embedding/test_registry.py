"""The registry: one load a process, an identity that follows weights and preprocessing."""

import threading

import numpy as np
import open_clip
import pytest

from skclip.embedding import _registry
from skclip.embedding._registry import get_model


def test_threads_share_one_load(monkeypatch, make_model):
    name = make_model(seed=3)
    loads = []

    def counting(*args, **kwargs):
        loads.append(args)
        return original(*args, **kwargs)

    original = _registry.create_open_clip_model
    monkeypatch.setattr(_registry, "create_open_clip_model", counting)
    found = []
    threads = [threading.Thread(target=lambda: found.append(get_model(name))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(loads) == 1
    assert len({id(loaded) for loaded in found}) == 1


def test_vectors_are_those_of_open_clip(tiny_model, pictures):
    import torch

    model, _, preprocess = open_clip.create_model_and_transforms(tiny_model)
    tokenizer = open_clip.get_tokenizer(tiny_model)
    model.eval()
    with torch.inference_mode():
        images = model.encode_image(torch.stack([preprocess(p) for p in pictures])).numpy()
        texts = model.encode_text(tokenizer(["a cat", "two dogs"])).numpy()
    loaded = get_model(tiny_model, device="cpu")
    pixels = [loaded.preprocess(p) for p in pictures]
    tokens = loaded.tokenizer(["a cat", "two dogs"])
    # frozen weights may take another kernel, which rounds otherwise
    np.testing.assert_allclose(loaded.encode_pixels(pixels), images, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(loaded.encode_tokens(tokens), texts, rtol=1e-4, atol=1e-6)


def test_model_id_is_equal_for_equal_weights_in_another_place(make_model, tiny_model):
    elsewhere = make_model()
    assert elsewhere != tiny_model
    assert get_model(elsewhere).model_id == get_model(tiny_model).model_id
    assert get_model(elsewhere).model_id.startswith("random@")


def test_model_id_changes_with_weights_config_and_preprocessing(make_model, tiny_model):
    others = [
        make_model(seed=1),
        make_model(quick_gelu=True),
        make_model(preprocess={"mean": [0, 0, 0]}),
    ]
    assert len({get_model(name).model_id for name in [tiny_model, *others]}) == 4


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_precision_changes_vectors_a_little_and_the_identity_not(tiny_model, pictures, dtype):
    exact, rounded = (
        get_model(tiny_model, device="cpu"),
        get_model(tiny_model, "auto", "cpu", dtype),
    )
    assert exact.model_id == rounded.model_id
    assert exact is not rounded
    a = exact.encode_pixels([exact.preprocess(pictures[0])])
    b = rounded.encode_pixels([rounded.preprocess(pictures[0])])
    assert b.dtype == np.float32
    assert 0 < np.abs(a - b).max() < 0.05 * np.abs(a).max()


def test_logit_scale_and_bias(make_model):
    siglip = get_model(make_model(init_logit_scale=float(np.log(10)), init_logit_bias=-10.0))
    assert siglip.logit_scale == pytest.approx(10, rel=1e-6)
    assert siglip.logit_bias == -10
    assert get_model("skclip-tiny").logit_bias is None


def test_weights_are_frozen_and_in_evaluation_mode(tiny_model):
    model = get_model(tiny_model).model
    assert not model.training
    assert not any(parameter.requires_grad for parameter in model.parameters())


def test_compiled_towers_are_another_entry(tiny_model, pictures, monkeypatch):
    import torch

    compiled = []
    monkeypatch.setattr(torch, "compile", lambda tower: compiled.append(tower) or tower)
    plain, fast = get_model(tiny_model), get_model(tiny_model, compile=True)
    assert [tower.__name__ for tower in compiled] == ["encode_image", "encode_text"]
    assert fast is not plain
    assert fast.model_id == plain.model_id
