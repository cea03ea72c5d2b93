"""WebDataset archives: images stay where they are, bad samples are reported."""

import io
import json
import tarfile

import pytest

from skclip.corpus import Corpus
from skclip.corpus._readers._webdataset import iter_samples
from skclip.exceptions import CorpusError


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
            "001.json": b"no json",
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
    paths = [str(path) for path in expand_braces("{a}/{08..10}-{1..2}.tar")]
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
        assert "the archive is cut off" in reasons["00001.tar"]
        assert reasons.get("000") == (None if image else "000.png is cut off in 00001.tar")


@pytest.mark.parametrize("content", [b"no tar at all" * 100, b"\x1f\x8b compressed"])
def test_what_is_no_tar_is_refused(tmp_path, target, content):
    (tmp_path / "a.tar").write_bytes(content)
    with pytest.raises(CorpusError, match=r"a\.tar' is no tar file .*must be unpacked"):
        Corpus.build(tmp_path / "a.tar", target)


def test_samples_are_told_apart_at_the_first_dot(tmp_path):
    path = write_tar(
        tmp_path / "a.tar", {"x.y/1.seg.png": b"", "x.y/1.png": b"p", "x.y/2.txt": b""}
    )
    assert [sample.key for sample in iter_samples(path)] == ["x.y/1", "x.y/2"]
