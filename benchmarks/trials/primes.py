"""Kill `skclip prime`, run the same command again, and compare what it writes.

Promised: the same command gives the same file. What a killed run leaves in the temporary folder is
told as an outcome.
"""

import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np

from benchmarks.trials._kill import Duration, in_child, killed_child


def prepare(folder: Path) -> Callable[[list[int]], tuple[str, str | None]]:
    import open_clip  # noqa: F401 (so that kills fall into work, not into imports)
    import torch

    from skclip.cli import main
    from skclip.datasets import make_captioned_images, write_captioned_folder

    torch.set_num_threads(1)
    classes = ["house", "ring", "star", "tree"]
    data = make_captioned_images(40, classes=classes, random_state=0)
    images = write_captioned_folder(data, folder / "images")
    (folder / "classes.txt").write_text("\n".join(classes))

    def prime(name: str) -> None:
        own = folder / name
        (own / "tmp").mkdir(parents=True, exist_ok=True)
        os.environ["TMPDIR"], tempfile.tempdir = str(own / "tmp"), None
        options = [f"--corpus={images}", f"--classes={folder / 'classes.txt'}"]
        options += [f"--images={images}", f"--output={own / 'labels.csv'}", f"--cache={own / 'c'}"]
        if main(["prime", *options, "--model=skclip-tiny", "--quiet", "--jobs=1"]):
            raise RuntimeError("prime failed")

    in_child(lambda: prime("warm"))
    duration = Duration(lambda: prime("whole"), folder)
    expected = (folder / "whole" / "labels.csv").read_bytes()

    def trial(number: list[int]) -> tuple[str, str | None]:
        rng, own = np.random.default_rng(number), folder / "killed"
        shutil.rmtree(own, ignore_errors=True)
        for _ in range(rng.integers(1, 3)):
            killed_child(lambda: prime("killed"), duration, rng)
        if code := in_child(lambda: prime("killed")):
            return "failed", f"the same command ended with status {code}"
        left = any((own / "tmp").iterdir())
        outcome = "temporary files left" if left else "nothing left"
        same = (own / "labels.csv").read_bytes() == expected
        return outcome, None if same else "another file"

    return trial
