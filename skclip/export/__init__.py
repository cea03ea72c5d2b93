"""Heads to files and to other programs, and back."""

from skclip.export._loaded import LinearHead, LoadedHead, ProxyHead
from skclip.export._save import load_head, save_head

__all__ = ["LinearHead", "LoadedHead", "ProxyHead", "load_head", "save_head"]
