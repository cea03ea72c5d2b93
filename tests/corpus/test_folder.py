"""A folder of images with captions beside them, as users have it."""

import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from skclip.corpus import Corpus
from skclip.exceptions import (
    CorpusError,
    UnreadableImageWarning,
    UnusablePairWarning,
)


@pytest.fixture
def target(tmp_path):
    return tmp_path / "corpus"


def clear_sidecars(folder):
    for sidecar in folder.rglob("*.txt"):
        sidecar.unlink()


def test_sidecar_files_are_captions(photos, target):
    corpus = Corpus.build(photos, target)
    assert corpus.ids().tolist() == ["blue.png", "more/green.png", "more/white.png", "red.png"]
    assert corpus.captions().tolist()[0] == "a blue square"
    names = ["blue.png", "more/green.png", "more/white.png", "red.png"]
    assert corpus.images().tolist() == [str(photos / name) for name in names]


def test_json_sidecars_are_captions(photos, target):
    clear_sidecars(photos)
    (photos / "red.json").write_text(json.dumps({"caption": "from JSON", "url": "x"}))
    assert Corpus.build(photos, target).captions().tolist() == ["from JSON"]


@pytest.mark.parametrize(
    ("content", "message"),
    [("no json", "is not JSON"), ('{"a": 1}', "has no caption: expected a string under")],
)
def test_a_json_sidecar_without_caption_is_named(photos, target, content, message):
    clear_sidecars(photos)
    (photos / "red.json").write_text(content)
    with pytest.raises(CorpusError, match=rf"red\.json' {message}"):
        Corpus.build(photos, target)


def test_images_without_caption_are_left_out(photos, target):
    (photos / "red.txt").unlink()
    assert len(Corpus.build(photos, target)) == 3


def test_hidden_files_are_left_out(photos, target):
    (photos / ".trash").mkdir()
    for name in (".trash/a", ".b"):
        (photos / f"{name}.png").write_bytes(b"")
        (photos / f"{name}.txt").write_text("hidden")
    assert len(Corpus.build(photos, target)) == 4


def test_a_folder_without_captions_says_what_is_missing(photos, target):
    clear_sidecars(photos)
    with pytest.raises(CorpusError, match=r"has 4 images but no captions: put a CSV, TSV or"):
        Corpus.build(photos, target)
    assert not target.exists()


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("captions.csv", 'image,caption\nred.png,"red, ""bright"""\nmore/green.png,green\n'),
        ("captions.tsv", 'image\tcaption\nred.png\tred, "bright"\nmore/green.png\tgreen\n'),
    ],
)
def test_a_table_beside_the_images_goes_before_sidecars(photos, target, name, content):
    (photos / name).write_text(content)
    corpus = Corpus.build(photos, target)
    assert corpus.captions().tolist() == ['red, "bright"', "green"]
    assert corpus.images().tolist() == [str(photos / "red.png"), str(photos / "more/green.png")]


def test_several_captions_an_image_are_several_rows(photos, target):
    (photos / "captions.csv").write_text("file_name,text\nred.png,one\nred.png,two\n")
    corpus = Corpus.build(photos, target)
    assert corpus.ids().tolist() == ["red.png", "red.png"]
    assert corpus.captions().tolist() == ["one", "two"]


def test_bare_names_are_found_below_the_folder(photos, target):
    (photos / "captions.csv").write_text("image,caption\ngreen.png,a\n./red.png,b\n")
    corpus = Corpus.build(photos, target)
    assert corpus.images().tolist() == [str(photos / "more/green.png"), str(photos / "red.png")]


@pytest.mark.filterwarnings("ignore::skclip.exceptions.UnreadableImageWarning")
def test_a_missing_image_is_reported_and_never_invented(photos, target, mean_color):
    (photos / "captions.csv").write_text("image,caption\nred.png,a\nlost.png,b\n")
    corpus = Corpus.build(photos, target, embedder=mean_color)
    assert corpus.images().tolist() == [str(photos / "red.png"), None]
    assert not corpus.embeddings([1]).any()
    assert corpus.failures().to_pylist() == [
        {"row": 1, "id": "lost.png", "reason": "no such file: lost.png"}
    ]


@pytest.mark.filterwarnings("ignore::skclip.exceptions.UnreadableImageWarning")
def test_a_broken_image_is_reported_and_never_invented(photos, target, mean_color):
    broken = (photos / "red.png").read_bytes()[:30]
    (photos / "red.png").write_bytes(broken)
    corpus = Corpus.build(photos, target, embedder=mean_color)
    assert corpus.failures().column("id").to_pylist() == ["red.png"]
    assert corpus.embeddings().any(axis=1).tolist() == [True, True, True, False]


def test_two_tables_need_a_choice(photos, target):
    for name in ("a.csv", "b.csv"):
        (photos / name).write_text("image,caption\nred.png,x\n")
    with pytest.raises(CorpusError, match=r"several tables of captions \('a\.csv', 'b\.csv'\)"):
        Corpus.build(photos, target)
    assert Corpus.build(photos / "b.csv", target).images()[0] == str(photos / "red.png")


def test_a_table_without_images_in_it_is_not_the_captions(photos, target):
    (photos / "notes.csv").write_text("caption,stars\nx,5\n")
    with pytest.warns(UnusablePairWarning, match=r"'notes\.csv': it has no image column among"):
        assert len(Corpus.build(photos, target)) == 4


def test_urls_stay_as_they_are(photos, target):
    (photos / "captions.csv").write_text("url,caption\nhttps://example.org/a.png,x\n")
    assert Corpus.build(photos, target).images().tolist() == ["https://example.org/a.png"]


def test_a_row_without_a_url_is_a_row_without_an_image(photos, target):
    url = "https://example.org/a.png"
    pq.write_table(pa.table({"url": [url, None], "caption": ["x", "y"]}), photos / "all.parquet")
    corpus = Corpus.build(photos, target)
    assert corpus.images().tolist() == [url, None]
    assert len(corpus.failures()) == 0


def test_urls_and_files_may_be_mixed(photos, target):
    images = ["https://example.org/a.png", "red.png", "gone.png"]
    pq.write_table(pa.table({"image": images, "caption": list("xyz")}), photos / "all.parquet")
    with pytest.warns(UnreadableImageWarning, match="no such file: gone.png"):
        corpus = Corpus.build(photos, target)
    assert corpus.images().tolist() == [images[0], str(photos / "red.png"), None]
    assert corpus.failures().column("row").to_pylist() == [2]


def test_endings_of_sidecars_may_be_in_upper_case(tmp_path, photos):
    folder = tmp_path / "upper"
    folder.mkdir()
    (folder / "A.PNG").write_bytes((photos / "red.png").read_bytes())
    (folder / "A.TXT").write_text("a red square")
    corpus = Corpus.build(folder, tmp_path / "c")
    assert corpus.captions().tolist() == ["a red square"]
