import csv
import json

import pytest
from pyarrow import parquet

from skclip import CLIPEmbedder, ZeroShotClassifier
from skclip.cli import main
from skclip.recall import CaptionRetriever


@pytest.fixture
def expected(corpus_path):
    pool = CaptionRetriever(corpus_path, k=5).recall(["star", "ring"])
    return list(zip(pool.labels.tolist(), pool.ids, pool.captions, pool.images, strict=True))


def recall(corpus_path, *arguments: str) -> int:
    return main(["recall", "--corpus", str(corpus_path), "--k", "5", *arguments])


def test_csv_on_standard_output(corpus_path, expected, capfdbinary):
    assert recall(corpus_path, "star", "ring") == 0
    header, *rows = csv.reader(capfdbinary.readouterr().out.decode().splitlines())
    assert header == ["label", "id", "caption", "image"]
    assert [tuple(row) for row in rows] == expected


def test_json_lines(corpus_path, expected, capsys):
    recall(corpus_path, "star", "ring", "--format", "jsonl")
    rows = [tuple(json.loads(line).values()) for line in capsys.readouterr().out.splitlines()]
    assert rows == expected


def test_parquet_file(corpus_path, expected, tmp_path):
    path = tmp_path / "pool.parquet"
    recall(corpus_path, "star", "ring", "--format", "parquet", "--output", str(path))
    assert [tuple(row.values()) for row in parquet.read_table(path).to_pylist()] == expected


def test_names_and_synonyms_from_a_file(corpus_path, tmp_path, capfdbinary):
    path = tmp_path / "names.txt"
    path.write_text("star, pentagram\n")
    recall(corpus_path, "--classes", str(path), "--k", "100")
    captions = capfdbinary.readouterr().out.decode()
    assert "pentagram" in captions
    assert '"pentagram"' not in captions  # it is no label


def test_name_without_a_match_is_a_warning(corpus_path, capsys):
    assert recall(corpus_path, "star", "emu", "--format", "jsonl") == 0
    message = capsys.readouterr().err
    assert "warning: No caption names 'emu' (1 of 2 classes)" in message
    assert "Write other words for them after their names in the file of --classes" in message


@pytest.mark.parametrize("arguments", [[], ["star", "--classes", "names.txt"]])
def test_names_come_from_one_place(arguments, corpus_path, capsys):
    assert recall(corpus_path, *arguments) == 2
    assert "give class names, or a file" in capsys.readouterr().err


def test_wrong_k_is_one_line(corpus_path, capsys):
    assert recall(corpus_path, "star", "--k", "0") == 2
    assert capsys.readouterr().err == "skclip: error: --k must be at least 1, got 0.\n"


def test_no_row_at_all_is_exit_status_1(corpus_path, capfdbinary):
    assert recall(corpus_path, "emu") == 1
    assert capfdbinary.readouterr().out.decode().splitlines() == ['"label","id","caption","image"']


def test_names_with_quotes_and_operators_are_data(tmp_path, capfdbinary):
    captions = tmp_path / "captions.csv"
    captions.write_text('caption\n"a ""big"" cat"\nl\'\u00e9toile\n', encoding="utf-8")
    main(["index", str(captions), "--output", str(tmp_path / "corpus"), "--quiet"])
    names = ['"big" cat', "L'Etoile", "cat OR big"]
    recall(tmp_path / "corpus", *names)
    _, *rows = csv.reader(capfdbinary.readouterr().out.decode().splitlines())
    assert [row[:3] for row in rows] == [
        ['"big" cat', "0", 'a "big" cat'],
        ["L'Etoile", "1", "l'\u00e9toile"],
    ]


def test_a_file_of_names_that_is_no_utf8_is_named(corpus_path, tmp_path, capsys):
    path = tmp_path / "names.txt"
    path.write_bytes("caf\u00e9\n".encode("latin-1"))
    assert recall(corpus_path, "--classes", str(path)) == 2
    assert "names.txt' is not UTF-8 text" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (["star", "star"], "NAME is given more than once: 'star'"),
        (["star", ""], "NAME must be the name of a class, got 'star', ''"),
    ],
)
def test_wrong_names_are_one_line(names, said, corpus_path, capsys):
    assert recall(corpus_path, *names) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert said in line
    assert "synonyms" not in line


@pytest.mark.parametrize(("name", "said"), [("", "is a folder"), ("none", "does not exist")])
def test_a_file_of_names_that_is_none_is_one_line(name, said, corpus_path, tmp_path, capsys):
    assert recall(corpus_path, "--classes", str(tmp_path / name)) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert f"{said}: give a text file with one class per line" in line
    assert "Errno" not in line


def test_output_may_begin_at_home(corpus_path, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    assert recall(corpus_path, "star", "--output", "~/pool.csv") == 0
    assert (tmp_path / "pool.csv").exists()


@pytest.mark.parametrize("select", ["random", "best"])
def test_which_matches_are_taken(corpus_path, capsys, select):
    assert recall(corpus_path, "star", "ring", "--select", select, "--format", "jsonl") == 0
    found = [json.loads(line)["id"] for line in capsys.readouterr().out.splitlines()]
    text = ZeroShotClassifier(embedder=CLIPEmbedder("skclip-tiny"), classes=["star", "ring"])
    retriever = CaptionRetriever(
        corpus_path,
        k=5,
        select=select,
        random_state=0,
        zero_shot=text if select == "best" else None,
    )
    assert found == retriever.recall(["star", "ring"]).ids.tolist()


def test_captions_to_be_ranked_must_be_embedded(corpus_path, capsys):
    assert recall(corpus_path, "star", "--select", "caption") == 2
    assert "`skclip embed DIR --captions`" in capsys.readouterr().err
