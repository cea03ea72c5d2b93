"""Flip one bit of one file of a corpus, or of a checkpoint, and ask for everything.

Promised: a named error or the right answer; in stored embeddings and images in memory the flip is
found by `Corpus.verify`. A flip in a path or a model's name that a manifest holds gives another
path or name, which is named when it is used: no such image, another model.
"""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import torch

from benchmarks.trials.builds import Embedder
from benchmarks.trials.training import plain
from skclip.corpus import Corpus
from skclip.distill._run import Run
from skclip.exceptions import CorpusFormatError, TrainingRunError

WORDS = [
    "red",
    "green",
    "blue",
    "small",
    "large",
    "round",
    "old",
    "new",
    "cat",
    "dog",
    "house",
    "tree",
    "star",
    "ring",
]
KINDS = ("manifest", "index", "captions", "header", "failures", "payload", "checkpoint")


def prepare(folder: Path) -> Callable[[list[int]], tuple[str, str | None]]:
    source = folder / "corpus"
    rng = np.random.default_rng(0)
    captions = [" ".join(rng.choice(WORDS, 6)) + f" {i}" for i in range(60)]
    images: list[Any] = [f"{'x' * (i % 9)}.png" if i % 7 else None for i in range(60)]
    images[3] = b"an image in memory"
    Corpus.build((captions, images), source, embedder=Embedder(), shard_size=25)
    run = folder / "run"
    run.mkdir()
    state = {
        "step": 4,
        "model": {f"w{i}": torch.randn(20, 20) for i in range(5)},
        "optimizer": {"state": {0: {"step": torch.tensor(4.0)}}, "param_groups": [{"lr": 0.1}]},
        "rng": torch.get_rng_state(),
    }
    Run(run, {"seed": 0}).save_checkpoint(state)
    expected, expected_state = answers(source), joblib.hash(plain(state))
    files = {
        "manifest": ["manifest.json"],
        "index": sorted(p.name for p in source.glob("*.sqlite")),
        "captions": sorted(p.name for p in source.glob("*.captions.parquet")),
        "header": sorted(p.name for p in source.glob("*.npy")),
        "failures": sorted(p.name for p in source.glob("*.failures.parquet")),
        "payload": sorted(p.name for pattern in ("*.npy", "*.bin") for p in source.glob(pattern)),
    }

    def trial(number: list[int]) -> tuple[str, str | None]:
        rng = np.random.default_rng(number)
        kind = KINDS[rng.integers(len(KINDS))]
        if kind == "checkpoint":
            outcome, fault = flip_checkpoint(run, folder / "flipped", expected_state, rng)
        else:
            name = str(rng.choice(files[kind]))
            outcome, fault = flip_file(source, folder / "flipped", name, kind, expected, rng)
        return f"{kind}: {outcome}", fault and f"{kind}: {fault}"

    return trial


def flip_file(
    source: Path, path: Path, name: str, kind: str, expected: dict, rng: np.random.Generator
) -> tuple[str, str | None]:
    shutil.rmtree(path, ignore_errors=True)
    shutil.copytree(source, path)
    size = (path / name).stat().st_size
    header = 128 if name.endswith(".npy") else 0
    at = flip(path / name, rng, *((0, 128) if kind == "header" else (header, size)))
    try:
        found = answers(path)
    except CorpusFormatError:
        return "named error", None
    except Exception as error:
        return "other error", f"bit {at} of {name}: {type(error).__name__}: {error}"
    other = [key for key in expected if found[key] != expected[key]]
    if kind == "payload":
        try:
            Corpus(path).verify()
        except CorpusFormatError:
            return "found by verify", None
        return "not found", f"bit {at} of {name} is not found by verify"
    if kind == "manifest" and set(other) <= {"images", "model_id"}:
        return "another path or model name" if other else "right", None
    return ("wrong" if other else "right"), f"bit {at} of {name}: other {other}" if other else None


def flip(path: Path, rng: np.random.Generator, start: int, end: int) -> int:
    content = bytearray(path.read_bytes())
    bit = int(rng.integers(8 * start, 8 * end))
    content[bit // 8] ^= 1 << bit % 8
    path.write_bytes(content)
    return bit


def answers(path: Path) -> dict[str, Any]:
    """Return all that a corpus can be asked."""
    corpus = Corpus(path)
    return {
        "captions": corpus.captions().tolist(),
        "ids": corpus.ids().tolist(),
        "images": [getattr(r, "offset", r) for r in corpus.image_references()],
        "embeddings": corpus.embeddings().tobytes(),
        "failures": corpus.failures().to_pylist(),
        "search": [corpus.search(word).tolist() for word in WORDS],
        "scan": [batch for shard in corpus.shards for batch in shard.iter_captions()],
        "model_id": corpus.model_id,
    }


def flip_checkpoint(
    run: Path, path: Path, expected: str, rng: np.random.Generator
) -> tuple[str, str | None]:
    shutil.rmtree(path, ignore_errors=True)
    shutil.copytree(run, path)
    file = path / "checkpoint.pt"
    at = flip(file, rng, 0, file.stat().st_size)
    try:
        found = joblib.hash(plain(Run(path, {"seed": 0}).load_checkpoint()))
    except TrainingRunError as error:
        advises = "weights_only" in f"{error}{error.__cause__ or ''}"
        return "named error", "the error advises weights_only" if advises else None
    except Exception as error:
        return "other error", f"bit {at}: {type(error).__name__}: {error}"
    return ("right", None) if found == expected else ("wrong", f"bit {at}: another state")
