"""One shard on disk: Parquet captions, FTS5 index, float16 embeddings."""

from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from skclip.corpus._images import ImageSlice, only_urls
from skclip.corpus._index import check_index
from skclip.corpus._manifest import ShardEntry, replacing
from skclip.corpus._paths import resolved_path, writable_text
from skclip.exceptions import CorpusFormatError

__all__ = ["ROW_GROUP_SIZE", "SCHEMA", "DiskShard", "ShardFiles", "write_failures"]

# Rows that are read together: a recalled row costs at most one group.
ROW_GROUP_SIZE = 8192

# An image is a path or URL; with an offset it is a run of bytes of that file (a tar archive), and
# without a path a run of bytes of the shard's own image file. `problem` says why there is none.
SCHEMA = pa.schema(
    [
        ("id", pa.string()),
        ("caption", pa.string()),
        ("image", pa.string()),
        ("offset", pa.int64()),
        ("size", pa.int64()),
        ("problem", pa.string()),
    ]
)

FAILURES = pa.schema([("row", pa.int64()), ("id", pa.string()), ("reason", pa.string())])


class ShardFiles:
    """Where the files of a shard are.

    Parameters
    ----------
    directory : Path
        Directory of the corpus.

    name : str
        Stem of the file names.
    """

    def __init__(self, directory: Path, name: str) -> None:
        self.captions = directory / f"{name}.captions.parquet"
        self.index = directory / f"{name}.index.sqlite"
        self.embeddings = directory / f"{name}.embeddings.npy"
        self.failures = directory / f"{name}.failures.parquet"
        self.images = directory / f"{name}.images.bin"

    def existing(self) -> list[Path]:
        """Return those files that exist, half-written ones among them."""
        found = self.captions.parent.glob(self.captions.name.partition(".")[0] + ".*")
        return [path for path in found if path.suffix != ".tmp"]


class DiskShard:
    """Read access to a shard on disk; opens files for the time of a call.

    Parameters
    ----------
    directory : Path
        Directory of the corpus.

    entry : ShardEntry
        What the manifest says about the shard.
    """

    def __init__(self, directory: Path, entry: ShardEntry) -> None:
        self.entry = entry
        self.n_rows = entry.n_rows
        self.files = ShardFiles(directory, entry.name)
        self._directory = directory

    @property
    def index(self) -> str | None:
        """Path of the caption index; None if there is none."""
        return str(self.files.index) if self.entry.indexed else None

    def column(self, name: str, rows: NDArray[np.int64]) -> NDArray[Any]:
        """Return ``"caption"``, ``"id"`` or ``"image"`` (a reference) of the given rows."""
        if name == "image":
            return self._images(rows)
        return _objects(self._read([name], rows).column(name))

    def embeddings(self, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        """Return the embeddings of the given rows."""
        stored = self._stored_embeddings
        return stored[rows + self.entry.first_embedding].astype(np.float32)

    def iter_captions(self) -> Iterator[list[str]]:
        """Yield all captions in batches."""
        with self.open_captions() as file:
            for batch in file.iter_batches(batch_size=ROW_GROUP_SIZE, columns=["caption"]):
                yield batch.column("caption").to_pylist()

    def failures(self) -> pa.Table:
        """Return the rows without a readable image: ``row``, ``id`` and ``reason``."""
        if self.entry.failures is None:
            return FAILURES.empty_table()
        return pq.read_table(self._directory / self.entry.failures)

    def check(self) -> None:
        """Raise :class:`CorpusFormatError` if a file is damaged, as far as a glance shows."""
        with self.open_captions() as file:
            if file.metadata.num_rows != self.n_rows:
                raise self._damaged(self.files.captions, f"it has {file.metadata.num_rows} rows")
        if self.index is not None:
            check_index(self.index)
        if self.entry.embeddings is not None:
            _ = self._stored_embeddings

    @cached_property
    def _stored_embeddings(self) -> NDArray[Any]:
        assert self.entry.embeddings is not None
        path = self._directory / self.entry.embeddings
        try:
            stored: NDArray[Any] = np.load(path, mmap_mode="r", allow_pickle=False)
        except (OSError, ValueError) as error:
            raise self._damaged(path, error) from error
        if stored.ndim != 2 or len(stored) < self.entry.first_embedding + self.n_rows:
            raise self._damaged(path, f"it has shape {stored.shape}")
        return stored

    def open_captions(self) -> pq.ParquetFile:
        """Open the captions file."""
        try:
            return pq.ParquetFile(self.files.captions)
        except (OSError, pa.ArrowException) as error:
            raise self._damaged(self.files.captions, error) from error

    def _damaged(self, path: Path, why: object) -> CorpusFormatError:
        return CorpusFormatError(
            f"The file {str(path)!r} of the corpus cannot be read ({why}): build the corpus again "
            "with overwrite=True."
        )

    def _read(self, columns: list[str], rows: NDArray[np.int64]) -> pa.Table:
        """Read the row groups that hold ``rows`` and take these from them."""
        groups, group_of = np.unique(rows // ROW_GROUP_SIZE, return_inverse=True)
        with self.open_captions() as file:
            table = file.read_row_groups(groups.tolist(), columns=columns)
        return table.take(pa.array(group_of * ROW_GROUP_SIZE + rows % ROW_GROUP_SIZE))

    def _images(self, rows: NDArray[np.int64]) -> NDArray[Any]:
        table = self._read(["image", "offset", "size"], rows)
        if table.column("offset").null_count == len(rows) and only_urls(table.column("image")):
            return _objects(table.column("image"))
        parts = zip(*(column.to_pylist() for column in table.columns), strict=True)
        return np.fromiter((self._image(*part) for part in parts), dtype=object, count=len(rows))

    def _image(
        self, path: str | None, offset: int | None, size: int | None
    ) -> str | ImageSlice | None:
        path = resolved_path(path, self.entry.image_root)
        if offset is None or size is None:
            return path
        return ImageSlice(str(self.files.images) if path is None else path, offset, size)


def write_failures(shard: DiskShard, files: ShardFiles, reasons: dict[int, str]) -> None:
    """List the rows without a readable image in ``files.failures``, if there are any.

    Parameters
    ----------
    shard : DiskShard
        Knows which images its source lacked.

    files : ShardFiles
        Where to write.

    reasons : dict of int to str
        Why other images could not be read.
    """
    with shard.open_captions() as file:
        problems = file.read(["problem"]).column("problem")
    lacking = pc.indices_nonzero(pc.is_valid(problems))
    found = dict(zip(lacking.to_pylist(), problems.take(lacking).to_pylist(), strict=True))
    reasons = dict(sorted({**reasons, **found}.items()))
    if not reasons:
        files.failures.unlink(missing_ok=True)
        return
    rows = np.fromiter(reasons, dtype=np.int64)
    columns = [rows, shard.column("id", rows), list(map(writable_text, reasons.values()))]
    with replacing(files.failures) as temporary:
        pq.write_table(pa.table(columns, schema=FAILURES), temporary)


def _objects(column: pa.ChunkedArray) -> NDArray[Any]:
    return np.fromiter(column.to_pylist(), dtype=object, count=len(column))
