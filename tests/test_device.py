"""What "auto" means, on machines of every kind."""

import pytest

from skclip import _device
from skclip._device import bfloat16_speedup, check_device, resolve_device, resolve_dtype

torch = pytest.importorskip("torch")


def test_auto_device_takes_the_accelerator(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert resolve_device("auto") == "cuda"
    assert resolve_device("cpu") == "cpu"
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    assert resolve_device("auto") == "mps"
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    assert resolve_device("auto") == "cpu"


@pytest.mark.parametrize("device", ["gpu", "cuda:99", "meta", "cpu:x", "privateuseone", ""])
def test_a_device_that_is_not_there_is_refused(device):
    with pytest.raises(ValueError, match=f"device='{device}' cannot be used on this machine"):
        check_device(device)


@pytest.mark.parametrize("supported", [True, False])
def test_auto_dtype_on_a_gpu(monkeypatch, supported):
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda: supported)
    assert resolve_dtype("auto", "cuda:1") == ("bfloat16" if supported else "float16")
    assert resolve_dtype("float32", "cuda:1") == "float32"
    assert resolve_dtype("auto", "mps") == "float32"


@pytest.mark.parametrize(
    ("capabilities", "speedup", "dtype"),
    [
        ({"avx512_bf16": True}, 2.5, "bfloat16"),
        ({"bf16": True}, 2.5, "bfloat16"),
        ({"avx512_bf16": True}, 0.6, "float32"),
        ({"avx2": True}, 2.5, "float32"),
    ],
)
def test_auto_dtype_on_a_cpu(monkeypatch, capabilities, speedup, dtype):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: capabilities, raising=False)
    monkeypatch.setattr(_device, "bfloat16_speedup", lambda: speedup)
    assert resolve_dtype("auto", "cpu") == dtype


def test_auto_dtype_where_torch_cannot_tell(monkeypatch):
    monkeypatch.delattr(torch.cpu, "get_capabilities", raising=False)
    assert resolve_dtype("auto", "cpu") == "float32"


def test_the_speedup_is_measured_once():
    assert bfloat16_speedup() == bfloat16_speedup() > 0


def test_a_torch_device_is_taken_by_its_name():
    assert resolve_device(torch.device("cuda", 1)) == "cuda:1"


def test_no_device_is_refused():
    with pytest.raises(TypeError, match=r"device must be 'auto' or a torch device .* got 3"):
        resolve_device(3)
