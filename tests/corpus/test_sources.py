"""What a source is, and what of it is text, an image, an identifier."""

import io
import os
import shutil
import tarfile
import unicodedata

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from skclip.corpus import Corpus
from skclip.corpus._stored_paths import resolved_path, stored_path
from skclip.exceptions import CorpusError, DoubtfulTextWarning, UnusablePairWarning
from skclip.recall import CaptionRetriever


@pytest.fixture
def target(tmp_path):
    return tmp_path / "corpus"


def write(path, captions):
    """Write captions in the format that the ending says."""
    if path.suffix == ".parquet":
        pq.write_table(pa.table({"caption": captions}), path)
    elif path.suffix == ".txt":
        path.write_text("\n".join(captions))
    elif path.suffix == "":
        path.mkdir()
        for i, caption in enumerate(captions):
            Image.new("RGB", (2, 2)).save(path / f"{i}.png")
            (path / f"{i}.txt").write_text(caption)
    else:
        path.write_text("\n".join(["caption", *captions]))


@pytest.mark.parametrize("ending", [".parquet", ".csv", ".tsv", ".txt", ""])
def test_a_range_in_braces_is_all_of_it(tmp_path, target, ending):
    for i in range(3):
        write(tmp_path / f"part-{i}{ending}", [f"cat {i}", "dog"])
    source = str(tmp_path / f"part-{{0..2}}{ending}")
    corpus = Corpus.build(source, target)
    assert corpus.captions().tolist() == ["cat 0", "dog", "cat 1", "dog", "cat 2", "dog"]
    if ending:
        assert corpus.ids().tolist() == list("012345")
    pytest.importorskip("ahocorasick", reason="scanning needs pyahocorasick")
    assert CaptionRetriever(source, method="scan").recall(["cat"]).captions.tolist() == [
        "cat 0",
        "cat 1",
        "cat 2",
    ]


@pytest.mark.parametrize("kind", [str, lambda path: path])
def test_a_list_of_files_is_their_rows(tmp_path, target, kind):
    paths = [tmp_path / "a.csv", tmp_path / "b.parquet"]
    for path in paths:
        write(path, [path.stem])
    assert Corpus.build([kind(path) for path in paths], target).captions().tolist() == ["a", "b"]


def test_a_list_with_a_missing_file_is_refused(tmp_path, target):
    write(tmp_path / "a.csv", ["a"])
    with pytest.raises(CorpusError, match=r"b\.csv' does not exist"):
        Corpus.build([str(tmp_path / "a.csv"), str(tmp_path / "b.csv")], target)


def test_a_list_of_images_is_not_one_of_captions(photos, target):
    with pytest.raises(CorpusError, match=r"has image files .*not captions"):
        Corpus.build([str(photos / "red.png")], target)


def test_captions_that_look_like_names_are_captions(target):
    captions = ["a photo of notes.txt", "photos", "red.png"]
    assert Corpus.build(captions, target).captions().tolist() == captions


@pytest.mark.parametrize("path", ["~/c", "file://{home}/c"])
def test_a_corpus_may_lie_in_the_home_folder(tmp_path, monkeypatch, path):
    monkeypatch.setenv("HOME", str(tmp_path))
    corpus = Corpus.build(["a cat"], path.format(home=tmp_path))
    assert corpus.path == tmp_path / "c"
    assert Corpus("~/c").captions().tolist() == ["a cat"]
    assert CaptionRetriever("~/c").recall(["cat"]).ids.tolist() == ["0"]
    write(tmp_path / "a.csv", ["a dog"])
    assert corpus.append("~/a.csv").captions().tolist() == ["a cat", "a dog"]


# missing values, and what is a caption


@pytest.mark.parametrize(
    "captions",
    [
        pd.Series(["a cat", None], dtype="string"),
        pd.Series(["a cat", pd.NA], dtype=object),
        pd.Series(["a cat", pd.NaT], dtype=object),
        pd.Series(["a cat", np.nan], dtype=object),
        pd.Series(["a cat", None], dtype=pd.ArrowDtype(pa.string())),
        pa.array(["a cat", None]),
        ["a cat", None],
    ],
)
def test_a_missing_caption_is_empty(target, captions):
    assert Corpus.build(captions, target).captions().tolist() == ["a cat", ""]


def test_missing_images_and_ids_are_missing(target):
    frame = pd.DataFrame(
        {
            "caption": ["a", "b", "c"],
            "image": pd.Series(["/a.png", None, None], dtype="string"),
            "id": pd.Series([None, 7, None], dtype="Int64"),
        }
    )
    with pytest.warns(UserWarning, match="no image"):
        corpus = Corpus.build(frame, target)
    assert corpus.images().tolist() == ["/a.png", None, None]
    assert corpus.ids().tolist() == ["/a.png", "7", "row 2 without id"]


