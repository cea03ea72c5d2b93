"""One shard on disk: Parquet captions, FTS5 index, float16 embeddings."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from skclip._bounded_cache import BoundedCache
from skclip._files import replacing
from skclip.captions import check_index, is_current
from skclip.corpus._hashes import file_hash
from skclip.corpus._images import ImageSlice, only_urls
from skclip.corpus._manifest import ShardEntry
from skclip.corpus._stored_paths import arrow_source, resolved_path, writable_text
from skclip.exceptions import CorpusFormatError

__all__ = [
    "ROW_GROUP_SIZE",
    "SCHEMA",
    "DiskShard",
    "ShardFiles",
    "check_caption_widths",
    "write_failures",
]

# Rows per row group: reading one row reads at most one group.
ROW_GROUP_SIZE = 8192

# An image is a path or URL. With an offset it is a byte range of that file (a tar archive); without
# a path it is a byte range of the shard's image file. `problem` is the reason for a missing image.
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
    """Paths of the files of a shard.

    Parameters
    ----------
    directory : Path
        Directory of the corpus.

    name : str
        Stem of the file names.
    """

    def __init__(self, directory: Path, name: str) -> None:
        self.stem = name
        self.captions = directory / f"{name}.captions.parquet"
        self.index = directory / f"{name}.index.sqlite"
        self.embeddings = directory / f"{name}.embeddings.npy"
        self.caption_embeddings = directory / f"{name}.caption_embeddings.npy"
        self.failures = directory / f"{name}.failures.parquet"
        self.images = directory / f"{name}.images.bin"

    def existing(self) -> list[Path]:
        """Return the existing files, including incomplete ones."""
        found = self.captions.parent.glob(self.captions.name.partition(".")[0] + ".*")
        return [path for path in found if path.suffix != ".tmp"]


class DiskShard:
    """Read access to a shard on disk; files other than embeddings are open only during a call.

    Parameters
    ----------
    directory : Path
        Directory of the corpus.

    entry : ShardEntry
        Entry of the shard in the manifest.

    open_arrays : BoundedCache, default=None
        Open files of embeddings, which the shards of a corpus share. None is for this one alone.
    """

    def __init__(
        self, directory: Path, entry: ShardEntry, open_arrays: BoundedCache | None = None
    ) -> None:
        self._open = BoundedCache(max_size=1) if open_arrays is None else open_arrays
        self.entry = entry
        self.n_rows = entry.n_rows
        self.files = ShardFiles(directory, entry.name)
        self._directory = directory

    @cached_property
    def index(self) -> str | None:
        """Path of the caption index; None if there is none.

        The file is compared with its hash on first use. SQLite keeps no checksums: most changed
        bits would return wrong rows instead of an error.
        """
        name = self.entry.index_file
        if name is None:
            return None
        path, expected = self._directory / name, self.entry.sha256.get(name)
        with suppress(OSError):  # opening the file later raises the error
            if expected is not None and file_hash(path) != expected:
                raise self._damaged(path, "its contents have changed")
        return str(path)

    def has_current_index(self) -> bool:
        """Return whether there is an index with the words of this version."""
        name = self.entry.index_file
        return name is not None and is_current(self._directory / name)

    def column(self, name: str, rows: NDArray[np.int64]) -> NDArray[Any]:
        """Return ``"caption"``, ``"id"`` or ``"image"`` (a reference) of the given rows."""
        if name == "image":
            return self._images(rows)
        column = self._read([name], rows).column(name)
        with self._reading(self.files.captions):
            return _objects(column)

    def embeddings(self, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        """Return the embeddings of the given rows."""
        stored = self._stored_embeddings
        return stored[rows + self.entry.first_embedding].astype(np.float32)

    def caption_embeddings(self, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        """Return the embeddings of the captions of the given rows."""
        return self._stored_caption_embeddings[rows].astype(np.float32)

    def invalid_embeddings(self) -> Iterator[tuple[int, str]]:
        """Yield the rows whose stored embedding is not finite, with the reason."""
        for start in range(0, self.n_rows if self.entry.embeddings else 0, ROW_GROUP_SIZE):
            first = self.entry.first_embedding + start
            part = self._stored_embeddings[first : first + min(ROW_GROUP_SIZE, self.n_rows - start)]
            for row in np.flatnonzero(~np.isfinite(part).all(axis=1)):
                yield start + int(row), f"its embedding in {self.entry.embeddings} is not finite"

    def iter_captions(self) -> Iterator[list[str]]:
        """Yield all captions in batches."""
        with self._reading_captions() as file:
            for batch in file.iter_batches(batch_size=ROW_GROUP_SIZE, columns=["caption"]):
                yield _strings(batch.column("caption"))

    def has_images(self) -> bool:
        """Return whether any row has an image, or a reason for having none."""
        names = ["image", "offset", "problem"]
        with self._reading_captions() as file:
            return any(
                column.null_count < len(batch)
                for batch in file.iter_batches(columns=names)
                for column in batch.columns
            )

    def problems(self) -> dict[int, str]:
        """Return the reasons for missing images that the source has given, keyed by row."""
        with self._reading_captions() as file:
            problems = file.read(["problem"]).column("problem")
            lacking = pc.indices_nonzero(pc.is_valid(problems))
            reasons = problems.take(lacking).to_pylist()
        return dict(zip(lacking.to_pylist(), reasons, strict=True))

    def failures(self) -> pa.Table:
        """Return the rows without a readable image: ``row``, ``id`` and ``reason``."""
        if self.entry.failures is None:
            return FAILURES.empty_table()
        path = self._directory / self.entry.failures
        with self._reading(path), arrow_source(path) as source:
            table = pq.read_table(source, page_checksum_verification=True)
            if not table.schema.equals(FAILURES) or any(c.null_count for c in table.columns):
                raise ValueError("it has other columns than row, id and reason")
            rows = table.column("row").to_numpy()
            if ((rows < 0) | (rows >= self.n_rows)).any() or (np.diff(rows) <= 0).any():
                raise ValueError(f"its rows are not ascending numbers below {self.n_rows}")
            for name in ("id", "reason"):
                _strings(table.column(name))
        return table

    def check(self) -> None:
        """Raise :class:`CorpusFormatError` if a quick check finds a damaged file."""
        self.failures()
        if self.index is not None:
            check_index(self.index)

    def check_size(self, n_features: int | None) -> None:
        """Raise :class:`CorpusFormatError` if the files differ in size from the manifest.

        Parameters
        ----------
        n_features : int or None
            Width of the embeddings.
        """
        with self._reading_captions() as file:
            sizes = [file.metadata.row_group(i).num_rows for i in range(file.num_row_groups)]
            # rows are located by the number of their group
            n_whole, rest = divmod(self.n_rows, ROW_GROUP_SIZE)
            if sizes != [ROW_GROUP_SIZE] * n_whole + ([rest] if rest else []):
                raise ValueError(f"it has {sum(sizes)} rows, but the manifest has {self.n_rows}")
            if not file.schema_arrow.equals(SCHEMA):
                raise ValueError(f"it has other columns than {', '.join(SCHEMA.names)}")
        if self.entry.embeddings is not None:
            width = self.width()
            if width != n_features:
                path = self._directory / self.entry.embeddings
                raise self._damaged(
                    path, f"it has {width} columns, but the manifest has {n_features}"
                )

    def width(self) -> int:
        """Return the width of the embeddings."""
        return int(self._open_embeddings().shape[1])

    def caption_width(self) -> int:
        """Return the width of the embeddings of captions."""
        return int(self._open_caption_embeddings().shape[1])

    @property
    def _stored_embeddings(self) -> NDArray[Any]:
        stored: NDArray[Any] = self._open.get_or_make(self.entry.name, self._open_embeddings)
        return stored

    @property
    def _stored_caption_embeddings(self) -> NDArray[Any]:
        key = (self.entry.name, "captions")
        stored: NDArray[Any] = self._open.get_or_make(key, self._open_caption_embeddings)
        return stored

    def _open_caption_embeddings(self) -> NDArray[Any]:
        assert self.entry.caption_embeddings is not None
        return self._open_rows(self.entry.caption_embeddings)

    def _open_embeddings(self) -> NDArray[Any]:
        assert self.entry.embeddings is not None
        return self._open_rows(self.entry.embeddings, self.entry.first_embedding)

    def _open_rows(self, name: str, first: int = 0) -> NDArray[Any]:
        """Map a file of rows into memory; the shard's rows begin at ``first``."""
        path = self._directory / name
        try:
            stored: NDArray[Any] = np.load(path, mmap_mode="r", allow_pickle=False)
        except OSError as error:
            raise self._damaged(path, error) from error
        except Exception:  # NumPy's message may recommend a parameter that allows code execution
            raise self._damaged(path, "it is not an array of numbers, or is truncated") from None
        own = path.parent == self._directory
        if (
            stored.ndim != 2
            or stored.dtype.kind != "f"
            or len(stored) < first + self.n_rows
            or (own and len(stored) != self.n_rows)
            or (own and (stored.dtype != "<f2" or not stored.flags.c_contiguous))
            or (own and stored.nbytes != path.stat().st_size - getattr(stored, "offset", 0))
        ):
            raise self._damaged(path, f"it is an array of {stored.dtype} of shape {stored.shape}")
        return stored

    @contextmanager
    def _reading_captions(self) -> Iterator[pq.ParquetFile]:
        path = self.files.captions
        with (
            self._reading(path),
            arrow_source(path) as source,
            pq.ParquetFile(source, page_checksum_verification=True) as file,
        ):
            yield file

    @contextmanager
    def _reading(self, path: Path) -> Iterator[None]:
        """Convert any error of reading a file, which may be damaged, to one that names it."""
        try:
            yield
        except CorpusFormatError:
            raise
        except Exception as error:
            raise self._damaged(path, error) from error

    def _damaged(self, path: Path, why: object) -> CorpusFormatError:
        return CorpusFormatError(
            f"The file {str(path)!r} of the corpus cannot be read ({why}): build the corpus again "
            "with overwrite=True."
        )

    def _read(self, columns: list[str], rows: NDArray[np.int64]) -> pa.Table:
        """Read the row groups that contain ``rows`` and select the rows."""
        groups, group_of = np.unique(rows // ROW_GROUP_SIZE, return_inverse=True)
        with self._reading_captions() as file:
            table = file.read_row_groups(groups.tolist(), columns=columns)
            return table.take(pa.array(group_of * ROW_GROUP_SIZE + rows % ROW_GROUP_SIZE))

    def _images(self, rows: NDArray[np.int64]) -> NDArray[Any]:
        table = self._read(["image", "offset", "size"], rows)
        with self._reading(self.files.captions):
            if table.column("offset").null_count == len(rows) and only_urls(table.column("image")):
                return _objects(table.column("image"), missing=True)
            columns = [column.to_pylist() for column in table.columns]
        parts = zip(*columns, strict=True)
        return np.fromiter((self._image(*part) for part in parts), dtype=object, count=len(rows))

    def _image(
        self, path: str | None, offset: int | None, size: int | None
    ) -> str | ImageSlice | None:
        path = resolved_path(path, self.entry.image_root)
        if offset is None or size is None:
            return path
        return ImageSlice(str(self.files.images) if path is None else path, offset, size)


def check_caption_widths(shards: Sequence[DiskShard]) -> None:
    """Raise :class:`CorpusFormatError` if embeddings of captions differ in width."""
    embedded = [shard for shard in shards if shard.entry.caption_embeddings is not None]
    widths = [shard.caption_width() for shard in embedded]
    if len(set(widths)) > 1:
        odd = next(s for s, w in zip(embedded, widths, strict=True) if w != widths[0])
        raise CorpusFormatError(
            f"The file {odd.entry.caption_embeddings!r} of the corpus has "
            f"{odd.caption_width()} columns, but those of other shards have {widths[0]}: build the "
            "corpus again with overwrite=True."
        )


def write_failures(shard: DiskShard, files: ShardFiles, reasons: dict[int, str]) -> None:
    """List the rows without a readable image in ``files.failures``, if there are any.

    Parameters
    ----------
    shard : DiskShard
        Shard with the images missing in its source.

    files : ShardFiles
        Files of the shard.

    reasons : dict of int to str
        Reasons for other unreadable images.
    """
    reasons = dict(sorted({**reasons, **shard.problems()}.items()))
    if not reasons:
        files.failures.unlink(missing_ok=True)
        return
    rows = np.fromiter(reasons, dtype=np.int64)
    columns = [rows, shard.column("id", rows), list(map(writable_text, reasons.values()))]
    with replacing(files.failures) as temporary, temporary.open("wb") as file:
        pq.write_table(pa.table(columns, schema=FAILURES), file, write_page_checksum=True)


def _objects(column: pa.ChunkedArray, *, missing: bool = False) -> NDArray[Any]:
    """Return a column of strings as Python objects, several times faster than by ``to_pylist``."""
    if column.null_count and not missing:
        raise ValueError(f"{column.null_count} of its strings are missing")
    objects: NDArray[Any] = column.to_numpy(zero_copy_only=False)
    return objects.astype(object, copy=False)


def _strings(column: pa.Array | pa.ChunkedArray) -> list[str]:
    """Return a column of strings; raise if some are missing."""
    if column.null_count:
        raise ValueError(f"{column.null_count} of its strings are missing")
    strings: list[str] = column.to_pylist()
    return strings
