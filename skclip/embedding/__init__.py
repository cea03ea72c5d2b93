"""Images and texts to unit vectors."""

from skclip.embedding._cache import CacheInfo, cache_info, clear_cache, prune_cache
from skclip.embedding._decode import (
    content_key as content_key,
    decode_image as decode_image,
    describe_image as describe_image,
    fetch_image as fetch_image,
)
from skclip.embedding._embedder import CLIPEmbedder, as_text_embedder as as_text_embedder
from skclip.embedding._formats import IMAGE_SUFFIXES
from skclip.embedding._items import as_items as as_items, check_texts as check_texts
from skclip.embedding._locate import (
    create_tokenizer as create_tokenizer,
    create_untrained_model as create_untrained_model,
    expand_folder as expand_folder,
    known_models as known_models,
    parse_model_id as parse_model_id,
    resolve_pretrained as resolve_pretrained,
)
from skclip.embedding._registry import forget_folder as forget_folder
from skclip.embedding._thumbnail import (
    make_thumbnail as make_thumbnail,
    shrink_image as shrink_image,
)
from skclip.embedding._tokens import tokenize as tokenize

__all__ = [
    "IMAGE_SUFFIXES",
    "CLIPEmbedder",
    "CacheInfo",
    "cache_info",
    "clear_cache",
    "prune_cache",
]