def test_null_ids_of_parquet_are_told_apart(tmp_path, target):
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"caption": ["a", "b"], "id": pa.array([None, 5])}), path)
    assert Corpus.build(path, target).ids().tolist() == ["row 0 without id", "5"]


@pytest.mark.parametrize(
    "captions",
    [
        [["a cat", "a pet"], [], ["a dog"]],
        [("a cat", "a pet"), None, "a dog"],
        [np.array(["a cat", "a pet"], dtype=object), [None], ["a dog"]],
    ],
)
def test_a_list_of_captions_is_a_row_each(target, captions):
    frame = pd.DataFrame({"caption": captions, "image": ["/a.png", "/b.png", "/c.png"]})
    corpus = Corpus.build(frame, target)
    expected = ["a cat", "a pet", "", "a dog"]
    assert corpus.captions().tolist() == expected
    assert corpus.images().tolist() == ["/a.png", "/a.png", "/b.png", "/c.png"]
    pairs = Corpus.build((captions, list("abc")), target, overwrite=True)
    assert pairs.captions().tolist() == expected


def test_lists_in_parquet_are_a_row_each(tmp_path, target):
    pq.write_table(pa.table({"caption": [["a", "b"], ["c"]], "id": [1, 2]}), tmp_path / "a.parquet")
    corpus = Corpus.build(tmp_path / "a.parquet", target)
    assert corpus.captions().tolist() == ["a", "b", "c"]
    assert corpus.ids().tolist() == ["1", "1", "2"]


def test_bytes_are_decoded_or_refused(target):
    corpus = Corpus.build(pd.DataFrame({"caption": ["café".encode(), b"a dog"]}), target)
    assert corpus.captions().tolist() == ["café", "a dog"]
    with pytest.raises(CorpusError, match=r"b'caf\\xe9' is bytes that are not UTF-8"):
        Corpus.build(pd.DataFrame({"caption": [b"caf\xe9"]}), target, overwrite=True)


def test_what_is_no_caption_is_refused(target):
    with pytest.raises(CorpusError, match=r"must be a string, or a list of strings, got .*dict"):
        Corpus.build(pd.DataFrame({"caption": [{"raw": "a cat"}]}), target)


def test_a_doubled_column_is_refused_where_it_matters(tmp_path, target):
    frame = pd.DataFrame([["a", "b", 1]], columns=["caption", "caption", "n"])
    with pytest.raises(CorpusError, match="has 2 columns 'caption'"):
        Corpus.build(frame, target)
    path = tmp_path / "a.csv"
    path.write_text("caption,n,n\na cat,1,2\n")
    assert Corpus.build(path, target).captions().tolist() == ["a cat"]


# names that are no UTF-8


@pytest.mark.parametrize("path", ["a.png", "é/ü.png", "caf\udce9/ü.png", "file:x.png", "100%.png"])
def test_every_path_comes_back_as_it_was(path):
    stored = stored_path(path)
    stored.encode()
    assert resolved_path(stored, None) == path
    assert resolved_path(stored, "/root") == f"/root/{path}"


def test_file_names_that_are_no_utf8_are_kept(photos, target, mean_color):
    odd = os.fsencode(photos) + b"/caf\xe9"
    try:
        shutil.copy(photos / "red.png", odd + b".png")
    except OSError:
        pytest.skip("this file system has no such names")
    shutil.copy(photos / "red.txt", odd + b".txt")
    corpus = Corpus.build(photos, target, embedder=mean_color)
    assert corpus.ids().tolist()[1] == "caf\\udce9.png"
    assert os.fsencode(corpus.images()[1]) == odd + b".png"
    assert corpus.embeddings([1]).tolist() == [[1, 0, 0, 0.25]]
    assert len(corpus.failures()) == 0
    os.remove(odd + b".png")
    shutil.rmtree(target)
    os.symlink(photos / "gone", odd + b".png")
    with pytest.warns(UserWarning, match="1 of 5 images could not be read"):
        assert len(Corpus.build(photos, target, embedder=mean_color).failures()) == 1


# tables in folders


