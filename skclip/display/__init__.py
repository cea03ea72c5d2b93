"""Matplotlib displays, in the manner of scikit-learn's."""

from skclip.display._pool import PoolDisplay
from skclip.display._proxy_count import ProxyCountDisplay

__all__ = ["PoolDisplay", "ProxyCountDisplay"]
