import re
import sys

import pytest

from skclip.cli import main
from skclip.cli._verbs import _demo


@pytest.fixture(autouse=True)
def small(monkeypatch):
    """The same job on fewer images."""
    monkeypatch.setattr(_demo, "N_COLLECTION", 200)
    # more than two per class: scikit-learn 1.7.0 warns of fewer
    monkeypatch.setattr(_demo, "N_HELD_OUT", 80)
    monkeypatch.setattr(_demo, "N_SHOTS", 1)


def test_prints_accuracies_recall_and_times(capsys):
    assert main(["demo", "--seeds", "2"]) == 0
    printed = capsys.readouterr().out
    heads = ("zero-shot", "1-shot class means", "primed", "primed, no filter")
    for head in (*heads, "primed, as published", "primed + 1-shot"):
        assert re.search(rf"^{re.escape(head)}\s+\d+\.\d ± \d+\.\d", printed, re.MULTILINE)
    assert "recalled by caption" in printed
    assert "mean ± std over 2 seed(s)" in printed
    for stage in _demo.STAGES:
        assert re.search(rf"^{stage}\s+\d+\.\d\d$", printed, re.MULTILINE)


def test_same_seeds_same_accuracies(capsys):
    tables = []
    for _ in range(2):
        main(["demo", "--seeds", "1", "--quiet"])
        tables.append(capsys.readouterr().out.partition("stage")[0])
    assert tables[0] == tables[1]


def test_output_keeps_collection_corpus_and_sheet(tmp_path, capsys):
    pytest.importorskip("matplotlib", reason="needs the extra `plot`")
    assert main(["demo", "--seeds", "1", "--output", str(tmp_path / "new")]) == 0
    assert (tmp_path / "new/contact_sheet.png").read_bytes().startswith(b"\x89PNG")
    assert (tmp_path / "new/seed0/corpus/manifest.json").exists()
    printed = capsys.readouterr()
    assert "contact sheet" in printed.err
    assert (tmp_path / "new/results.txt").read_text(encoding="utf-8") == printed.out


def test_output_keeps_a_page_of_what_was_recalled(tmp_path):
    pytest.importorskip("jinja2", reason="needs the extra `report`")
    assert main(["demo", "--seeds", "1", "--output", str(tmp_path / "new"), "--quiet"]) == 0
    assert "the filter keeps" in (tmp_path / "new/pool.html").read_text(encoding="utf-8")


def test_without_matplotlib_one_line_says_how_to_get_it(tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)
    assert main(["demo", "--seeds", "1", "--output", str(tmp_path / "new")]) == 0
    first, *others = capsys.readouterr().err.splitlines()
    assert first.endswith("needs matplotlib: pip install 'skclip[plot]'.")
    assert not any("contact sheet of" in line for line in others)


def test_output_that_is_not_empty_is_refused(tmp_path, capsys):
    (tmp_path / "precious").touch()
    assert main(["demo", "--output", str(tmp_path)]) == 2
    assert "is not an empty folder" in capsys.readouterr().err


def test_no_seeds_is_refused(capsys):
    assert main(["demo", "--seeds", "0"]) == 2
    assert "--seeds must be at least 1" in capsys.readouterr().err