def table_of(photos, name, content):
    for sidecar in photos.rglob("*.txt"):
        sidecar.unlink()
    (photos / name).write_bytes(content if isinstance(content, bytes) else content.encode())


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("captions.txt", 'image,caption\nred.png,"a red, square"\n'),
        ("captions.txt", "image\tcaption\nred.png\ta red, square\n"),
        ("results.csv", "image_name| comment_number| comment\nred.png| 0| a red, square\n"),
        ("captions.csv", "image;caption\nred.png;a red, square\n"),
        ("captions.csv", "\ufeffimage,caption\nred.png,'a red, square'\n".replace("'", '"')),
        ("captions.csv", "image;caption\nred.png;a red, square\n".encode("utf-16")),
        ("captions.TSV", "image\tcaption\nred.png\ta red, square\n"),
    ],
)
def test_tables_as_people_save_them(photos, target, name, content):
    table_of(photos, name, content)
    corpus = Corpus.build(photos, target)
    assert [caption.strip() for caption in corpus.captions()] == ["a red, square"]
    assert corpus.images().tolist() == [str(photos / "red.png")]
    assert len(Corpus.build(photos / name, target, overwrite=True)) == 1


def test_the_layout_of_kaggle(tmp_path, target):
    (tmp_path / "Images").mkdir()
    Image.new("RGB", (2, 2)).save(tmp_path / "Images" / "1.jpg")
    (tmp_path / "captions.txt").write_text("image,caption\n1.jpg,a cat\n1.jpg,a pet\n")
    for source in (tmp_path, tmp_path / "captions.txt"):
        corpus = Corpus.build(source, target, overwrite=True)
        assert corpus.captions().tolist() == ["a cat", "a pet"]
        assert corpus.images([0]).tolist() == [str(tmp_path / "Images" / "1.jpg")]


