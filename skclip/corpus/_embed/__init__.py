"""Embeddings of shards: of images and of captions, or as people have them."""

from skclip.corpus._embed._given import (
    open_embeddings as open_embeddings,
    store_embeddings as store_embeddings,
)
from skclip.corpus._embed._images import MISSES as MISSES, embed_images as embed_images
from skclip.corpus._embed._retry import retry_shards as retry_shards
from skclip.corpus._embed._shards import (
    embed_captions as embed_captions,
    embed_shards as embed_shards,
)

__all__: list[str] = []
