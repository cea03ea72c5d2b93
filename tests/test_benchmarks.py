"""What `python -m benchmarks` reads from a benchmark, and how it compares two runs."""

import json
import subprocess
import sys

import pytest

from benchmarks.__main__ import changes, first_lines, machine, read_tables, report

PRINTED = """
**fit** (peer: 0.1 s)

| head | ratio | note |
|---|---|---|
| ours | 1.20 (1.1 to 1.3) | fast |
| theirs | 3.00 | |

peak: 12 MB
"""


def test_tables_and_lines_with_numbers_are_read():
    table, lines = read_tables(PRINTED)
    assert table["title"] == "fit (peer: 0.1 s)"
    assert table["columns"] == ["head", "ratio", "note"]
    assert table["rows"][0] == ["ours", "1.20 (1.1 to 1.3)", "fast"]
    assert lines["rows"] == [["peak", "12 MB"]]


def test_only_changes_beyond_noise_are_reported():
    new = PRINTED.replace("1.20 (", "1.25 (").replace("3.00", "6.00").replace("0.1 s", "0.3 s")
    assert changes(read_tables(new), read_tables(PRINTED)) == ["fit, theirs, ratio: 3 -> 6"]


def test_run_of_another_machine_is_not_compared(tmp_path):
    here = machine()
    stored = {"machine": here | {"processor": "another"}, "runs": {}}
    with pytest.raises(SystemExit, match="another machine"):
        report({}, here, stored, tmp_path / "old.json")


def test_every_benchmark_says_what_it_measures():
    lines = first_lines("bench_*.py")
    assert {"heads", "kmeans", "captions", "embedding", "growth"} <= set(lines)
    assert all(line.endswith(".") for line in lines.values())


def test_unknown_benchmark_is_refused_by_name():
    found = subprocess.run(
        [sys.executable, "-m", "benchmarks", "nothing"], capture_output=True, text=True
    )
    assert found.returncode == 2
    assert "there is no benchmark 'nothing'" in found.stderr
    assert json.dumps("heads")[1:-1] in found.stderr