@pytest.mark.parametrize(
    ("name", "content", "why"),
    [
        ("a.csv", "image,caption\nred.png,a,b\n", "Expected 2 columns, got 3"),
        ("a.csv", "imge,captoin\nred.png,a\n", "it has no caption column"),
        ("a.csv", b"image,caption\nred.png,caf\xe9\n", "Save it as UTF-8"),
        ("a.csv", b"", "cannot be read as CSV"),
        ("a.parquet", b"PAR1", "cannot be read as PARQUET"),
    ],
)
def test_a_table_that_cannot_be_used_is_named(photos, target, name, content, why):
    (photos / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    if "UTF-8" in why:  # found out when it is read
        with pytest.raises(CorpusError, match=rf"a\.csv' .*{why}"):
            Corpus.build(photos, target)
    else:
        with pytest.warns(UnusablePairWarning, match=rf"not read: '{name}': .*{why}"):
            assert len(Corpus.build(photos, target)) == 4
        table_of(photos, name, content)
        with pytest.raises(CorpusError, match=rf"no captions.*Not used: '{name}': .*{why}"):
            Corpus.build(photos, target, overwrite=True)


def test_shards_in_parquet_are_one_table(photos, target):
    for i, name in enumerate(("red", "blue")):
        columns = {"image": [f"{name}.png"], "caption": [name]}
        pq.write_table(pa.table(columns), photos / f"train-{i}.parquet")
    assert Corpus.build(photos, target).captions().tolist() == ["red", "blue"]
    pq.write_table(pa.table({"image": ["x"], "text": ["y"]}), photos / "other.parquet")
    with pytest.raises(CorpusError, match="several tables of captions"):
        Corpus.build(photos, target, overwrite=True)


def test_a_folder_of_captions_alone_is_read(tmp_path, target):
    for i in range(2):
        pq.write_table(pa.table({"text": [f"cat {i}"]}), tmp_path / f"{i}.parquet")
    assert Corpus.build(tmp_path, target).captions().tolist() == ["cat 0", "cat 1"]


@pytest.mark.parametrize("first", ["", "640", "true", "1"])
@pytest.mark.parametrize("last", ["UNSURE", "640.5", "99999999999999999999"])
def test_columns_that_nobody_asked_for_may_hold_anything(tmp_path, target, first, last):
    path = tmp_path / "laion.csv"
    filler = "a photo of a small grey cat " * 40
    rows = [f"{filler}{i},{first}\n" for i in range(1200)]
    path.write_text("caption,other\n" + "".join(rows) + f"a dog,{last}\n")
    assert len(Corpus.build(path, target)) == 1201


def test_what_guards_a_cell_from_spreadsheets_is_no_part_of_it(tmp_path, target):
    path = tmp_path / "a.csv"
    path.write_text("caption\n'=1+1\n'a cat'\n")
    assert Corpus.build(path, target).captions().tolist() == ["=1+1", "'a cat'"]


# sidecars


@pytest.mark.parametrize(
    ("data", "caption"),
    [
        ("ein Käfer".encode("utf-16"), "ein Käfer"),
        ("ein Käfer".encode("utf-16-be"), "ein Käfer"),
        ("ein Käfer".encode("utf-32"), "ein Käfer"),
        ("ein Käfer".encode("utf-8-sig"), "ein Käfer"),
        ("猫".encode("utf-16"), "猫"),
    ],
)
def test_sidecars_may_be_of_any_unicode_encoding(photos, target, data, caption):
    (photos / "red.txt").write_bytes(data)
    assert Corpus.build(photos, target).captions()[-1] == caption


@pytest.mark.parametrize(
    ("data", "caption", "guess"),
    [
        ("ein Käfer".encode("latin-1"), "ein Käfer", "cp1252"),
        (b"\x93quoted\x94", "“quoted”", "cp1252"),
        (b"\x81\xe4", "\x81ä", "latin-1"),
    ],
)
def test_a_guess_is_named(photos, target, data, caption, guess):
    (photos / "red.txt").write_bytes(data)
    with pytest.warns(DoubtfulTextWarning, match=rf"red\.txt': not UTF-8, read as {guess}"):
        assert Corpus.build(photos, target).captions()[-1] == caption


def test_a_json_sidecar_may_have_a_mark_and_several_captions(photos, target):
    (photos / "red.txt").unlink()
    (photos / "red.json").write_text('{"caption": ["a", "b"]}', encoding="utf-8-sig")
    assert Corpus.build(photos, target).captions().tolist()[-2:] == ["a", "b"]


def test_a_sidecar_that_is_no_caption_is_refused(photos, target):
    (photos / "red.txt").write_bytes(b"a" * (1 << 20) + b"b")
    with pytest.raises(CorpusError, match=r"red\.txt' has more than 1048576 bytes"):
        Corpus.build(photos, target)


def test_a_text_file_in_another_encoding(tmp_path, target):
    path = tmp_path / "a.txt"
    path.write_text("ein Käfer\nein Hund", encoding="utf-16")
    assert Corpus.build(path, target).captions().tolist() == ["ein Käfer", "ein Hund"]
    path.write_bytes("ein Hund\nein Käfer".encode("latin-1"))
    with pytest.raises(CorpusError, match=r"a\.txt' is not UTF-8 text from about line 1"):
        Corpus.build(path, target, overwrite=True)


def test_a_caption_that_is_none_is_named_with_its_file(tmp_path, target):
    pq.write_table(pa.table({"caption": pa.array([b"\xff"])}), tmp_path / "a.parquet")
    with pytest.raises(CorpusError, match=r"a\.parquet' cannot be used: The caption .* not UTF-8"):
        Corpus.build(tmp_path / "a.parquet", target)


def test_sidecars_may_differ_from_images_in_their_unicode_form(tmp_path, target):
    folder = tmp_path / "photos"
    folder.mkdir()
    Image.new("RGB", (2, 2)).save(folder / unicodedata.normalize("NFD", "é.png"))
    (folder / unicodedata.normalize("NFC", "é.txt")).write_text("a cup")
    assert Corpus.build(folder, target).captions().tolist() == ["a cup"]


@pytest.mark.parametrize("name", ["a.txt", "a.tar"])
def test_what_may_not_be_read_is_named(tmp_path, target, monkeypatch, name):
    photos = tmp_path / "photos"
    photos.mkdir()
    Image.new("RGB", (2, 2)).save(photos / "a.png")
    (photos / name).write_text("a cat")
    opened = io.open

    def denied(path, *args, **kwargs):
        if os.fspath(path).endswith(name):
            raise PermissionError(13, "Permission denied")
        return opened(path, *args, **kwargs)

    monkeypatch.setattr(io, "open", denied)
    monkeypatch.setattr("tarfile.bltn_open", denied)
    with pytest.raises(CorpusError, match=rf"{name}' cannot be read: Permission denied"):
        Corpus.build(photos, target)


def test_images_root_is_for_tables(photos, target, tmp_path):
    with tarfile.open(tmp_path / "a.tar", "w") as tar:
        tar.add(photos / "red.png", "0.png")
    with pytest.raises(CorpusError, match="is only for tables of captions: archives contain their"):
        Corpus.build(tmp_path / "a.tar", target, images_root=photos)
    with pytest.raises(CorpusError, match="folders with a file beside each image contain their"):
        Corpus.build(photos, target, images_root=tmp_path)


def test_missing_ids_are_told_apart(tmp_path):
    frame = pd.DataFrame({"caption": ["a", "b", "c"], "id": pd.array([1, None, 2], dtype="Int64")})
    frame.to_csv(tmp_path / "t.csv", index=False)
    frame.to_parquet(tmp_path / "t.parquet")
    for i, source in enumerate([frame, tmp_path / "t.csv", tmp_path / "t.parquet"]):
        corpus = Corpus.build(source, tmp_path / f"c{i}")
        assert corpus.ids().tolist() == ["1", "row 1 without id", "2"]
