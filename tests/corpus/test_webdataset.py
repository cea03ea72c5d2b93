"""WebDataset archives: images stay where they are, bad samples are reported."""

import io
import json
import tarfile

import pytest

from skclip.corpus import Corpus
from skclip.corpus._readers import _webdataset
from skclip.corpus._readers._braces import expand_braces
from skclip.corpus._readers._decoding import Doubts
from skclip.corpus._readers._webdataset import iter_samples
from skclip.exceptions import CorpusError, DoubtfulTextWarning, UnreadableImageWarning


def write_tar(path, members):
    with tarfile.open(path, "w") as tar:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return path


@pytest.fixture
def png(photos):
    return {name: (photos.rglob(f"{name}.png")).__next__().read_bytes() for name in ("red", "blue")}


@pytest.fixture
def target(tmp_path):
    return tmp_path / "corpus"


@pytest.fixture
def archives(tmp_path, png):
    """Two archives: text captions in the first, JSON in the second."""
    folder = tmp_path / "shards"
    folder.mkdir()
    write_tar(
        folder / "00000.tar",
        {
            "a/000.png": png["red"],
            "a/000.txt": b"a red\nsquare",
            "a/001.txt": b"no image",
            "a/002.JPG": b"broken",
            "a/002.txt": b"broken image",
        },
    )
    write_tar(
        folder / "00001.tar",
        {
            "000.json": json.dumps({"caption": "a blue square"}).encode(),
            "000.png": png["blue"],
            "000.cls": b"3",
            "001.png": png["blue"],
            "001.json": b"{}",
            "001.txt": b"",
        },
    )
    return folder


@pytest.mark.filterwarnings("ignore::skclip.exceptions.UnreadableImageWarning")
def test_samples_become_rows(archives, target, png, mean_color):
    corpus = Corpus.build(archives, target, embedder=mean_color)
    assert corpus.ids().tolist() == ["a/000", "a/001", "a/002", "000", "001"]
    assert corpus.captions().tolist() == [
        "a red square",
        "no image",
        "broken image",
        "a blue square",
        "",
    ]
    assert corpus.images([0, 1, 3]).tolist() == [png["red"], None, png["blue"]]
    assert corpus.embeddings([0, 3]).tolist() == [[1, 0, 0, 0.25], [0, 0, 1, 0.25]]
    assert corpus.failures().to_pylist() == [
        {
            "row": 1,
            "id": "a/001",
            "reason": "no image among the members of 'a/001' in 00000.tar",
        },
        {"row": 2, "id": "a/002", "reason": "its embedding is zero"},
    ]


@pytest.mark.filterwarnings("ignore::skclip.exceptions.UnreadableImageWarning")
def test_images_are_not_copied(archives, target):
    Corpus.build(archives, target)
    assert not list(target.glob("*.images.bin"))


@pytest.mark.filterwarnings("ignore::skclip.exceptions.UnreadableImageWarning")
def test_archives_can_be_named_by_a_range(archives, target):
    corpus = Corpus.build(str(archives / "{00000..00001}.tar"), target)
    assert len(corpus) == 5
    assert len(Corpus.build(archives / "00001.tar", target, overwrite=True)) == 2
    with pytest.raises(CorpusError, match=r"00002\.tar' does not exist"):
        Corpus.build(str(archives / "{00000..00002}.tar"), target, overwrite=True)


def test_ranges_are_expanded_with_their_zeros():
    paths = expand_braces("{a}/{08..10}-{1..2}.tar")
    assert paths == [f"{{a}}/{i}-{j}.tar" for i in ("08", "09", "10") for j in (1, 2)]


@pytest.mark.filterwarnings("ignore::skclip.exceptions.UnreadableImageWarning")
def test_a_cut_off_archive_keeps_what_is_whole_and_says_so(archives, target):
    path = archives / "00001.tar"
    whole = path.read_bytes()
    for cut, image in ((2000, True), (1550, False)):
        path.write_bytes(whole[:cut])
        corpus = Corpus.build(archives, target, overwrite=True)
        assert corpus.captions().tolist()[3] == "a blue square"
        assert (corpus.images([3])[0] is not None) is image
        reasons = {f["id"]: f["reason"] for f in corpus.failures().to_pylist()}
        assert "the archive is truncated" in reasons["00001.tar"]
        assert reasons.get("000") == (None if image else "000.png is truncated in 00001.tar")


@pytest.mark.parametrize("content", [b"no tar at all" * 100, b"\x1f\x8b compressed"])
def test_what_is_no_tar_is_refused(tmp_path, target, content):
    (tmp_path / "a.tar").write_bytes(content)
    with pytest.raises(CorpusError, match=r"a\.tar' is not a tar file .*Unpack compressed"):
        Corpus.build(tmp_path / "a.tar", target)


def test_samples_are_told_apart_at_the_first_dot(tmp_path):
    path = write_tar(
        tmp_path / "a.tar", {"x.y/1.seg.png": b"", "x.y/1.png": b"p", "x.y/2.txt": b""}
    )
    assert [sample.key for sample in iter_samples(path, Doubts())] == ["x.y/1", "x.y/2"]


def test_ranges_may_go_down_and_never_hide_a_file(tmp_path):
    assert expand_braces("{2..0}.tar") == ["2.tar", "1.tar", "0.tar"]
    assert expand_braces("{9..11}.tar") == ["9.tar", "10.tar", "11.tar"]
    path = tmp_path / "{0..1}.tar"
    path.touch()
    assert expand_braces(str(path)) == [str(path)]
    with pytest.raises(CorpusError, match="more than 1000000 paths"):
        expand_braces("{0..99999999999}.tar")


