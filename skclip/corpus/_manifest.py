"""The manifest: the file that lists the files of a corpus.

A corpus consists only of the files that its manifest names. Builders write new files under unused
names and replace the manifest last, in one step. A reader sees the old collection or the new one,
and a crash loses neither.

A corpus may come from elsewhere, so all values in a manifest are checked. File names must have the
form that skclip writes, inside the directory, so that no other files are written or removed. Only
an ``.npy`` file of embeddings may be outside, by its absolute path; it is only read.
"""

import json
import re
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from skclip._files import replacing
from skclip._validation import sample_of
from skclip.exceptions import CorpusFormatError, CorpusNotFoundError

__all__ = [
    "FORMAT_VERSION",
    "LOCK",
    "MANIFEST",
    "UNFINISHED",
    "Manifest",
    "ShardEntry",
    "next_generation",
    "read_manifest",
    "read_note",
    "write_manifest",
]

FORMAT = "skclip-corpus"
FORMAT_VERSION = 2
# Version 1 had no `index` in a shard, and indexes of other words.
_READ_VERSIONS = (1, 2)
MANIFEST = "manifest.json"
UNFINISHED = "unfinished.json"
LOCK = ".lock"

_STEM = re.compile(r"([0-9]{3,9})-[0-9]{5,9}")
_SHA256 = re.compile(r"[0-9a-f]{64}")
# Limits of generations, rows and widths, so that their sums fit into array types.
_MAX_GENERATION, _MAX_ROWS, _MAX_FEATURES = 10**9, 10**12, 10**6


@dataclass(frozen=True)
class ShardEntry:
    """Entry of one shard in the manifest.

    Parameters
    ----------
    name : str
        Stem of the shard's file names.

    n_rows : int
        Number of captions.

    image_root : str or None
        Base directory of relative image paths.

    indexed : bool
        Whether there is a caption index.

    embeddings : str or None
        ``.npy`` file: a name in the corpus directory, or the absolute path of another file.

    first_embedding : int
        Row of the embeddings file for the shard's first row.

    failures : str or None
        Parquet file with the rows that have no readable image.

    caption_embeddings : str or None
        ``.npy`` file of the embeddings of captions.

    caption_model_id : str or None
        Identity of the model of these.
    index : str or None
        SQLite file of the caption index, if another has replaced the shard's first one.

    sha256 : dict of {str: str}
        Hashes of the shard's files by name. Files outside the directory, and files of a corpus
        written before hashes were introduced, have none.
    """

    name: str
    n_rows: int
    image_root: str | None = None
    indexed: bool = False
    embeddings: str | None = None
    first_embedding: int = 0
    failures: str | None = None
    caption_embeddings: str | None = None
    caption_model_id: str | None = None
    index: str | None = None
    sha256: dict[str, str] = field(default_factory=dict)

    @property
    def needed_files(self) -> list[str]:
        """Names of the files that are required to read the shard."""
        captions = f"{self.name}.captions.parquet"
        names = [captions, self.embeddings, self.failures, self.index_file]
        names.append(self.caption_embeddings)
        return [name for name in names if name is not None]

    @property
    def index_file(self) -> str | None:
        """Name of the file of the caption index; None if there is none."""
        return (self.index or f"{self.name}.index.sqlite") if self.indexed else None

    @property
    def files(self) -> list[str]:
        """Names of all files that belong to the shard."""
        return [*self.needed_files, f"{self.name}.images.bin"]


@dataclass(frozen=True)
class Manifest:
    """Contents of ``manifest.json``.

    Parameters
    ----------
    shards : tuple of ShardEntry
        Shards in row order.

    model_id : str or None
        Identity of the model of the embeddings.

    n_features : int or None
        Width of the embeddings.

    generation : int
        Number of times the manifest was replaced; names of new files have the next number.
    """

    shards: tuple[ShardEntry, ...]
    model_id: str | None = None
    n_features: int | None = None
    generation: int = 0


def write_manifest(directory: Path, manifest: Manifest) -> None:
    """Replace the manifest of ``directory``."""
    content = {"format": FORMAT, "version": FORMAT_VERSION, **asdict(manifest)}
    with replacing(directory / MANIFEST) as temporary:
        temporary.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


def read_manifest(directory: Path, *, with_files: bool = True) -> Manifest:
    """Read the manifest of ``directory``.

    Parameters
    ----------
    directory : Path
        Directory of the corpus.

    with_files : bool, default=True
        Whether the files that it names must exist.

    Raises
    ------
    CorpusNotFoundError
        If the directory does not exist or contains no corpus.

    CorpusFormatError
        If the corpus is unfinished, damaged, or of a newer format.
    """
    if not directory.is_dir():
        what = "is a file" if directory.exists() else "does not exist"
        raise CorpusNotFoundError(
            f"The corpus {str(directory)!r} {what}: give a directory written by "
            "Corpus.build(source, path)."
        )
    path = directory / MANIFEST
    if not path.exists():
        if (directory / UNFINISHED).exists():
            raise CorpusFormatError(
                f"The corpus {str(directory)!r} is unfinished because its build was interrupted: "
                "run the same Corpus.build again, which resumes where it stopped."
            )
        raise CorpusNotFoundError(
            f"The directory {str(directory)!r} holds no corpus (no {MANIFEST}): build one from "
            "captioned images with Corpus.build(source, path)."
        )
    try:
        content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        if content.pop("format") != FORMAT:
            raise ValueError("it is another program's file")
        version = content.pop("version")
        if version not in _READ_VERSIONS:
            raise CorpusFormatError(
                f"The corpus {str(directory)!r} has format version {version}, but this skclip "
                f"reads versions {' and '.join(map(str, _READ_VERSIONS))}: upgrade skclip, or "
                "build the corpus again with overwrite=True."
            )
        shards = tuple(ShardEntry(**entry) for entry in content.pop("shards"))
        manifest = Manifest(shards, **content)
        _check_manifest(manifest)
    except CorpusFormatError:
        raise
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise CorpusFormatError(
            f"The manifest of the corpus {str(directory)!r} cannot be read ({error}): build the "
            "corpus again with overwrite=True."
        ) from error
    needed = [f for s in manifest.shards for f in s.needed_files] if with_files else []
    missing = [name for name in needed if not (directory / name).is_file()]
    if missing:
        raise CorpusFormatError(
            f"The corpus {str(directory)!r} is missing {len(missing)} of its files "
            f"({sample_of(missing)}): copy it completely, or build it again with overwrite=True."
        )
    return manifest


