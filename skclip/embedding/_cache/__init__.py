"""Embeddings kept on disk, one per image content and model, shared by processes."""

from skclip.embedding._cache._admin import CacheInfo, cache_info, clear_cache, prune_cache
from skclip.embedding._cache._rows import EmbeddingCache

__all__ = ["CacheInfo", "EmbeddingCache", "cache_info", "clear_cache", "prune_cache"]
