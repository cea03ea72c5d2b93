"""The long trials of benchmarks/: a few of each kind, and that counting goes on after a stop."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.trials import __main__ as trials, hostile, images

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="workers are forked")


@pytest.fixture
def count(tmp_path, monkeypatch):
    """Return a function that runs trials and returns what was counted."""
    monkeypatch.setenv("HOME", str(tmp_path))
    state = tmp_path / "state.json"

    def run(**numbers):
        options = [f"--{name}={n}" for name, n in numbers.items()]
        words = ["trials", f"--state={state}", *options, "--only", *numbers]
        monkeypatch.setattr(sys, "argv", words)
        status = trials.main()
        return status, json.loads(state.read_text())

    return run


def test_no_trial_finds_a_fault(tmp_path):
    # a process of its own: a worker of tests has threads, which must not be forked
    state = tmp_path / "state.json"
    numbers = {"builds": 4, "caches": 2, "images": 40, "flips": 25}
    done = subprocess.run(
        [
            *[sys.executable, "-W", "ignore", "-m", "benchmarks.trials", f"--state={state}"],
            *[f"--{name}={n}" for name, n in numbers.items()],
            *["--only", *numbers],
        ],
        env={**os.environ, "HOME": str(tmp_path)},
        cwd=Path(__file__).parents[1],
        capture_output=True,
        text=True,
        timeout=1200,
    )
    assert done.returncode == 0, done.stderr
    counted = json.loads(state.read_text())
    assert [kind["faults"] for kind in counted.values()] == [[]] * 4
    assert "| builds 0 | 4 | 0 |" in done.stdout


def test_a_stopped_run_goes_on(count, monkeypatch):
    count(images=3)
    _, state = count(images=5)
    assert state["images 0"]["done"] == sum(state["images 0"]["outcomes"].values()) == 5
    monkeypatch.setattr(images, "prepare", lambda folder: 1 / 0)
    count(images=5)  # all are counted: nothing is prepared
    with pytest.raises(ZeroDivisionError):
        count(images=6)


def test_a_fault_is_kept_and_told(count, monkeypatch, capsys):
    monkeypatch.setattr(images, "prepare", lambda folder: lambda number: ("odd", "it broke"))
    status, state = count(images=2)
    assert status == 1
    assert state["images 0"]["faults"] == [[0, "it broke"], [1, "it broke"]]
    assert "images 1: it broke" in capsys.readouterr().err


@pytest.mark.filterwarnings("ignore")  # of hostile folders
@pytest.mark.parametrize("kind", ["manifest_value", "note", "link_in_corpus", "link_in_run"])
def test_hostile_folders_reach_nothing_outside(kind, tmp_path, monkeypatch):
    monkeypatch.setattr(hostile, "KINDS", [getattr(hostile, kind)])
    monkeypatch.setenv("HOME", str(tmp_path))
    trial = hostile.prepare(tmp_path)
    assert [trial([0, i])[1] for i in range(8)] == [None] * 8
