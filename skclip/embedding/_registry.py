"""Models are loaded once per process, on first use, however often their embedders are cloned.

All models are loaded by :func:`get_model`. A loaded model has an identity
(:attr:`LoadedModel.model_id`) and a cache for values that callers derive from it
(:attr:`LoadedModel.cache`).
"""

import hashlib
import json
import logging
import math
import os
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cache, partial
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from skclip._device import check_device, resolve_device, resolve_dtype
from skclip.embedding._locate import (
    create_open_clip_model,
    create_tokenizer,
    expand_folder,
    resolve_pretrained,
    source_label,
)

if TYPE_CHECKING:
    import torch

__all__ = ["LoadedModel", "forget_folder", "get_model"]

logger = logging.getLogger("skclip.embedding")

PRECISION = {"float32": "fp32", "float16": "fp16", "bfloat16": "bf16"}

_models: dict[tuple[str, str | None, str, str, bool], "LoadedModel"] = {}
_lock = threading.RLock()


@dataclass(eq=False)
class LoadedModel:
    """A model in memory, with its preprocessing and tokenizer.

    Parameters
    ----------
    model : torch.nn.Module
        The open_clip model, in evaluation mode on its device.

    encode_image, encode_text : callable
        The two towers, compiled if requested.

    preprocess : callable
        Maps an RGB PIL image to the model's input tensor.

    make_tokenizer : callable
        Returns the tokenizer. It is called for the first text: some tokenizers need packages or
        downloads that images do not.

    model_id : str
        ``"name/pretrained@fingerprint"``.

    n_features : int
        Length of an embedding.

    logit_scale : float
        Temperature of the model, already exponentiated.

    logit_bias : float or None
        Bias of models trained with a sigmoid loss (SigLIP).

    device, dtype : str
        Device of the model and type of its weights.

    cache : dict
        Values that callers derive from this model, kept for this process.
    """

    model: "torch.nn.Module"
    encode_image: Callable[["torch.Tensor"], "torch.Tensor"]
    encode_text: Callable[["torch.Tensor"], "torch.Tensor"]
    preprocess: Callable[[Any], "torch.Tensor"]
    make_tokenizer: Callable[[], Callable[..., "torch.Tensor"]]
    model_id: str
    n_features: int
    logit_scale: float
    logit_bias: float | None
    device: str
    dtype: str
    cache: dict[Any, Any] = field(default_factory=dict)
    lock: Any = field(default_factory=threading.RLock)
    _tokenizer: Callable[..., "torch.Tensor"] | None = None

    @property
    def tokenizer(self) -> Callable[..., "torch.Tensor"]:
        """The model's tokenizer: texts to a tensor of token ids."""
        with self.lock:
            if self._tokenizer is None:
                self._tokenizer = self.make_tokenizer()
            return self._tokenizer

    @property
    def fingerprint(self) -> str:
        """Hash of configuration, weights and preprocessing."""
        return self.model_id.rpartition("@")[2]

    def encode_pixels(self, pixels: Sequence["torch.Tensor"]) -> NDArray[np.float32]:
        """Run the image tower over preprocessed images."""
        import torch

        batch = torch.stack(list(pixels)).to(self.device, dtype=getattr(torch, self.dtype))
        with torch.inference_mode():
            vectors = self.encode_image(batch)
        return _to_numpy(vectors)

    def encode_tokens(self, tokens: Sequence["torch.Tensor"]) -> NDArray[np.float32]:
        """Run the text tower over rows of token ids."""
        import torch

        batch = torch.stack(list(tokens)).to(self.device)
        with torch.inference_mode():
            vectors = self.encode_text(batch)
        return _to_numpy(vectors)


def _to_numpy(vectors: "torch.Tensor") -> NDArray[np.float32]:
    array: NDArray[np.float32] = vectors.float().cpu().numpy()
    return array


