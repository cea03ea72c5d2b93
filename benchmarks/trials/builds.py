"""Kill what writes a corpus, make the same call again until it ends, and compare all bytes.

Promised: the corpus that was there, or the new one, can be read after every kill, and the files end
up the same as without one. Work counts as done when the manifest is new and no note of unfinished
work is left; then a call is not made again.
"""

import filecmp
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np

from benchmarks.trials._kill import Duration, in_child, killed_child
from skclip.corpus import Corpus

FIRST = ([f"first {i}" for i in range(30)], [f"{'y' * (i % 6)}{i}.png" for i in range(30)])
IMAGES = [("x" * i + ".png" if i % 5 else None) for i in range(24)]
IMAGES[3] = b"an image in memory"  # type: ignore[call-overload]
SECOND = ([f"second {i}" for i in range(24)], IMAGES)


class Embedder:
    """Fails for some images, once or always."""

    model_id, batch_size = "length/none@1", 1

    def __init__(self, failing: int | None = None) -> None:
        self.failing = failing

    def transform(self, images: list) -> np.ndarray:
        contents = [i.read() if hasattr(i, "read") else i for i in images]
        rows = np.array([[len(content), 1] for content in contents], np.float32)
        if self.failing is not None:
            rows[[len(content) % 7 == self.failing for content in contents]] = 0
        return rows


def build(path: Path) -> None:
    Corpus.build(SECOND, path, embedder=Embedder(), shard_size=13)


def overwrite(path: Path) -> None:
    Corpus.build(SECOND, path, embedder=Embedder(), shard_size=13, overwrite=True)


def append(path: Path) -> None:
    Corpus(path).append(SECOND, embedder=Embedder(), shard_size=13)


def append_captions(path: Path) -> None:
    Corpus(path).append(SECOND[0], shard_size=13)


def embed(path: Path) -> None:
    Corpus(path).embed(Embedder())


def retry(path: Path) -> None:
    Corpus(path).retry_failed(Embedder())


WORK = {f.__name__: f for f in (build, overwrite, append, append_captions, embed, retry)}


def prepare(folder: Path) -> Callable[[list[int]], tuple[str, str | None]]:
    before, whole = folder / "before", folder / "whole"
    embedder = {"append": Embedder(), "overwrite": Embedder(), "retry": Embedder(failing=6)}
    for name in WORK:
        if name != "build":
            Corpus.build(FIRST, before / name, embedder=embedder.get(name), shard_size=17)
    durations = {}
    for name, work in WORK.items():
        _copy(before / name, whole / name)
        durations[name] = Duration(lambda w=work, n=name: w(whole / n), folder)

    def trial(number: list[int]) -> tuple[str, str | None]:
        rng = np.random.default_rng(number)
        name = list(WORK)[rng.integers(len(WORK))]
        path = folder / "killed"
        shutil.rmtree(path, ignore_errors=True)
        _copy(before / name, path)
        generation = _generation(path)
        for _ in range(rng.integers(1, 4)):
            if _is_done(path, generation):
                break
            killed_child(lambda: WORK[name](path), durations[name], rng)
            if fault := _unreadable(path, before / name, whole / name):
                return name, f"{name}: {fault}"
        if not _is_done(path, generation) and (code := in_child(lambda: WORK[name](path))):
            return name, f"{name}: the same call ended with status {code}"
        names = sorted(p.name for p in (whole / name).iterdir())
        if sorted(p.name for p in path.iterdir()) != names:
            left = {p.name for p in path.iterdir()} ^ set(names)
            return name, f"{name}: other files: {sorted(left)}"
        _, differing, errors = filecmp.cmpfiles(whole / name, path, names, shallow=False)
        return name, f"{name}: other bytes: {differing + errors}" if differing or errors else None

    return trial


def _copy(source: Path, target: Path) -> None:
    if source.exists():
        shutil.copytree(source, target)


def _generation(path: Path) -> int:
    manifest = path / "manifest.json"
    return json.loads(manifest.read_text())["generation"] if manifest.exists() else -1


def _is_done(path: Path, generation: int) -> bool:
    return _generation(path) > generation and not (path / "unfinished.json").exists()


def _unreadable(path: Path, before: Path, whole: Path) -> str | None:
    """Return what is wrong with a corpus right after a kill; it is the old one or the new one."""
    if not (path / "manifest.json").exists():
        return None if not before.exists() else "the corpus that was there is gone"
    try:
        captions = Corpus(path).captions().tolist()
    except Exception as error:
        return f"cannot be read: {error}"
    known = [Corpus(p).captions().tolist() for p in (before, whole) if p.exists()]
    return None if captions in known else "is neither the old corpus nor the new one"
