import io
import re
import sys
from contextlib import redirect_stderr, redirect_stdout

import pytest

from skclip.cli import main
from skclip.cli._verbs import _demo


@pytest.fixture(scope="module", autouse=True)
def small():
    """The same job on fewer images."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_demo, "N_COLLECTION", 200)
        # more than two per class: scikit-learn 1.7.0 warns of fewer
        patch.setattr(_demo, "N_HELD_OUT", 80)
        patch.setattr(_demo, "N_SHOTS", 1)
        yield


def run(output, *options):
    """Run one seed into a folder; return what was printed as results and as messages."""
    results, messages = io.StringIO(), io.StringIO()
    with redirect_stdout(results), redirect_stderr(messages):
        assert main(["demo", "--seeds", "1", "--output", str(output), *options]) == 0
    return results.getvalue(), messages.getvalue()


@pytest.fixture(scope="module")
def demo(small, tmp_path_factory):
    """One run that tests share: its folder and what it printed."""
    folder = tmp_path_factory.mktemp("demo") / "new"
    return folder, *run(folder)


@pytest.fixture(scope="module")
def demo_without_matplotlib(small, tmp_path_factory):
    """The same without the library that draws."""
    folder = tmp_path_factory.mktemp("demo") / "new"
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "matplotlib", None)
        patch.setitem(sys.modules, "matplotlib.pyplot", None)
        return run(folder, "--quiet")


def test_prints_accuracies_recall_and_times(capsys):
    assert main(["demo", "--seeds", "2"]) == 0
    printed = capsys.readouterr().out
    heads = ("zero-shot", "1-shot class means", "primed", "primed, no filter")
    for head in (*heads, "primed, as published", "primed + 1-shot", "stacked + 1-shot"):
        assert re.search(rf"^{re.escape(head)}\s+\d+\.\d ± \d+\.\d", printed, re.MULTILINE)
    assert "recalled by caption" in printed
    assert "mean ± std over 2 seed(s)" in printed
    for stage in _demo.STAGES:
        assert re.search(rf"^{stage}\s+\d+\.\d\d$", printed, re.MULTILINE)


def test_same_seeds_same_accuracies(demo, demo_without_matplotlib):
    tables = [printed.partition("stage")[0] for printed in (demo[1], demo_without_matplotlib[0])]
    assert "zero-shot" in tables[0]
    assert tables[0] == tables[1]


def test_output_keeps_collection_corpus_and_sheet(demo):
    pytest.importorskip("matplotlib", reason="needs the extra `plot`")
    folder, printed, messages = demo
    assert (folder / "contact_sheet.png").read_bytes().startswith(b"\x89PNG")
    assert (folder / "seed0/corpus/manifest.json").exists()
    assert "contact sheet" in messages
    assert (folder / "results.txt").read_text(encoding="utf-8") == printed


def test_output_keeps_a_page_of_what_was_recalled(demo):
    pytest.importorskip("jinja2", reason="needs the extra `report`")
    assert "the filter keeps" in (demo[0] / "pool.html").read_text(encoding="utf-8")


def test_without_matplotlib_one_line_says_how_to_get_it(demo_without_matplotlib):
    first, *others = demo_without_matplotlib[1].splitlines()
    assert first.endswith("needs matplotlib: pip install 'skclip[plot]'.")
    assert not any("contact sheet of" in line for line in others)


def test_output_that_is_not_empty_is_refused(tmp_path, capsys):
    (tmp_path / "precious").touch()
    assert main(["demo", "--output", str(tmp_path)]) == 2
    assert "is not an empty folder" in capsys.readouterr().err


def test_no_seeds_is_refused(capsys):
    assert main(["demo", "--seeds", "0"]) == 2
    assert "--seeds must be at least 1" in capsys.readouterr().err