def get_model(
    model_name: str,
    pretrained: str | PathLike[str] = "auto",
    device: "str | torch.device" = "auto",
    dtype: str = "float32",
    compile: bool = False,
) -> LoadedModel:
    """Return a model of this process, loading it on first use.

    Parameters
    ----------
    model_name : str
        A model name of open_clip, ``"skclip-tiny"``, ``"hf-hub:…"`` or ``"local-dir:…"``.

    pretrained : str or path, default="auto"
        Tag or checkpoint file; see :class:`~skclip.embedding.CLIPEmbedder`.

    device : str or torch.device, default="auto"
        Where the model runs.

    dtype : {"auto", "float32", "float16", "bfloat16"}, default="float32"
        Precision of the model.

    compile : bool, default=False
        Whether to compile both towers with :func:`torch.compile`.

    Returns
    -------
    loaded : LoadedModel
        The same object for the same arguments within one process.
    """
    model_name = expand_folder(model_name)
    checkpoint = resolve_pretrained(model_name, pretrained)
    device = resolve_device(device)
    key = (model_name, checkpoint, device, resolve_dtype(dtype, device), bool(compile))
    with _lock:
        if key not in _models:
            check_device(device)
            _prepare_forks()
            _models[key] = _load(*key)
        return _models[key]


@cache
def _prepare_forks() -> None:
    """Let forked children run: threads that torch has started do not exist in a child.

    A child that waits for them hangs, so it uses a single thread.
    """
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=_after_fork)


def _after_fork() -> None:
    global _lock
    import torch

    _lock = threading.RLock()
    torch.set_num_threads(1)


def forget_folder(folder: Path) -> None:
    """Drop the models loaded from a folder whose files have changed."""
    schema = "local-dir:"
    with _lock:
        for key in list(_models):
            name = key[0]
            if name.startswith(schema) and _is_same(Path(name.removeprefix(schema)), folder):
                del _models[key]


def _is_same(one: Path, other: Path) -> bool:
    return one.resolve() == other.resolve()


def _load(
    model_name: str, checkpoint: str | None, device: str, dtype: str, compile: bool
) -> LoadedModel:
    import open_clip
    import torch
    from open_clip.transform import PreprocessCfg, image_transform_v2

    model, config = create_open_clip_model(model_name, checkpoint)
    preprocess_cfg = open_clip.get_model_preprocess_cfg(model)
    # the identity is that of the full-precision weights: rounded weights are the same model
    weights = model.state_dict()
    fingerprint = _fingerprint(weights, config, preprocess_cfg)
    if dtype != "float32":
        # open_clip has different layers for each precision, so casting the model is not enough
        model, _ = create_open_clip_model(model_name, checkpoint, precision=PRECISION[dtype])
    model = model.to(device).eval().requires_grad_(False)
    preprocess = image_transform_v2(PreprocessCfg(**preprocess_cfg), is_train=False)
    model_id = f"{source_label(model_name, checkpoint)}@{fingerprint}"
    logger.info("loaded %s on %s as %s", model_id, device, dtype)
    towers: tuple[Any, Any] = (model.encode_image, model.encode_text)
    encode_image, encode_text = map(torch.compile, towers) if compile else towers
    return LoadedModel(
        model=model,
        encode_image=encode_image,
        encode_text=encode_text,
        preprocess=preprocess,
        make_tokenizer=partial(create_tokenizer, model_name, checkpoint),
        model_id=model_id,
        n_features=int(config["embed_dim"]),
        logit_scale=math.exp(weights["logit_scale"].item()),
        logit_bias=weights["logit_bias"].item() if "logit_bias" in weights else None,
        device=device,
        dtype=dtype,
    )


def _fingerprint(
    weights: dict[str, "torch.Tensor"], config: dict[str, Any], preprocess_cfg: dict[str, Any]
) -> str:
    """Hash everything that determines the vector of an image or text."""
    digest = hashlib.sha256()
    for part in (config, preprocess_cfg):
        digest.update(json.dumps(part, sort_keys=True, default=str).encode())
    for name in sorted(weights):
        tensor = weights[name].detach().cpu().contiguous()
        digest.update(f"{name}{tuple(tensor.shape)}{tensor.dtype}".encode())
        digest.update(tensor.numpy().data)
    return digest.hexdigest()[:12]
