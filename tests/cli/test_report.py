import csv
import json
import re

import pytest

from skclip.cli import main
from skclip.corpus import Corpus
from skclip.recall import CaptionRetriever


@pytest.fixture
def classes(captioned_images, tmp_path):
    path = tmp_path / "names.txt"
    path.write_text("\n".join(captioned_images.target_names))
    return path


@pytest.fixture
def report(corpus_path, classes, tmp_path):
    """Run the verb; return its status."""

    def run(*arguments, output="pool.html"):
        inputs = ["--corpus", corpus_path, "--classes", classes, "--output", tmp_path / output]
        options = ["--model", "skclip-tiny", "--jobs", "1", "--k", "5"]
        return main(["report", *map(str, [*inputs, *options, *arguments])])

    return run


def data_of(path):
    found = re.search(r'id="data">(.*?)</script>', path.read_text(), re.DOTALL)
    return json.loads(found[1])


def decide(path, pool, row, kind):
    """Write one decision about a row of a pool."""
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["corpus_id", "row", "id", "class", "decision", "new_class", "note"])
        writer.writerow([pool.corpus_id, row, pool.ids[row], pool.labels[row], kind, "", ""])
    return path


def test_page_shows_what_is_recalled(report, corpus_path, captioned_images, tmp_path, capsys):
    assert report() == 0
    data = data_of(tmp_path / "pool.html")
    pool = CaptionRetriever(corpus_path, k=5).recall(captioned_images.target_names)
    assert data["ids"] == list(map(str, pool.ids))
    assert data["corpus_id"] == Corpus(corpus_path).corpus_id
    assert all(data["thumbnails"])
    assert None not in data["text_similarity"]
    assert f"{len(pool)} images of 6 classes" in capsys.readouterr().err


def test_decisions_leave_images_out(report, corpus_path, captioned_images, tmp_path):
    pool = CaptionRetriever(corpus_path, k=5).recall(captioned_images.target_names)
    decisions = decide(tmp_path / "d.csv", pool, 0, "reject")
    assert report("--decisions", decisions) == 0
    assert data_of(tmp_path / "pool.html")["ids"] == list(map(str, pool.ids[1:]))


def test_decisions_change_what_prime_fits(
    corpus_path, classes, captioned_folder, captioned_images, tmp_path
):
    def predictions(*more):
        output = tmp_path / "predictions.csv"
        paths = ["--corpus", corpus_path, "--classes", classes, "--images", captioned_folder]
        options = ["--model", "skclip-tiny", "--jobs", "1", "--k", "2", "--output", output]
        assert main(["prime", *map(str, [*paths, *options, *more]), "--quiet"]) == 0
        return output.read_text()

    pool = CaptionRetriever(corpus_path, k=2).recall(captioned_images.target_names)
    decisions = decide(tmp_path / "d.csv", pool, 0, "reject")
    assert predictions() != predictions("--decisions", decisions)


def test_a_page_has_the_name_of_one(report, tmp_path, capsys):
    assert report(output="pool.pdf") == 2
    assert "pool.pdf' does not end in .html" in capsys.readouterr().err
    assert not (tmp_path / "pool.pdf").exists()


@pytest.mark.parametrize(
    ("kind", "output", "written"),
    [
        ("fiftyone", "folder", "folder/labels.json"),
        ("lightly", "pool.csv", "pool.csv"),
        ("embedding-atlas", "pool.parquet", "pool.parquet"),
    ],
)
def test_pool_is_written_for_other_programs(report, tmp_path, kind, output, written):
    assert report("--format", kind, output=output) == 0
    assert (tmp_path / written).stat().st_size > 0


def test_bad_places_and_decisions_are_refused(report, tmp_path, capsys):
    assert report(output="no/pool.html") == 2
    assert "is in a folder that does not exist" in capsys.readouterr().err
    assert report("--decisions", tmp_path / "no.csv") == 2
    assert "does not exist" in capsys.readouterr().err
