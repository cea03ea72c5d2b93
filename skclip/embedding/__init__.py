"""Images and texts to unit vectors."""

from skclip.embedding._cache_admin import CacheInfo, cache_info, clear_cache, prune_cache
from skclip.embedding._embedder import CLIPEmbedder
from skclip.embedding._formats import IMAGE_SUFFIXES

__all__ = [
    "IMAGE_SUFFIXES",
    "CLIPEmbedder",
    "CacheInfo",
    "cache_info",
    "clear_cache",
    "prune_cache",
]
