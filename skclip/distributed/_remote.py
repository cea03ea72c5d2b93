"""Corpora on remote file systems: pushed whole, and pulled whole."""

import json
import os
import shutil
from pathlib import Path
from typing import Any

import pyarrow.fs as pafs

from skclip._files import find_file, replacing
from skclip._optional import import_optional
from skclip.corpus import MANIFEST, Corpus, file_hash, open_corpus, read_manifest
from skclip.exceptions import CorpusError, CorpusNotFoundError

__all__ = ["pull", "push"]


def push(corpus: Corpus | str | os.PathLike[str], url: str, *, filesystem: Any = None) -> None:
    """Copy a corpus to a remote file system, the manifest last.

    An interrupted call is repeated from the start. Files that the manifest at ``url`` names with
    the same hash are kept; the files of an older corpus there are not removed.

    Parameters
    ----------
    corpus : Corpus or path-like
        The corpus. Embeddings outside its directory, and images, are not copied.

    url : str
        Folder to write: ``s3://bucket/folder``, ``gs://…``, ``memory://…`` or anything that pyarrow
        or fsspec opens; a path if ``filesystem`` is given.

    filesystem : pyarrow.fs.FileSystem or fsspec file system, default=None
        A file system with its own options, such as an endpoint.

    Raises
    ------
    CorpusError
        If the corpus uses embeddings outside its directory, or ``url`` is its own directory.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from skclip.distributed import build, pull, push
    >>> corpus = build(["a cat", "two dogs"], tempfile.mkdtemp())
    >>> url = (Path(tempfile.mkdtemp()) / "there").as_uri()
    >>> push(corpus, url)
    >>> pull(url, Path(tempfile.mkdtemp()) / "back").search("dogs").tolist()
    [1]
    """
    corpus = open_corpus(corpus)
    outside = [name for name in _names(corpus) if Path(name).is_absolute()]
    if outside:
        raise CorpusError(
            f"{corpus!r} uses embeddings outside its directory ({outside[0]!r}): build it with "
            "embeddings= to copy them into it."
        )
    there, folder = _opened(url, filesystem)
    # files are opened for writing before they are read
    if _is_local(there) and Path(folder).resolve() == corpus.path.resolve():
        raise CorpusError(f"{url!r} is the directory of {corpus!r} itself: give another folder.")
    there.create_dir(folder, recursive=True)
    known = _remote_hashes(there, folder)
    for shard in corpus.shards:
        for name in shard.entry.files:
            path, digest = corpus.path / name, shard.entry.sha256.get(name)
            if path.exists() and (digest is None or known.get(name) != digest):
                _upload(path, there, f"{folder}/{name}")
    _upload(corpus.path / MANIFEST, there, f"{folder}/{MANIFEST}")


def pull(
    url: str, path: str | os.PathLike[str], *, filesystem: Any = None, verify: bool = True
) -> Corpus:
    """Copy a corpus from a remote file system, the manifest last.

    An interrupted call resumes: complete files with the right hash are kept.

    Parameters
    ----------
    url : str
        Folder that :func:`push` has written.

    path : path-like
        Directory to write: new, or one of an interrupted call.

    filesystem : pyarrow.fs.FileSystem or fsspec file system, default=None
        As for :func:`push`.

    verify : bool, default=True
        Whether to compare every file with its hash afterwards.

    Returns
    -------
    corpus : Corpus
        The corpus at ``path``.

    Raises
    ------
    CorpusNotFoundError
        If there is no corpus at ``url``.

    CorpusFormatError
        If files are damaged.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from skclip.distributed import build, pull, push
    >>> url = (Path(tempfile.mkdtemp()) / "there").as_uri()
    >>> push(build(["a cat", "two dogs"], tempfile.mkdtemp()), url)
    >>> len(pull(url, Path(tempfile.mkdtemp()) / "back"))
    2
    """
    directory = find_file(path).absolute()
    if directory.exists() and not directory.is_dir():
        raise CorpusError(f"{str(directory)!r} is a file: give a new directory.")
    if (directory / MANIFEST).exists():
        raise CorpusError(f"{str(directory)!r} already holds a corpus: give a new directory.")
    there, folder = _opened(url, filesystem)
    if there.get_file_info(f"{folder}/{MANIFEST}").type != pafs.FileType.File:
        raise CorpusNotFoundError(
            f"There is no corpus at {url!r}, or its copying was interrupted: push(corpus, url) "
            "copies one."
        )
    # checked as any manifest is, before a name in it is used as the name of a file
    checked = directory / "manifest"
    checked.mkdir(parents=True, exist_ok=True)
    _download(there, f"{folder}/{MANIFEST}", checked / MANIFEST)
    manifest = read_manifest(checked, with_files=False)
    for entry in manifest.shards:
        if entry.embeddings is not None and Path(entry.embeddings).is_absolute():
            raise CorpusError(
                f"The corpus at {url!r} uses embeddings outside its folder "
                f"({entry.embeddings!r}), which cannot be copied."
            )
        present = set(entry.needed_files) | set(entry.sha256)
        for name in sorted(present):
            target, expected = directory / name, entry.sha256.get(name)
            if not target.exists() or expected is None or file_hash(target) != expected:
                _download(there, f"{folder}/{name}", target)
    (checked / MANIFEST).replace(directory / MANIFEST)
    checked.rmdir()
    corpus = Corpus(directory)
    if verify:
        corpus.verify()
    return corpus


def _names(corpus: Corpus) -> list[str]:
    return [name for shard in corpus.shards for name in shard.entry.needed_files]


def _opened(url: str, filesystem: Any) -> tuple[Any, str]:
    """Return a pyarrow file system and the folder in it."""
    if filesystem is not None:
        if not isinstance(filesystem, pafs.FileSystem):
            filesystem = pafs.PyFileSystem(pafs.FSSpecHandler(filesystem))
        return filesystem, url.rstrip("/")
    try:
        filesystem, folder = pafs.FileSystem.from_uri(url)
    except (ValueError, NotImplementedError):
        core = import_optional("fsspec.core", extra="ray", purpose=f"The address {url!r}")
        inner, folder = core.url_to_fs(url)
        filesystem = pafs.PyFileSystem(pafs.FSSpecHandler(inner))
    return filesystem, folder.rstrip("/")


def _is_local(there: Any) -> bool:
    """Return whether a file system is that of this machine, by pyarrow or by fsspec."""
    return isinstance(there, pafs.LocalFileSystem) or "'local'" in there.type_name


def _remote_hashes(there: Any, folder: str) -> dict[str, str]:
    """Return the hashes in a remote manifest; empty without one that can be read."""
    if there.get_file_info(f"{folder}/{MANIFEST}").type != pafs.FileType.File:
        return {}
    with there.open_input_stream(f"{folder}/{MANIFEST}") as file:
        try:
            shards = json.loads(file.read())["shards"]
            return {name: digest for entry in shards for name, digest in entry["sha256"].items()}
        except (ValueError, TypeError, KeyError, AttributeError):
            return {}


def _upload(path: Path, there: Any, target: str) -> None:
    with path.open("rb") as source, there.open_output_stream(target) as file:
        shutil.copyfileobj(source, file, 1 << 20)


def _download(there: Any, source: str, path: Path) -> None:
    with (
        replacing(path) as temporary,
        temporary.open("wb") as file,
        there.open_input_stream(source) as stream,
    ):
        shutil.copyfileobj(stream, file, 1 << 20)
