"""A captioned collection on disk."""

from skclip.corpus._begin import WorkLeft as WorkLeft, work_left as work_left
from skclip.corpus._corpus import Corpus, open_corpus
from skclip.corpus._embed import MISSES as MISSES, embed_images as embed_images
from skclip.corpus._embedder import Embedder as Embedder
from skclip.corpus._engine import (
    Engine as Engine,
    ShardTask as ShardTask,
    current_engine as current_engine,
    in_order as in_order,
    using_engine as using_engine,
)
from skclip.corpus._hashes import file_hash as file_hash
from skclip.corpus._images import ImageSlice as ImageSlice, image_keys as image_keys
from skclip.corpus._manifest import (
    MANIFEST as MANIFEST,
    UNFINISHED as UNFINISHED,
    read_manifest as read_manifest,
)
from skclip.corpus._readers import (
    IMAGE_COLUMNS as IMAGE_COLUMNS,
    OPERATORS as OPERATORS,
    SOURCE_SUFFIXES as SOURCE_SUFFIXES,
    Columns as Columns,
    ImageFinder as ImageFinder,
    as_values as as_values,
    caption_text as caption_text,
    frame_columns as frame_columns,
    is_frame as is_frame,
    is_missing as is_missing,
    list_files as list_files,
)
from skclip.corpus._shards import (
    MemoryShard as MemoryShard,
    MemoryStore as MemoryStore,
)
from skclip.corpus._store import CaptionStore as CaptionStore, Shard as Shard
from skclip.corpus._streamed import (
    StreamedShard as StreamedShard,
    open_collection as open_collection,
)

__all__ = ["Corpus", "open_corpus"]
