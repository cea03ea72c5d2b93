"""Tables of captions in files."""

import os
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from skclip.corpus import Corpus
from skclip.exceptions import CorpusError
from skclip.recall import CaptionRetriever


@pytest.fixture
def target(tmp_path):
    return tmp_path / "corpus"


def test_a_text_file_has_a_caption_a_line(tmp_path, target):
    path = tmp_path / "captions.txt"
    path.write_bytes("a cat\r\n\nSeñor \xff".encode())
    assert Corpus.build(path, target).captions().tolist() == ["a cat", "", "Señor \xff"]


def test_a_csv_may_have_quotes_newlines_and_numbers(tmp_path, target):
    path = tmp_path / "captions.csv"
    path.write_text('id,caption\n007,"two\nlines, ""quoted"""\n8,12\n9,NA\n')
    corpus = Corpus.build(path, target)
    assert corpus.captions().tolist() == ['two\nlines, "quoted"', "12", "NA"]
    assert corpus.ids().tolist() == ["007", "8", "9"]


def test_a_tsv_has_no_quoting(tmp_path, target):
    path = tmp_path / "captions.tsv"
    path.write_text('caption\n"half open\nnext"\n')
    assert Corpus.build(path, target).captions().tolist() == ['"half open', 'next"']


def test_parquet_with_image_bytes_is_stored(tmp_path, target, photos):
    path = tmp_path / "train.parquet"
    red = (photos / "red.png").read_bytes()
    image = [{"bytes": red, "path": "red.png"}, {"bytes": None, "path": "photos/blue.png"}, None]
    pq.write_table(pa.table({"image": image, "text": ["r", "b", "-"]}), path)
    corpus = Corpus.build(path, target)
    assert corpus.images().tolist() == [red, str(photos / "blue.png"), None]


def test_many_rows_are_streamed(tmp_path, target):
    path = tmp_path / "captions.parquet"
    pq.write_table(pa.table({"caption": [f"w{i}" for i in range(10_000)]}), path)
    corpus = Corpus.build(path, target, shard_size=6_000)
    assert corpus.captions([5_999, 6_000]).tolist() == ["w5999", "w6000"]
    assert corpus.ids([9_999]).tolist() == ["9999"]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("captions.csv", b"", r"captions\.csv' cannot be read as CSV"),
        ("captions.csv", b"caption,b\n1,2,3\n", r"captions\.csv' cannot be read as CSV"),
        ("captions.parquet", b"PAR1", r"captions\.parquet' cannot be read as PARQUET"),
        ("captions.docx", b"", r"neither a folder nor a table of captions"),
    ],
)
def test_a_damaged_table_is_named(tmp_path, target, name, content, message):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(CorpusError, match=message):
        Corpus.build(tmp_path / name, target)
    assert not target.exists()


def test_a_missing_source_is_named(tmp_path, target):
    with pytest.raises(CorpusError, match=r"nowhere\.csv' does not exist"):
        Corpus.build(tmp_path / "nowhere.csv", target)


def test_folders_may_have_names_that_are_not_utf8(tmp_path):
    folder = Path(os.fsdecode(os.fsencode(tmp_path) + b"/d\xe9"))
    try:
        folder.mkdir()
    except OSError:
        pytest.skip("the file system takes UTF-8 names only")
    captions = ["a cat", "a dog"]
    corpus = Corpus.build(captions, folder / "list")
    assert corpus.captions().tolist() == captions
    assert CaptionRetriever(corpus).recall(["cat"]).captions.tolist() == ["a cat"]
    (folder / "t.csv").write_text("caption\na cat\na dog\n")
    (folder / "t.tsv").write_text("caption\na cat\na dog\n")
    with (folder / "t.parquet").open("wb") as file:
        pq.write_table(pa.table({"caption": captions}), file)
    for kind in ("csv", "tsv", "parquet"):
        built = Corpus.build(folder / f"t.{kind}", folder / kind)
        assert built.captions().tolist() == captions


@pytest.mark.parametrize(
    ("content", "line"),
    [
        ('id,caption\n1,"a cat\n2,a dog\n3,a fox\n', 2),
        ('caption,id\na cat,1\n"a dog,2\na fox,3\n', 3),
        ('caption,id\n"two\nlines",1\n"a ""big"" dog\n', 4),
    ],
)
def test_a_quote_that_is_never_closed_is_named(tmp_path, target, content, line):
    path = tmp_path / "captions.csv"
    path.write_text(content)
    with pytest.raises(CorpusError, match=rf"captions\.csv' ends within .* begins in line {line}"):
        Corpus.build(path, target)


def test_quotes_within_a_cell_need_no_end(tmp_path, target):
    path = tmp_path / "captions.csv"
    path.write_text('id,caption\n1,a 5" cat\n2,"two\nlines\n"\n')
    assert Corpus.build(path, target).captions().tolist() == ['a 5" cat', "two\nlines\n"]


def test_an_empty_image_cell_is_no_image(tmp_path, target):
    path = tmp_path / "captions.csv"
    path.write_text("image,caption\n/a.png,a cat\n,a dog\n")
    with pytest.warns(UserWarning, match="no image"):
        corpus = Corpus.build(path, target)
    assert corpus.images().tolist()[1] is None
