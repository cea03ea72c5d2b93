"""Images and texts to unit vectors."""

from skclip.embedding._embedder import CLIPEmbedder

__all__ = ["CLIPEmbedder"]
