"""Heads to files and to other programs, and back."""

from skclip.export._card import model_card
from skclip.export._hub import push_to_hub
from skclip.export._loaded import LoadedHead
from skclip.export._onnx import to_onnx
from skclip.export._save import load_head, save_head
from skclip.export._torch import to_open_clip, to_torch

__all__ = [
    "LoadedHead",
    "load_head",
    "model_card",
    "push_to_hub",
    "save_head",
    "to_onnx",
    "to_open_clip",
    "to_torch",
]
