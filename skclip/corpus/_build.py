"""Build a corpus: captions, then indexes, then embeddings, then the manifest that names them.

Every file is complete before it is renamed to its final name, and is used only after the manifest
names it. Running an interrupted build again finds the finished files and resumes.

A note, ``unfinished.json``, exists from before the first new file until the last old file is
removed. If a process is killed between these and after the new manifest, the commit is valid, and
the note identifies the call when it is repeated.
"""

import re
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout
from joblib import Parallel, delayed

from skclip._files import replacing
from skclip._progress import progress_bar
from skclip.captions import build_index, is_current
from skclip.corpus._begin import refuse_links, storage_problem, was_committed, write_note
from skclip.corpus._embedder import Embedder
from skclip.corpus._engine import ShardTask, current_engine
from skclip.corpus._hashes import file_hash, hashed
from skclip.corpus._manifest import (
    LOCK,
    MANIFEST,
    UNFINISHED,
    Manifest,
    ShardEntry,
    next_generation,
    read_manifest,
    read_note,
    write_manifest,
)
from skclip.corpus._readers import Part
from skclip.corpus._shards import DiskShard, ShardFiles, write_failures
from skclip.corpus._writer import write_shards
from skclip.exceptions import CorpusError

__all__ = [
    "Job",
    "add_captions",
    "common_width",
    "finish_commit",
    "first_rows_read",
    "index_shards",
    "keep_embeddings",
    "working_on",
]

_SHARD_FILE = re.compile(r"(\d{3,}-)+\d{5,}\.")


@dataclass(frozen=True)
class Job:
    """Work on a corpus directory, which ends by replacing the manifest.

    Parameters
    ----------
    directory : Path
        Directory of the corpus.

    generation : int
        Part of the names of new files.

    verbose : int
        Whether to show progress bars.

    repeats : int or None, default=None
        Generation of a commit that was interrupted in its last step; this work may repeat it.
    """

    directory: Path
    generation: int
    verbose: int
    repeats: int | None = None

    def files(self, entry: ShardEntry) -> ShardFiles:
        """Return the names of new files for a shard, which may be older."""
        prefix = f"{self.generation:03d}-"
        own = entry.name.startswith(prefix)
        return ShardFiles(self.directory, entry.name if own else prefix + entry.name)

    def task(self, entry: ShardEntry) -> ShardTask:
        """Return the work on a shard."""
        return ShardTask(self.directory, entry, self.files(entry).stem)

    def progress(self, description: str, total: int | None = None) -> Any:
        """Return a progress bar over captions."""
        return progress_bar(
            shown=bool(self.verbose),
            desc=description,
            total=total,
            unit=" captions",
            unit_scale=True,
        )

    def commit(self, manifest: Manifest) -> None:
        """Replace the manifest, then remove the files that it does not name."""
        shards = []
        with self.progress("hashes", sum(entry.n_rows for entry in manifest.shards)) as bar:
            for entry in manifest.shards:
                shards.append(hashed(self.directory, entry, generation=self.generation))
                bar.update(entry.n_rows)
        manifest = replace(manifest, shards=tuple(shards), generation=self.generation)
        write_manifest(self.directory, manifest)
        self.finish(manifest)

    def finish(self, manifest: Manifest) -> None:
        """Remove the files that the manifest does not name, and then the note."""
        counting = {name for entry in manifest.shards for name in entry.files}
        for path in self.directory.iterdir():
            if _SHARD_FILE.match(path.name) and path.name not in counting:
                _remove(path)
        for name in (MANIFEST, UNFINISHED):
            _remove(self.directory / f"{name}.tmp")
        (self.directory / UNFINISHED).unlink(missing_ok=True)

    def committed_before(
        self, entries: Sequence[ShardEntry], *, appended: bool, index: bool, model_id: str | None
    ) -> Manifest | None:
        """Return the manifest if the interrupted commit has added exactly these shards.

        Parameters
        ----------
        entries : sequence of ShardEntry
            Shards written by this work.

        appended : bool
            Whether they follow other shards.

        index : bool
            Whether they must have indexes.

        model_id : str or None
            Model of their embeddings.
        """
        if self.repeats is None:
            return None
        manifest, prefix = read_manifest(self.directory), f"{self.repeats:03d}-"
        added = [entry for entry in manifest.shards if entry.name.startswith(prefix)]
        n_others = len(manifest.shards) - len(added)
        if len(added) != len(entries) or appended != (n_others > 0):
            return None
        same = manifest.model_id == model_id and all(
            (old.indexed, old.image_root, old.first_embedding)
            == (index, new.image_root, new.first_embedding)
            and new.embeddings in (None, old.embeddings)
            and self._source_hashes(old) == self._source_hashes(new)
            for old, new in zip(added, entries, strict=True)
        )
        return manifest if same else None

    def _source_hashes(self, entry: ShardEntry) -> list[str | None]:
        """Return the hashes of the files with the data of the source."""
        files = ShardFiles(self.directory, entry.name)
        return [
            file_hash(path) if path.exists() else None for path in (files.captions, files.images)
        ]


