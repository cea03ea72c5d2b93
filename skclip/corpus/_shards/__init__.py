"""Shards of a collection, on disk and in memory."""

from skclip.corpus._shards._disk import (
    ROW_GROUP_SIZE,
    SCHEMA,
    DiskShard,
    ShardFiles,
    write_failures,
)
from skclip.corpus._shards._disk_store import DiskStore, with_warning
from skclip.corpus._shards._memory import MemoryShard, MemoryStore

__all__ = [
    "ROW_GROUP_SIZE",
    "SCHEMA",
    "DiskShard",
    "DiskStore",
    "MemoryShard",
    "MemoryStore",
    "ShardFiles",
    "with_warning",
    "write_failures",
]
