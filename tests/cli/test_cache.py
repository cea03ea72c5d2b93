import pytest

from skclip import CLIPEmbedder
from skclip.cli import main


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "cache"
    CLIPEmbedder("skclip-tiny", modality="text", cache=folder).transform(["a star", "a ring"])
    return str(folder)


def test_info_counts_embeddings(folder, capsys):
    assert main(["cache", "info", folder]) == 0
    assert ": 2 embeddings" in capsys.readouterr().out


def test_clear_removes_all(folder, capsys):
    assert main(["cache", "clear", folder]) == 0
    assert capsys.readouterr().err == "skclip: 2 embeddings removed\n"


def test_prune_removes_by_age(folder, capsys):
    assert main(["cache", "prune", folder, "--max-age-days", "30"]) == 0
    assert capsys.readouterr().err == "skclip: 0 embeddings removed\n"


def test_prune_must_know_what(folder, capsys):
    assert main(["cache", "prune", folder]) == 2
    assert "--max-bytes or --max-age-days" in capsys.readouterr().err


def test_missing_cache_is_one_line(tmp_path, capsys):
    assert main(["cache", "info", str(tmp_path)]) == 2
    assert "holds no cache" in capsys.readouterr().err
