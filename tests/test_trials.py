"""The long trials of benchmarks/: a few of each kind, and that counting goes on after a stop."""

import json
import sys

import pytest

from benchmarks.trials import __main__ as trials, hostile, images

pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="workers are forked"),
    # forked workers leave by os._exit, and what they warn of is no matter of this process
    pytest.mark.filterwarnings("ignore"),
]


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


def test_no_trial_finds_a_fault(count, capsys):
    status, state = count(builds=4, caches=2, images=40, flips=25)
    assert [counted["faults"] for counted in state.values()] == [[]] * 4
    assert status == 0
    assert "| builds 0 | 4 | 0 |" in capsys.readouterr().out


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


@pytest.mark.parametrize("kind", ["manifest_value", "note", "link_in_corpus", "link_in_run"])
def test_hostile_folders_reach_nothing_outside(kind, tmp_path, monkeypatch):
    monkeypatch.setattr(hostile, "KINDS", [getattr(hostile, kind)])
    monkeypatch.setenv("HOME", str(tmp_path))
    trial = hostile.prepare(tmp_path)
    assert [trial([0, i])[1] for i in range(8)] == [None] * 8
