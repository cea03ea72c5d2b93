"""What ``"auto"`` means on this machine."""

__all__ = ["resolve_device", "resolve_dtype"]

# Names under which torch reports matrix instructions for bfloat16: x86, and Arm.
BFLOAT16_CPUS = ("amx_bf16", "avx512_bf16", "bf16")


def resolve_device(device: str) -> str:
    """Return ``device``, or for ``"auto"`` the accelerator of this machine, else the CPU.

    Parameters
    ----------
    device : str
        A torch device or ``"auto"``.

    Returns
    -------
    device : str
        A torch device.
    """
    if device != "auto":
        return device
    import torch

    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else "cpu"


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
        bfloat16 where the hardware multiplies it, float16 on older GPUs, else float32.
    """
    if dtype != "auto":
        return dtype
    import torch

    if device.startswith("cuda"):
        return "bfloat16" if torch.cuda.is_bf16_supported() else "float16"
    if device != "cpu":
        return "float32"
    # torch < 2.10 does not tell what the CPU can do
    capabilities: dict[str, object] = getattr(torch.cpu, "get_capabilities", dict)()
    return "bfloat16" if any(map(capabilities.get, BFLOAT16_CPUS)) else "float32"
