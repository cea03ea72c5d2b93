"""Kill a training run whose student draws random numbers, resume it, and compare all bits.

Promised: on a CPU, the student, the last checkpoint with its generator's state, and the log but for
its times are those of a run that was not interrupted.
"""

import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import torch

from benchmarks.trials._kill import Duration, in_child, killed_child

STUDENT = {
    "embed_dim": 12,
    "vision_cfg": {
        "image_size": 16,
        "layers": 1,
        "width": 32,
        "head_width": 16,
        "patch_size": 4,
        "patch_dropout": 0.5,
    },
    "text_cfg": {"context_length": 12, "vocab_size": 49408, "width": 16, "heads": 2, "layers": 1},
}
N_PAIRS = 48


def train(output: Path) -> None:
    from skclip.distill import CLIPPINGTrainer

    rng = np.random.default_rng(0)
    words = np.array(["red", "green", "blue", "small", "large", "round", "old", "new"])
    trainer = CLIPPINGTrainer(
        STUDENT,
        rng.normal(size=(N_PAIRS, 10)).astype(np.float32),
        rng.normal(size=(N_PAIRS, 6)).astype(np.float32),
        max_iter=12,
        batch_size=8,
        dtype="float32",
        device="cpu",
        ema_decay=0.9,
        random_state=0,
        log_every=3,
        checkpoint_every=2,
        output=output,
    )
    images = list(rng.integers(0, 256, (N_PAIRS, 20, 24, 3), dtype=np.uint8))
    trainer.fit(images, [" ".join(rng.choice(words, 4)) for _ in range(N_PAIRS)])


def prepare(folder: Path) -> Callable[[list[int]], tuple[str, str | None]]:
    import skclip.distill._learner
    import skclip.distill._student  # noqa: F401  # what a fork need not import again

    torch.set_num_threads(1)
    train(folder / "warm")
    duration = Duration(lambda: train(folder / "whole"), folder)
    expected = summary(folder / "whole")

    def trial(number: list[int]) -> tuple[str, str | None]:
        rng, output = np.random.default_rng(number), folder / "killed"
        shutil.rmtree(output, ignore_errors=True)
        n_killed = 0
        for _ in range(rng.integers(1, 4)):
            n_killed += killed_child(lambda: train(output), duration, rng) != 0
        if code := in_child(lambda: train(output)):
            return f"killed {n_killed} times", f"the same call ended with status {code}"
        found = summary(output)
        other = [name for name in {**expected, **found} if expected.get(name) != found.get(name)]
        return f"killed {n_killed} times", f"other: {other}" if other else None

    return trial


def summary(output: Path) -> dict[str, object]:
    """Return what must be equal: hashes of the files, the log without its times."""
    files = [path for path in sorted(output.rglob("*")) if path.is_file()]
    hashes: dict[str, object] = {
        str(path.relative_to(output)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in files
        if path.name not in ("log.jsonl", "checkpoint.pt")
    }
    # torch's pickle of equal values depends on which of them are one object
    state = torch.load(output / "checkpoint.pt", weights_only=True)
    hashes["checkpoint.pt"] = joblib.hash(plain(state))
    lines = (output / "log.jsonl").read_text().splitlines()
    log = [{k: v for k, v in json.loads(x).items() if "second" not in k} for x in lines]
    return hashes | {"log.jsonl": log}


def plain(value: Any) -> Any:
    if isinstance(value, dict):
        return [(key, plain(item)) for key, item in value.items()]
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if not isinstance(value, torch.Tensor):
        return repr(value)
    return str(value.dtype), tuple(value.shape), value.numpy().tobytes()
