"""Shards of a collection, on disk and in memory."""

from skclip.corpus._shards._disk import (
    ROW_GROUP_SIZE,
    SCHEMA,
    DiskShard,
    ShardFiles,
    check_caption_widths,
    write_failures,
)
from skclip.corpus._shards._memory import MemoryShard, MemoryStore

__all__ = [
    "ROW_GROUP_SIZE",
    "SCHEMA",
    "DiskShard",
    "MemoryShard",
    "MemoryStore",
    "ShardFiles",
    "check_caption_widths",
    "write_failures",
]