def _remove(path: Path) -> None:
    """Remove a file; a file that is open on Windows is removed by the next commit."""
    with suppress(PermissionError, IsADirectoryError):
        path.unlink(missing_ok=True)


@contextmanager
def working_on(directory: Path, *, model_id: str | None, verbose: int) -> Iterator[Job]:
    """Begin or resume work on a directory, one process at a time.

    Parameters
    ----------
    directory : Path
        Directory of the corpus; created if it does not exist.

    model_id : str or None
        Model of the embedder. Unfinished embeddings of another model are removed.

    verbose : int
        Whether to show progress bars.

    Yields
    ------
    job : Job
        The work.
    """
    try:
        directory.mkdir(parents=True, exist_ok=True)
        refuse_links(directory)
        with FileLock(directory / LOCK, timeout=0):
            generation = next_generation(directory)
            repeats = generation - 1 if was_committed(directory) else None
            write_note(directory, generation, model_id, repeats)
            yield Job(directory, generation, verbose, repeats)
    except Timeout as error:
        raise CorpusError(
            f"Another process is building the corpus {str(directory)!r}: wait for it to end."
        ) from error
    except (OSError, sqlite3.OperationalError) as error:
        reason = storage_problem(error)
        if reason is None:
            raise
        raise CorpusError(
            f"The corpus {str(directory)!r} cannot be written: {reason}. No existing data is lost. "
            "Solve this and run the same call again: it resumes where it stopped."
        ) from error


def finish_commit(directory: Path) -> None:
    """Finish a commit that was interrupted after its manifest was written, if possible.

    A corpus that is read-only, or in use by another builder, is left unchanged.

    Parameters
    ----------
    directory : Path
        Directory of the corpus.
    """
    generation = read_note(directory).get("generation")
    if generation is None or generation != read_note(directory, MANIFEST).get("generation"):
        return
    refuse_links(directory)
    with suppress(OSError), FileLock(directory / LOCK, timeout=0):
        if read_note(directory).get("generation") == generation:  # no other process has finished it
            Job(directory, generation, 0).finish(read_manifest(directory))


def first_rows_read(
    parts: Iterable[Part], embedder: Embedder | None, *, must_embed: bool
) -> Iterator[Part]:
    """Return ``parts`` after reading the first rows, so that an invalid source fails early.

    Parameters
    ----------
    parts : iterable of Part
        The source.

    embedder : Embedder or None
        Must be None if the source has embeddings.

    must_embed : bool
        Whether rows without embeddings are an error.

    Returns
    -------
    parts : iterator of Part
        All parts.
    """
    source = iter(parts)
    for part in source:
        if part.embeddings is not None and embedder is not None:
            raise CorpusError(
                "The source has embeddings: pass model_id= to name the model that made them, and "
                "no embedder."
            )
        if part.embeddings is None and embedder is None and must_embed:
            raise CorpusError(
                "The corpus has embeddings and the source has none: give the embedder of the "
                "corpus to embed the new rows."
            )
        tables = iter(part.tables)
        for table in tables:
            if table.num_rows:
                rest = replace(part, tables=chain([table], tables))
                return chain([rest], source)
    raise CorpusError(
        "The source has no captions: a corpus needs at least one. If filters= is given, it may "
        "leave none."
    )


