"""Resolve ``device="auto"`` and ``dtype="auto"`` on this machine."""

import time
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

__all__ = ["check_device", "resolve_device", "resolve_dtype"]

# torch's names of the bfloat16 matrix instructions of x86 and Arm.
BFLOAT16_CPUS = ("amx_bf16", "avx512_bf16", "bf16")

# Well above 1, so that noise in the timing does not change the choice.
MIN_SPEEDUP = 1.3


def resolve_device(device: "str | torch.device") -> str:
    """Return ``device``, or for ``"auto"`` the accelerator of this machine, else the CPU.

    Parameters
    ----------
    device : str or torch.device
        A torch device or ``"auto"``.

    Returns
    -------
    device : str
        Name of a torch device.
    """
    import torch

    if not isinstance(device, (str, torch.device)):
        raise TypeError(
            f"device must be 'auto' or a torch device like 'cpu' or 'cuda:0', got {device!r}."
        )
    if device != "auto":
        return str(device)
    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else "cpu"


def check_device(device: str) -> None:
    """Raise if data cannot be moved to a device and back.

    Parameters
    ----------
    device : str
        From :func:`resolve_device`.
    """
    import torch

    try:
        torch.zeros(1, device=device).cpu()
    # ImportError: torch knows the name but lacks its module, as for 'privateuseone'
    except (RuntimeError, AssertionError, ImportError, AttributeError) as error:
        reason = str(error).strip().partition("\n")[0] or type(error).__name__
        if len(reason) > 100:
            reason = f"{reason[:100].rpartition(' ')[0]} …"
        raise ValueError(
            f"device={device!r} cannot be used on this machine ({reason.rstrip('.')}). "
            "device='auto' takes an accelerator if there is one, else the CPU."
        ) from None


def resolve_dtype(dtype: str, device: str) -> str:
    """Return ``dtype``, or for ``"auto"`` the fastest that keeps the range of float32.

    Parameters
    ----------
    dtype : str
        Name of a floating type or ``"auto"``.

    device : str
        From :func:`resolve_device`.

    Returns
    -------
    dtype : {"float32", "float16", "bfloat16"}
        bfloat16 on GPUs that support it, and on CPUs with instructions for it that are faster;
        float16 on older GPUs; else float32.
    """
    if dtype != "auto":
        return dtype
    import torch

    if device.startswith("cuda"):
        return "bfloat16" if torch.cuda.is_bf16_supported() else "float16"
    if device != "cpu":
        return "float32"
    # torch < 2.10 does not report the CPU's instructions
    capabilities: dict[str, object] = getattr(torch.cpu, "get_capabilities", dict)()
    has_instructions = any(map(capabilities.get, BFLOAT16_CPUS))
    return "bfloat16" if has_instructions and bfloat16_speedup() > MIN_SPEEDUP else "float32"


@cache
def bfloat16_speedup() -> float:
    """Return how many times faster this CPU multiplies bfloat16 than float32.

    Measured, since some CPUs have the instructions and are slower with them.
    """
    import torch

    def seconds(dtype: torch.dtype) -> float:
        # sizes of a ViT-B-32 layer with a few images
        layer = torch.nn.Linear(768, 3072, dtype=dtype)
        rows = torch.ones(400, 768, dtype=dtype)
        times = []
        for _ in range(4):
            start = time.perf_counter()
            layer(rows)
            times.append(time.perf_counter() - start)
        return min(times)

    with torch.inference_mode():
        return seconds(torch.float32) / seconds(torch.bfloat16)
