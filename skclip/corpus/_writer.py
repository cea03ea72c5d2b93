"""Write the rows of a source as shards of captions."""

import filecmp
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq

from skclip.corpus._manifest import ShardEntry
from skclip.corpus._readers import Part
from skclip.corpus._shards import ROW_GROUP_SIZE, SCHEMA, ShardFiles

if TYPE_CHECKING:
    from typing import Self

__all__ = ["write_shards"]


def write_shards(
    parts: Iterable[Part], directory: Path, *, generation: int, shard_size: int
) -> Iterator[ShardEntry]:
    """Write parts of a source as shards and yield their entries.

    An existing shard with the same contents keeps its index and embeddings, so that an interrupted
    build resumes. If the contents differ, they are removed.

    Parameters
    ----------
    parts : iterable of Part
        Rows in order. Shards do not cross parts.

    directory : Path
        Directory of the corpus.

    generation : int
        Part of the file names.

    shard_size : int
        Maximum number of rows per shard.

    Yields
    ------
    entry : ShardEntry
        Entry of a shard without index and embeddings.
    """
    number = 0
    for part in parts:
        first_row = 0
        for tables in _split(part.tables, shard_size):
            name = f"{generation:03d}-{number:05d}"
            with _ShardWriter(ShardFiles(directory, name)) as writer:
                for table in tables:
                    writer.write(table)
            yield ShardEntry(
                name=name,
                n_rows=writer.n_rows,
                image_root=part.image_root,
                embeddings=part.embeddings,
                first_embedding=first_row if part.embeddings else 0,
            )
            first_row += writer.n_rows
            number += 1


def _split(tables: Iterable[pa.Table], size: int) -> Iterator[Iterator[pa.Table]]:
    """Split a stream of tables into streams of ``size`` rows."""
    source = (table for table in tables if table.num_rows)
    rest: pa.Table | None = next(source, None)

    def one_shard() -> Iterator[pa.Table]:
        nonlocal rest
        left = size
        while rest is not None and left:
            taken = rest.slice(0, left)
            left -= taken.num_rows
            rest = rest.slice(taken.num_rows)
            if not rest.num_rows:
                rest = next(source, None)
            yield taken

    while rest is not None:
        yield one_shard()


@dataclass
class _ShardWriter:
    """Captions and image bytes of one shard, written to temporary files and renamed."""

    files: ShardFiles
    n_rows: int = 0

    def __enter__(self) -> "Self":
        self._captions_path = self.files.captions.with_suffix(".tmp")
        self._images_path = self.files.images.with_suffix(".tmp")
        self._images: BinaryIO | None = None
        self._offset = 0
        self._pending: list[pa.Table] = []
        # captions, ids and paths hardly repeat, so dictionary encoding would waste time and space
        self._captions_file = self._captions_path.open("wb")
        self._captions = pq.ParquetWriter(
            self._captions_file,
            SCHEMA,
            compression="zstd",
            use_dictionary=False,
            write_page_checksum=True,
        )
        return self

    def write(self, table: pa.Table) -> None:
        """Append rows; write complete row groups to disk."""
        self._pending.append(self._store_images(table).select(SCHEMA.names).cast(SCHEMA))
        self.n_rows += table.num_rows
        pending = sum(t.num_rows for t in self._pending)
        if pending >= ROW_GROUP_SIZE:
            self._flush(pending - pending % ROW_GROUP_SIZE)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        try:
            if kind is None:
                self._flush(sum(t.num_rows for t in self._pending))
            self._captions.close()
            self._captions_file.close()
            if self._images is not None:
                self._images.close()
            if kind is None:
                self._rename()
        finally:
            self._captions_path.unlink(missing_ok=True)
            self._images_path.unlink(missing_ok=True)

    def _flush(self, n_rows: int) -> None:
        table = pa.concat_tables([*self._pending, SCHEMA.empty_table()])
        self._captions.write_table(table.slice(0, n_rows), row_group_size=ROW_GROUP_SIZE)
        self._pending = [table.slice(n_rows)]

    def _store_images(self, table: pa.Table) -> pa.Table:
        """Move image bytes to the shard's image file and store their offsets."""
        offsets: list[int | None] = [None] * table.num_rows
        sizes: list[int | None] = [None] * table.num_rows
        if "offset" in table.column_names:  # bytes that stay in an archive
            return table
        if "data" in table.column_names:
            for i, data in enumerate(table.column("data").to_pylist()):
                if data is None:
                    continue
                if self._images is None:
                    self._images = self._images_path.open("wb")
                offsets[i], sizes[i] = self._offset, len(data)
                self._offset += self._images.write(data)
        table = table.append_column("offset", pa.array(offsets, pa.int64()))
        return table.append_column("size", pa.array(sizes, pa.int64()))

    def _rename(self) -> None:
        """Rename the new files to their final names, unless the old ones are equal."""
        new = {self._captions_path: self.files.captions}
        if self._images is not None:
            new[self._images_path] = self.files.images
        same = all(
            path.exists() and filecmp.cmp(temporary, path, shallow=False)
            for temporary, path in new.items()
        )
        if same and self.files.images.exists() == (self._images is not None):
            return
        for path in self.files.existing():
            path.unlink()
        # captions last: a shard with captions then has its images
        for temporary, path in reversed(new.items()):
            with temporary.open("rb+") as file:
                os.fsync(file.fileno())
            temporary.replace(path)