def _check_manifest(manifest: Manifest) -> None:
    """Raise ValueError for a value that skclip does not write."""
    _check_number("generation", manifest.generation, 0, _MAX_GENERATION)
    _check_kind("model_id", manifest.model_id, str)
    if manifest.n_features is not None:
        _check_number("n_features", manifest.n_features, 1, _MAX_FEATURES)
    if not manifest.shards:
        raise ValueError("it has no shards")
    for entry in manifest.shards:
        _check_entry(entry, manifest.generation)
    models = {entry.caption_model_id for entry in manifest.shards} - {None}
    if len(models) > 1:
        raise ValueError(f"its captions were embedded by several models: {sample_of(models)}")
    names = [entry.name for entry in manifest.shards]
    if len(set(names)) < len(names):
        twice = sorted({name for name in names if names.count(name) > 1})
        raise ValueError(f"it has duplicate shards: {sample_of(twice)}")


def _check_entry(entry: ShardEntry, generation: int) -> None:
    found = _STEM.fullmatch(entry.name) if isinstance(entry.name, str) else None
    if found is None:
        raise ValueError(f"the name of a shard is {entry.name!r}, expected one like '000-00000'")
    # a later build would use the same file names
    if int(found[1]) > generation:
        raise ValueError(f"the shard {entry.name!r} is newer than generation {generation}")
    where = f"of shard {entry.name!r}"
    _check_number(f"n_rows {where}", entry.n_rows, 1, _MAX_ROWS)
    _check_number(f"first_embedding {where}", entry.first_embedding, 0, _MAX_ROWS)
    _check_kind(f"image_root {where}", entry.image_root, str)
    if not isinstance(entry.indexed, bool):
        raise ValueError(f"indexed {where} is {entry.indexed!r}, expected true or false")
    _check_name(f"failures {where}", entry.failures, entry.name, "failures.parquet")
    own = entry.caption_embeddings
    _check_name(f"caption_embeddings {where}", own, entry.name, "caption_embeddings.npy")
    _check_kind(f"caption_model_id {where}", entry.caption_model_id, str)
    if (own is None) != (entry.caption_model_id is None):
        raise ValueError(f"caption_embeddings {where} and caption_model_id do not go together")
    _check_name(f"index {where}", entry.index, entry.name, "index.sqlite")
    elsewhere = isinstance(entry.embeddings, str) and Path(entry.embeddings).is_absolute()
    if not elsewhere:
        _check_name(f"embeddings {where}", entry.embeddings, entry.name, "embeddings.npy")
        if entry.first_embedding:
            raise ValueError(f"first_embedding {where} is {entry.first_embedding}, expected 0")
    if not isinstance(entry.sha256, dict) or not all(
        name in entry.files and isinstance(value, str) and _SHA256.fullmatch(value)
        for name, value in entry.sha256.items()
    ):
        raise ValueError(f"sha256 {where} has entries that are not hashes of the shard's files")


def _check_number(what: str, value: Any, low: int, high: int) -> None:
    if not isinstance(value, int) or isinstance(value, bool) or not low <= value < high:
        raise ValueError(f"{what} is {value!r}, expected a number from {low} to {high - 1}")


def _check_kind(what: str, value: Any, kind: type) -> None:
    if value is not None and not isinstance(value, kind):
        raise ValueError(f"{what} is {value!r}, expected a {kind.__name__} or null")


def _check_name(what: str, value: Any, stem: str, kind: str) -> None:
    """Raise for a file name that does not belong to the shard."""
    _check_kind(what, value, str)
    own = re.compile(rf"([0-9]{{3,9}}-)?{re.escape(f'{stem}.{kind}')}")
    if value is not None and not own.fullmatch(value):
        raise ValueError(f"{what} is {value!r}, expected a name like '{stem}.{kind}'")


def read_note(directory: Path, name: str = UNFINISHED) -> dict[str, Any]:
    """Return the contents of a JSON file of the directory; empty if it names no generation."""
    try:
        content = json.loads((directory / name).read_text(encoding="utf-8"))
        _check_number("generation", content["generation"], 0, _MAX_GENERATION)
    except (OSError, ValueError, TypeError, KeyError, RecursionError):
        return {}
    return dict(content)


def next_generation(directory: Path) -> int:
    """Return the number of the next manifest, even if the current one cannot be read."""
    for name, step in ((MANIFEST, 1), (UNFINISHED, 0)):
        if content := read_note(directory, name):
            return int(content["generation"]) + step
    used = [path.name.partition("-")[0] for path in directory.glob("[0-9]*-[0-9]*.*")]
    return 1 + max((int(number) for number in used if number.isdecimal()), default=-1)