def rows(path, target):
    corpus = Corpus.build(path, target)
    return [
        (i, c, image is not None)
        for i, c, image in zip(corpus.ids(), corpus.captions(), corpus.images(), strict=True)
    ]


def test_members_belong_together_wherever_they_stand(tmp_path, target, png):
    members = {"0.png": png["red"], "1.png": png["blue"], "0.txt": b"a red", "1.txt": b"a blue"}
    path = write_tar(tmp_path / "a.tar", members)
    assert rows(path, target) == [("0", "a red", True), ("1", "a blue", True)]


@pytest.mark.parametrize("name", ["._0.png", "d/._0.txt", ".hidden/0.png"])
def test_hidden_members_do_not_count(tmp_path, target, png, name):
    members = {name: b"\0\5\x16", "./0.png": png["red"], "./0.txt": b"a red"}
    path = write_tar(tmp_path / "a.tar", members)
    assert rows(path, target) == [("0", "a red", True)]


def test_a_key_that_comes_again_is_another_sample(tmp_path, target, png):
    path = tmp_path / "joined.tar"
    with tarfile.open(path, "w") as tar:
        for caption in (b"first", b"second"):
            for name, content in {"0.png": png["red"], "0.txt": caption}.items():
                info = tarfile.TarInfo(name)
                info.size = len(content)
                tar.addfile(info, io.BytesIO(content))
    assert rows(path, target) == [("0", "first", True), ("0", "second", True)]


@pytest.mark.parametrize(
    "name", ["../0.png", "/0.png", "a/../../0.png", "C:/0.png", "a\\..\\0.png"]
)
def test_members_that_lead_out_of_the_archive_are_named(tmp_path, target, png, name):
    path = write_tar(tmp_path / "a.tar", {name: b"x", "1.png": png["red"], "1.txt": b"a red"})
    with pytest.warns(DoubtfulTextWarning, match=r"0\.png': its name leads out of a\.tar"):
        assert rows(path, target) == [("1", "a red", True)]


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"{broken", "is not JSON"),
        (b'[{"caption": "x"}]', "is not a JSON object but list"),
        (b'{"label": 3}', "has no caption"),
        (b"[" * 100_000, "is not JSON"),
    ],
)
def test_json_without_a_caption_is_named(tmp_path, target, png, content, why):
    path = write_tar(tmp_path / "a.tar", {"0.png": png["red"], "0.json": content})
    with pytest.warns(DoubtfulTextWarning, match=rf"0\.json in a\.tar: {why}"):
        assert rows(path, target) == [("0", "", True)]


def test_json_does_not_matter_beside_a_text(tmp_path, target, png):
    members = {"0.json": b"{}", "0.png": png["red"], "0.txt": b"a red"}
    assert rows(write_tar(tmp_path / "a.tar", members), target) == [("0", "a red", True)]


def test_a_list_of_captions_is_a_row_each(tmp_path, target, png):
    members = {"0.png": png["red"], "0.json": b'{"caption": ["a red", "a square"]}'}
    path = write_tar(tmp_path / "a.tar", members)
    assert rows(path, target) == [("0", "a red", True), ("0", "a square", True)]


def test_a_long_text_is_not_read(tmp_path, target, png, monkeypatch):
    monkeypatch.setattr(_webdataset, "MAX_TEXT", 10)
    path = write_tar(tmp_path / "a.tar", {"0.png": png["red"], "0.txt": b"a" * 11})
    with pytest.warns(DoubtfulTextWarning, match="its 11 bytes are too long for a caption"):
        assert rows(path, target) == [("0", "", True)]


def test_other_encodings_are_read_and_guesses_named(tmp_path, target, png):
    members = {"0.png": png["red"], "0.txt": "ein Käfer".encode("utf-16")}
    members |= {"1.png": png["red"], "1.txt": "ein Käfer".encode("latin-1")}
    path = write_tar(tmp_path / "a.tar", members)
    with pytest.warns(DoubtfulTextWarning, match=r"'1\.txt' in a\.tar: not UTF-8, read as cp1252"):
        assert [caption for _, caption, _ in rows(path, target)] == ["ein Käfer"] * 2


def test_a_member_of_negative_size_ends_the_archive(tmp_path, target, png):
    path = write_tar(tmp_path / "a.tar", {"0.png": png["red"], "0.txt": b"a red", "1.png": b""})
    data = bytearray(path.read_bytes())
    header = data.rindex(b"1.png")
    data[header + 124 : header + 136] = b"\xff" * 12  # -1 as a base-256 number
    data[header + 148 : header + 156] = b" " * 8
    data[header + 148 : header + 156] = b"%06o\0 " % sum(data[header : header + 512])
    path.write_bytes(data)
    with pytest.warns(UnreadableImageWarning, match=r"1\.png has the size -1"):
        assert rows(path, target)[0] == ("0", "a red", True)


@pytest.mark.parametrize("suffix", ["jfif", "JPE", "heic"])
def test_images_of_every_known_ending_are_images(tmp_path, target, suffix):
    path = write_tar(tmp_path / "a.tar", {f"0.{suffix}": b"pixels", "0.txt": b"a red"})
    assert rows(path, target) == [("0", "a red", True)]
