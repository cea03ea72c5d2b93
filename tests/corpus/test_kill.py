"""kill -9 before every step that changes the disk: it goes on and ends with the same bytes."""

import filecmp
import subprocess
import sys
import textwrap

import pytest

# Builds a corpus once undisturbed to count its steps, then once for every step with the process
# killed right before it, and again until it is whole. Forks, since starting Python takes longest.
SCRIPT = """
    import os, signal, sys
    from pathlib import Path
    import numpy as np
    from skclip.corpus import Corpus

    class Embedder:
        model_id, batch_size = "length/none@1", 1

        def transform(self, images):
            contents = [i.read() if hasattr(i, "read") else i for i in images]
            return np.array([[len(content), 1] for content in contents], np.float32)

    images = [("x" * i + ".png" if i % 5 else None) for i in range(12)]
    images[3] = b"an image in memory"
    source = ([f"caption {i}" for i in range(12)], images)

    def build(path, kill_at):
        n_steps = 0

        def killing(owner, name):
            original = getattr(owner, name)

            def step(*args, **kwargs):
                nonlocal n_steps
                n_steps += 1
                if n_steps == kill_at:
                    os.kill(os.getpid(), signal.SIGKILL)
                return original(*args, **kwargs)

            setattr(owner, name, step)

        for owner, name in [
            (os, "fsync"), (Path, "replace"), (Path, "unlink"), (Path, "open"), (Path, "mkdir")
        ]:
            killing(owner, name)
        Corpus.build(source, path, embedder=Embedder(), shard_size=7)
        return n_steps

    def in_child(path, kill_at, report=None):
        child = os.fork()
        if not child:
            try:
                n_steps = build(path, kill_at)
                if report:
                    Path(report).write_text(str(n_steps))
                os._exit(0)
            except BaseException:
                import traceback
                traceback.print_exc()
                os._exit(1)
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])

    root = Path(sys.argv[1])
    assert in_child(root / "whole", 0, root / "steps") == 0
    for kill_at in range(1, int((root / "steps").read_text()) + 1):
        path = root / f"killed at {kill_at}"
        assert in_child(path, kill_at) == -signal.SIGKILL, kill_at
        # and every seventh killed again and again, each time a little later
        later = 0 if kill_at % 7 else 1
        while (path / "unfinished.json").exists() or not (path / "manifest.json").exists():
            if (code := in_child(path, later)) != -signal.SIGKILL:
                break
            later += 19
        else:
            code = 0
        assert code == 0, kill_at
"""


@pytest.mark.skipif(sys.platform == "win32", reason="needs fork and SIGKILL")
def test_whatever_step_a_build_is_killed_at_it_ends_with_the_same_bytes(tmp_path):
    run = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(SCRIPT), str(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    whole = tmp_path / "whole"
    names = sorted(path.name for path in whole.iterdir())
    killed = sorted(tmp_path.glob("killed at *"))
    assert len(killed) > 20
    for path in killed:
        assert sorted(file.name for file in path.iterdir()) == names, path.name
        assert filecmp.cmpfiles(whole, path, names, shallow=False)[0] == names, path.name
