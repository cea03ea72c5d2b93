"""Matplotlib displays, in the manner of scikit-learn's."""

from skclip.display._pool import PoolDisplay

__all__ = ["PoolDisplay"]
