"""Heads to files and to other programs, and back."""

from skclip.export._loaded import LoadedHead
from skclip.export._save import load_head, save_head

__all__ = ["LoadedHead", "load_head", "save_head"]