def add_captions(job: Job, parts: Iterable[Part], *, shard_size: int) -> list[ShardEntry]:
    """Write the captions of a source.

    Parameters
    ----------
    job : Job
        Work that these shards belong to.

    parts : iterable of Part
        The source.

    shard_size : int
        Maximum number of captions per shard.

    Returns
    -------
    entries : list of ShardEntry
        The new shards.
    """
    entries = []
    with job.progress("captions") as bar:
        for entry in write_shards(
            parts, job.directory, generation=job.generation, shard_size=shard_size
        ):
            entries.append(entry)
            bar.update(entry.n_rows)
    return entries


def index_shards(
    job: Job, entries: Sequence[ShardEntry], *, n_jobs: int | None
) -> list[ShardEntry]:
    """Index the captions of shards.

    Parameters
    ----------
    job : Job
        Work that these indexes belong to.

    entries : sequence of ShardEntry
        The shards, new or older.

    n_jobs : int or None
        Number of shards indexed in parallel.

    Returns
    -------
    entries : list of ShardEntry
        The same shards, indexed.
    """
    tasks, engine = [job.task(entry) for entry in entries], current_engine()
    with job.progress("index", sum(e.n_rows for e in entries)) as bar:
        if engine is not None:
            for _, n_rows in engine.map(_index_shard, tasks):
                bar.update(n_rows)
        else:
            # starting workers takes longer than indexing one shard
            n_workers = 1 if len(entries) == 1 else n_jobs
            work = (delayed(_index_shard)(task) for task in tasks)
            for n_rows in Parallel(n_jobs=n_workers, return_as="generator_unordered")(work):
                bar.update(n_rows)
    done = []
    for entry, task in zip(entries, tasks, strict=True):
        path = task.files.index
        is_first = path == ShardFiles(job.directory, entry.name).index
        done.append(replace(entry, indexed=True, index=None if is_first else path.name))
    return done


def _index_shard(task: ShardTask) -> int:
    index = task.files.index
    # an earlier version of skclip may have begun this work
    if not (index.exists() and is_current(index)):
        with task.lock():
            if not (index.exists() and is_current(index)):
                with replacing(index) as temporary:
                    build_index(task.shard.iter_captions(), temporary)
    return task.entry.n_rows


def keep_embeddings(job: Job, entries: Sequence[ShardEntry], model_id: str | None) -> Manifest:
    """Use shards unchanged, with the embeddings of their source, if any.

    Parameters
    ----------
    job : Job
        Work that these shards belong to.

    entries : sequence of ShardEntry
        All shards of the new corpus.

    model_id : str or None
        Model that made the embeddings.

    Returns
    -------
    manifest : Manifest
        All shards, with lists of images missing in their sources.
    """
    done = []
    for entry in entries:
        # existing shards already have their lists of failures
        if entry.name.startswith(f"{job.generation:03d}-"):
            shard, files = DiskShard(job.directory, entry), ShardFiles(job.directory, entry.name)
            write_failures(shard, files, dict(shard.invalid_embeddings()))
            failures = files.failures.name if files.failures.exists() else None
            entry = replace(entry, failures=failures)
        done.append(entry)
    return Manifest(tuple(done), model_id, common_width(job.directory, done))


def common_width(directory: Path, entries: Sequence[ShardEntry]) -> int | None:
    """Return the width of all embeddings; raise if they differ."""
    widths = {
        DiskShard(directory, entry).width() for entry in entries if entry.embeddings is not None
    }
    if len(widths) > 1:
        raise CorpusError(
            f"The embeddings have different widths ({sorted(widths)}): use embeddings of one model."
        )
    return widths.pop() if widths else None
