"""WebDataset archives: tar files whose members are samples, told apart by the stem of their name.

Images stay in the archive; the corpus notes where they begin.
"""

import json
import re
import tarfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa

from skclip.corpus._readers._columns import archive_rows
from skclip.exceptions import CorpusError

__all__ = ["Sample", "expand_braces", "iter_samples", "read_webdataset"]

_BATCH = 4096
_IMAGE_KINDS = frozenset(("jpg", "jpeg", "png", "webp", "gif", "bmp", "tif", "tiff", "avif"))
_CAPTION_KEYS = ("caption", "text")
_RANGE = re.compile(r"\{(\d+)\.\.(\d+)\}")


@dataclass
class Sample:
    """Members of one sample.

    Parameters
    ----------
    key : str
        Stem that the members share.

    image : tuple of int or None
        Offset and size of the image in the archive.

    texts : dict of str to str
        Contents of the text members, by suffix.

    problem : str or None
        What is wrong with it.
    """

    key: str
    image: tuple[int, int] | None = None
    texts: dict[str, str] = field(default_factory=dict)
    problem: str | None = None

    @property
    def caption(self) -> str:
        """Caption from the ``.txt`` member, or from the ``.json`` one; empty without any."""
        if "txt" in self.texts:
            return " ".join(self.texts["txt"].split())
        try:
            content: Any = json.loads(self.texts.get("json", "{}"))
        except json.JSONDecodeError:
            return ""
        values = [content.get(key) for key in _CAPTION_KEYS] if isinstance(content, dict) else []
        return next((value for value in values if isinstance(value, str)), "")


def read_webdataset(archives: Sequence[Path]) -> Iterator[pa.Table]:
    """Yield the samples of tar files.

    Parameters
    ----------
    archives : sequence of Path
        Tar files without compression, in order.

    Yields
    ------
    table : pyarrow.Table
        Rows of a corpus, images as offsets into the archives.
    """
    for archive in archives:
        batch: list[Sample] = []
        for sample in iter_samples(archive):
            if sample.image is None and sample.problem is None:
                sample.problem = f"no image among the members of {sample.key!r} in {archive.name}"
            batch.append(sample)
            if len(batch) == _BATCH:
                yield _table(archive, batch)
                batch = []
        if batch:
            yield _table(archive, batch)


def iter_samples(archive: Path) -> Iterator[Sample]:
    """Yield the samples of a tar file; where it is cut off, a last one that says so.

    Parameters
    ----------
    archive : Path
        Tar file without compression.

    Yields
    ------
    sample : Sample
        In order.
    """
    sample: Sample | None = None
    end = archive.stat().st_size
    try:
        with tarfile.open(archive, "r:") as tar:
            for member in tar:
                if not member.isfile():
                    continue
                key, _, suffix = _split(member.name)
                if sample is None or sample.key != key:
                    if sample is not None:
                        yield sample
                    sample = Sample(key)
                whole = member.offset_data + member.size <= end
                if not whole:
                    sample.problem = f"{member.name} is cut off in {archive.name}"
                elif suffix in _IMAGE_KINDS:
                    sample.image = (member.offset_data, member.size)
                elif suffix in ("txt", "json"):
                    content = tar.extractfile(member)
                    assert content is not None
                    sample.texts[suffix] = content.read().decode("utf-8", "replace")
    except tarfile.ReadError as error:
        if sample is None:
            raise CorpusError(
                f"{str(archive)!r} is no tar file ({error}); compressed ones must be unpacked "
                "first, since images are read from the middle."
            ) from error
        yield sample
        yield Sample(archive.name, problem=f"the archive is cut off: {error}")
        return
    if sample is not None:
        yield sample


def expand_braces(path: str) -> list[Path]:
    """Return the paths that ``{00000..00010}`` stands for; a path without braces is itself.

    Examples
    --------
    >>> from skclip.corpus._readers._webdataset import expand_braces
    >>> [path.name for path in expand_braces("data/{08..10}.tar")]
    ['08.tar', '09.tar', '10.tar']
    """
    found = _RANGE.search(path)
    if found is None:
        return [Path(path)]
    first, last = found.groups()
    numbers = range(int(first), int(last) + 1)
    names = (path[: found.start()] + f"{n:0{len(first)}d}" + path[found.end() :] for n in numbers)
    return [expanded for name in names for expanded in expand_braces(name)]


def _split(name: str) -> tuple[str, str, str]:
    """Split a member's name at the first dot of its last part."""
    folder, slash, last = name.rpartition("/")
    stem, dot, suffix = last.partition(".")
    return folder + slash + stem, dot, suffix.lower()


def _table(archive: Path, samples: Sequence[Sample]) -> pa.Table:
    return archive_rows(
        captions=[sample.caption for sample in samples],
        ids=[sample.key for sample in samples],
        places=[None if s.image is None else (str(archive), *s.image) for s in samples],
        problems=[sample.problem for sample in samples],
    )
