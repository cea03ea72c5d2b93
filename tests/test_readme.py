import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)


def test_example_runs_twice_and_prints_its_scores(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    printed = []
    for _ in range(2):
        names: dict = {}
        exec(blocks("python")[0], names)
        printed.append(capsys.readouterr().out)
    labels, truth = names["labels"], names["new"].target
    assert (labels == truth).mean() > 3 / 32  # chance is 1 / 32
    assert re.fullmatch(r"zero-shot 0\.\d+, primed 0\.\d+\nwith labels 0\.\d+\n", printed[0])
    assert printed[1] == printed[0]


def test_example_has_ten_lines():
    lines = [line for line in blocks("python")[0].splitlines() if line.strip()]
    assert len(lines) <= 11


def test_the_second_command_is_what_ci_runs():
    _, command = blocks("bash")[0].strip().splitlines()
    assert f"({command})" in (ROOT / ".ci/run").read_text(encoding="utf-8")


@pytest.mark.parametrize("target", re.findall(r"\]\((?!https?:)([^)#]+)", README))
def test_links_lead_somewhere(target):
    assert (ROOT / target).exists()
