import csv
import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest

from skclip.cli import main
from skclip.datasets import load_image_folder
from skclip.export import load_head


def evaluated(capsys, *arguments: object) -> dict[str, str]:
    assert main(["evaluate", *map(str, arguments)]) == 0
    lines = capsys.readouterr().out.splitlines()
    return dict(line.split(": ", 1) for line in lines)


def test_evaluate_measures_folder_table_and_embeddings_alike(
    stacked, labelled, table, vectors, tiny_embedder, capsys
):
    data = load_image_folder(labelled)
    y = [label.replace("_", " ") for label in data.target]
    accuracy = load_head(stacked).score(tiny_embedder.transform(data.images), y)
    for arguments in (
        [stacked, labelled, "--jobs=1"],
        [stacked, table, "--jobs=1"],
        [stacked, table, "--embeddings", vectors],
        [stacked, labelled, "--embeddings", vectors],
    ):
        found = evaluated(capsys, *arguments)
        assert found["images"] == "60"
        assert float(found["accuracy"].split()[0]) == pytest.approx(accuracy, abs=1e-4)


def test_evaluate_counts_by_class(stacked, table, vectors, tmp_path, capsys):
    output = tmp_path / "classes.csv"
    found = evaluated(capsys, stacked, table, "--embeddings", vectors, "--output", output)
    with output.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["class"] for row in rows] == load_head(stacked).classes_.tolist()
    right = sum(int(row["right"]) for row in rows)
    assert sum(int(row["images"]) for row in rows) == 60
    assert float(found["accuracy"].split()[0]) == pytest.approx(right / 60, abs=1e-4)


def page_data(path: Path) -> dict:
    (found,) = re.findall(r'id="data">(.*?)</script>', path.read_text(), re.DOTALL)
    return json.loads(found)


def test_evaluate_shows_predictions_in_a_page(
    stacked, labelled, vectors, tiny_embedder, tmp_path, capsys
):
    page = tmp_path / "predictions.html"
    given = [stacked, labelled, "--embeddings", vectors, "--shots", labelled, "--jobs=1"]
    found = evaluated(capsys, *given, "--report", page)
    shown = page_data(page)
    assert shown["ids"] == [str(path) for path in load_image_folder(labelled).images]
    right = np.array(shown["true"]) == shown["predicted"]
    assert float(found["accuracy"].split()[0]) == pytest.approx(right.mean(), abs=1e-4)
    assert all(shown["thumbnails"])
    # every image is its own nearest labelled image
    nearest = [shown["sources"][row[0][0]] for row in shown["neighbors"]]
    assert [one["class"] for one in nearest] == shown["true"]
    assert {one["kind"] for one in nearest} == {"labelled"}


def test_page_of_evaluate_leaves_out_broken_images(stacked, labelled, tmp_path, capsys):
    folder = tmp_path / "held_out"
    shutil.copytree(labelled / "ring", folder / "ring")
    (folder / "ring" / "000.jpg").write_bytes(b"broken")
    page = tmp_path / "predictions.html"
    evaluated(capsys, stacked, folder, "--report", page, "--jobs=1")
    shown = page_data(page)
    assert len(shown["ids"]) == len(list((folder / "ring").iterdir())) - 1
    assert not any(name.endswith("000.jpg") for name in shown["ids"])
    assert shown["neighbors"] is None


@pytest.mark.parametrize(
    ("given", "says"),
    [
        (["--report", "none/page.html"], "--report 'none/page.html' is in a folder that does not"),
        (["--report", "."], "--report '.' is a folder"),
        (["--report", "page.pdf"], "--report 'page.pdf' does not end in .html"),
        (["--shots", "SHOTS"], "--shots are shown in a page: give --report too"),
        (["--report", "page.html", "--shots", "none"], "--shots 'none' does not exist"),
    ],
)
def test_page_of_evaluate_is_checked_before_the_work(
    given, says, stacked, labelled, tmp_path, capsys, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("skclip.cli._verbs._evaluate.score", None)
    given = [str(labelled) if one == "SHOTS" else one for one in given]
    assert main(["evaluate", str(stacked), str(labelled), *given]) == 2
    assert says in capsys.readouterr().err


def test_evaluate_refuses_labels_that_the_head_does_not_know(stacked, tmp_path, capsys):
    (tmp_path / "labels.csv").write_text("image,label\na.png,zebra\n")
    np.save(tmp_path / "X.npy", np.ones((1, 64)))
    arguments = [str(tmp_path / "labels.csv"), "--embeddings", str(tmp_path / "X.npy")]
    assert main(["evaluate", str(stacked), *arguments]) == 2
    assert "does not know: 'zebra'" in capsys.readouterr().err
