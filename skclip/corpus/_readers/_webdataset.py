"""WebDataset archives: tar files in which members with the same stem form a sample.

Images stay in the archive, and the corpus stores their offsets. Archives are untrusted: member
names that lead out of the archive, and texts too long for a caption, are not read.
"""

import tarfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa

from skclip.corpus._readers._columns import archive_rows
from skclip.corpus._readers._decoding import MAX_TEXT, Doubts, decoded, json_caption
from skclip.embedding import IMAGE_SUFFIXES
from skclip.exceptions import CorpusError

__all__ = ["Sample", "iter_samples", "read_webdataset"]

_BATCH = 4096
_IMAGE_KINDS = frozenset(suffix.removeprefix(".") for suffix in IMAGE_SUFFIXES)
_TEXT_KINDS = ("txt", "json")


@dataclass(slots=True)
class Sample:
    """Members of one sample.

    Parameters
    ----------
    key : str
        Common stem of the members.

    image : tuple of int or None
        Offset and size of the image in the archive.

    captions : dict of str to str or list of str
        Captions of the text members, by suffix.

    problem : str or None
        Problem of the image, if any.

    doubt : str or None
        Reason why the JSON member has no caption; used if there is no text member.

    kinds : set of str
        Suffixes of the members.
    """

    key: str
    image: tuple[int, int] | None = None
    captions: dict[str, str | list[str]] = field(default_factory=dict)
    problem: str | None = None
    doubt: str | None = None
    kinds: set[str] = field(default_factory=set)

    @property
    def caption(self) -> str | list[str]:
        """Caption from the ``.txt`` member, else from the ``.json`` member, else empty."""
        return next((self.captions[k] for k in _TEXT_KINDS if k in self.captions), "")


def read_webdataset(archives: Sequence[Path], doubts: Doubts) -> Iterator[pa.Table]:
    """Yield the samples of tar files.

    Parameters
    ----------
    archives : sequence of Path
        Tar files without compression, in order.

    doubts : Doubts
        Collects notes on captions that may be read wrongly.

    Yields
    ------
    table : pyarrow.Table
        Rows of a corpus, with images as offsets into the archives.
    """
    for archive in archives:
        samples = list(iter_samples(archive, doubts))
        for sample in samples:
            if sample.doubt is not None and not sample.captions:
                doubts.add(f"{sample.key}.json in {archive.name}", sample.doubt)
            if sample.image is None and sample.problem is None:
                sample.problem = f"no image among the members of {sample.key!r} in {archive.name}"
        for start in range(0, len(samples), _BATCH):
            yield _table(archive, samples[start : start + _BATCH], doubts)


def iter_samples(archive: Path, doubts: Doubts) -> Iterator[Sample]:
    """Yield the samples of a tar file; if it is truncated, one more with that problem.

    Members of a sample need not be consecutive. Hidden members, which macOS adds, and members whose
    name leads out of the archive are ignored.

    Parameters
    ----------
    archive : Path
        Tar file without compression.

    doubts : Doubts
        Collects notes on captions that may be read wrongly.

    Yields
    ------
    sample : Sample
        Samples in the order of their first members.
    """
    samples: list[Sample] = []
    latest: dict[str, Sample] = {}
    broken: str | None = None
    try:
        end = archive.stat().st_size
        with archive.open("rb") as file, tarfile.open(fileobj=file, mode="r:") as tar:
            for member in tar:
                if member.size < 0:  # the next header would be before this one
                    raise tarfile.ReadError(f"{member.name} has the size {member.size}")
                name = _plain_name(member.name)
                if name is None:
                    doubts.add(repr(member.name), f"its name leads out of {archive.name}")
                if not name or not member.isfile():
                    continue
                key, suffix = _split(name)
                sample = latest.get(key)
                # a repeated member belongs to another sample: archives were joined
                if sample is None or suffix in sample.kinds:
                    sample = latest[key] = Sample(key)
                    samples.append(sample)
                if suffix in _IMAGE_KINDS or suffix in _TEXT_KINDS:
                    sample.kinds.add(suffix)
                    _read_member(tar, member, suffix, sample, archive, end, doubts)
    except OSError as error:
        raise CorpusError(f"{str(archive)!r} cannot be read: {error.strerror}.") from error
    except (tarfile.TarError, ValueError, OverflowError, EOFError) as error:
        if not samples:
            raise CorpusError(
                f"{str(archive)!r} is not a tar file ({error}). Unpack compressed archives "
                "first, because images are read by their offsets."
            ) from error
        broken = f"the archive is truncated: {error}"
    yield from samples
    if broken:
        yield Sample(archive.name, problem=broken)


def _read_member(
    tar: tarfile.TarFile,
    member: tarfile.TarInfo,
    suffix: str,
    sample: Sample,
    archive: Path,
    end: int,
    doubts: Doubts,
) -> None:
    """Add the contents of a member to its sample."""
    name = f"{member.name!r} in {archive.name}"
    if member.offset_data + member.size > end:
        sample.problem = f"{member.name} is truncated in {archive.name}"
    elif member.issparse():
        sample.problem = (
            f"{member.name} is a sparse file in {archive.name}: it has no bytes to read"
        )
    elif suffix in _IMAGE_KINDS:
        sample.image = (member.offset_data, member.size)
    elif member.size > MAX_TEXT:
        doubts.add(name, f"its {member.size} bytes are too long for a caption, left out")
    else:
        content = tar.extractfile(member)
        assert content is not None
        text = decoded(content.read(), name, doubts)
        if suffix == "txt":
            sample.captions[suffix] = " ".join(text.split())
            return
        try:
            sample.captions[suffix] = json_caption(text)
        except ValueError as error:
            sample.doubt = str(error)


def _plain_name(name: str) -> str | None:
    """Return a member's name; empty if hidden, None if it leads out of the archive."""
    while name.startswith("./"):
        name = name[2:]
    parts = name.split("/")
    if name.startswith("/") or ".." in parts or "\\" in name or parts[0].endswith(":"):
        return None
    return "" if any(part.startswith(".") for part in parts) else name


def _split(name: str) -> tuple[str, str]:
    """Split a member's name at the first dot of its last part."""
    folder, slash, last = name.rpartition("/")
    stem, _, suffix = last.partition(".")
    return folder + slash + stem, suffix.lower()


def _table(archive: Path, samples: Sequence[Sample], doubts: Doubts) -> pa.Table:
    return archive_rows(
        captions=[sample.caption for sample in samples],
        ids=[sample.key for sample in samples],
        places=[None if s.image is None else (str(archive), *s.image) for s in samples],
        problems=[sample.problem for sample in samples],
        doubts=doubts,
    )
