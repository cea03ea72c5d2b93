"""Kill workers and drivers that build a corpus on Ray and embed its captions; compare all bytes.

Promised: a worker that dies is replaced, the call of a driver that dies can be made again, and in
the end no row is lost or there twice: the files are those of one process that nobody has killed.
Every trial kills three to eight processes, each at a random moment after a worker has begun to
embed. One cluster serves all trials. Its parts must start within 30 seconds, so that this cannot
run with a low priority beside other work.
"""

import filecmp
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import numpy as np
from sklearn.base import BaseEstimator

from benchmarks.trials._kill import _fork
from skclip.corpus import Corpus

ROOT = Path(__file__).resolve().parents[2]
N_ROWS, SHARD_SIZE, N_WORKERS = 80, 20, 2
SOURCE = ([f"caption {i}" for i in range(N_ROWS)], ["x" * (i % 31) + ".png" for i in range(N_ROWS)])

CLUSTER = f"""
import sys
from ray.cluster_utils import Cluster
options = dict(num_cpus={N_WORKERS}, object_store_memory=100 << 20, include_dashboard=False)
cluster = Cluster(initialize_head=True, head_node_args=options)
print("address", cluster.address, flush=True)
sys.stdin.read()
cluster.shutdown()
"""


class Slow(BaseEstimator):
    """Embeds one image or caption at a time, and notes the process that does."""

    model_id, batch_size = "length/none@1", 1

    def __init__(self, notes: str | None = None) -> None:
        self.notes = notes

    def transform(self, items: list) -> np.ndarray:
        if self.notes is not None:
            Path(self.notes, str(os.getpid())).touch()
            time.sleep(0.1 * len(items))
        return np.array([[len(item), 1] for item in items], np.float32)


def work(path: Path, notes: Path, address: str) -> None:
    import ray
    from ray.data import ActorPoolStrategy

    from skclip.distributed import build, embed

    ray.init(address=address, logging_level="ERROR", log_to_driver=False)
    embedder = Slow(str(notes))
    options = {"engine": "ray", "compute": ActorPoolStrategy(size=N_WORKERS)}
    if not (path / "manifest.json").exists():
        build(SOURCE, path, embedder=embedder, shard_size=SHARD_SIZE, **options)
    embed(path, embedder, captions=True, **options)


def prepare(folder: Path) -> Callable[[list[int]], tuple[str, str | None]]:
    import ray.data  # noqa: F401 - once, before drivers are forked

    whole = Corpus.build(SOURCE, folder / "whole", embedder=Slow(), shard_size=SHARD_SIZE)
    whole.embed_captions(Slow())
    os.environ |= {"RAY_USAGE_STATS_ENABLED": "0", "RAY_worker_niceness": "0"}
    os.environ["PYTHONPATH"] = str(ROOT)
    # ends with this process, whose end of the pipe is then closed
    cluster = subprocess.Popen(
        [sys.executable, "-c", CLUSTER],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert cluster.stdout is not None
    words = next(line.split() for line in cluster.stdout if line.startswith("address"))
    prepare.cluster = cluster  # type: ignore[attr-defined]

    def trial(number: list[int]) -> tuple[str, str | None]:
        rng = np.random.default_rng(number)
        path, notes = folder / "corpus", folder / "notes"
        for place in (path, notes):
            shutil.rmtree(place, ignore_errors=True)
        notes.mkdir()
        left, killed = int(rng.integers(3, 9)), {"worker": 0, "driver": 0}
        while True:
            for note in notes.iterdir():
                note.unlink()
            driver = _fork(lambda: work(path, notes, words[1]), 0, None)
            code = None
            while code is None:
                if left and (victim := _victim(notes, driver, rng)):
                    with suppress(ProcessLookupError):
                        os.kill(victim, signal.SIGKILL)
                        killed["driver" if victim == driver else "worker"] += 1
                        left -= 1
                time.sleep(0.05)
                done, status = os.waitpid(driver, os.WNOHANG)
                code = os.waitstatus_to_exitcode(status) if done else None
            if code == 0:
                break
            if code != -signal.SIGKILL:
                return _words(killed), f"the driver ended with status {code}"
        return _words(killed), _difference(folder / "whole", path)

    return trial


def _victim(notes: Path, driver: int, rng: np.random.Generator) -> int | None:
    """Return a process to kill, at random moments while a worker embeds."""
    workers = [pid for note in notes.iterdir() if _is_worker(pid := int(note.name))]
    if not workers or rng.random() > 0.05:
        return None
    return driver if rng.random() < 0.4 else int(rng.choice(workers))


def _is_worker(pid: int) -> bool:
    """Tell whether a process is still one of Ray, and its number not that of another one."""
    with suppress(OSError):
        return b"ray::" in Path(f"/proc/{pid}/cmdline").read_bytes()
    return False


def _words(killed: dict[str, int]) -> str:
    return " ".join(f"{name} killed {n} times" for name, n in killed.items() if n) or "none killed"


def _difference(whole: Path, path: Path) -> str | None:
    names = sorted(p.name for p in whole.iterdir())
    if sorted(p.name for p in path.iterdir()) != names:
        return f"other files: {sorted({p.name for p in path.iterdir()} ^ set(names))}"
    _, differing, errors = filecmp.cmpfiles(whole, path, names, shallow=False)
    return f"other bytes: {differing + errors}" if differing or errors else None
