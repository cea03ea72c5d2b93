"""Images as tables name them, and folders with links, loops and hidden files."""

import os
import unicodedata

import pytest

from skclip.corpus import Corpus
from skclip.corpus._readers import _finder
from skclip.corpus._readers._finder import ImageFinder, list_files
from skclip.exceptions import CorpusError, UnreadableImageWarning


@pytest.fixture
def folder(tmp_path):
    """A folder `photos` with a.png and more/b.png, beside `other` with c.png."""
    for name in ("photos/a.png", "photos/more/b.png", "other/c.png"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return tmp_path / "photos"


def test_links_to_folders_are_followed(folder):
    (folder / "link").symlink_to(folder.parent / "other")
    assert list_files(folder) == ["a.png", "link/c.png", "more/b.png"]


def test_loops_and_second_ways_to_a_folder_are_read_once(folder):
    (folder / "more" / "back").symlink_to(folder)
    (folder / "again").symlink_to(folder / "more")
    (folder / "nowhere").symlink_to(folder / "gone")
    assert list_files(folder) == ["a.png", "more/b.png", "nowhere"]


def test_hidden_files_and_folders_are_left_out(folder):
    (folder / ".hidden").mkdir()
    (folder / ".hidden" / "d.png").touch()
    (folder / "more" / ".e.png").touch()
    assert list_files(folder) == ["a.png", "more/b.png"]


def test_a_folder_that_cannot_be_listed_is_an_error(folder, monkeypatch):
    scandir = os.scandir

    def denied(path):
        if os.fspath(path).endswith("more"):
            raise PermissionError(13, "Permission denied")
        return scandir(path)

    monkeypatch.setattr(_finder.os, "scandir", denied)
    with pytest.raises(CorpusError, match=r"more' cannot be listed \(Permission denied\)"):
        Corpus.build(folder, folder.parent / "corpus")


@pytest.mark.parametrize(
    "name",
    [
        "a.png",
        "./a.png",
        "more/b.png",
        "more\\b.png",
        "../other/c.png",
        ".hidden/d.png",
        "link/c.png",
        "{root}/a.png",
        "~/other/c.png",
        "file://{root}/a%20b.png",
    ],
)
def test_a_table_may_name_any_path(folder, monkeypatch, name):
    monkeypatch.setenv("HOME", str(folder.parent))
    (folder / ".hidden").mkdir()
    (folder / ".hidden" / "d.png").touch()
    (folder / "a b.png").touch()
    (folder / "link").symlink_to(folder.parent / "other")
    path, problem = ImageFinder(folder).find(name.format(root=folder))
    assert problem is None
    assert os.path.isfile(os.path.join(folder, path))


def test_bare_names_are_found_below_the_folder(folder):
    assert ImageFinder(folder).find("b.png") == ("more/b.png", None)


def test_a_bare_name_that_occurs_twice_is_not_denied(folder):
    for name in ("one", "two"):
        (folder / name).mkdir()
        (folder / name / "x.png").touch()
    path, problem = ImageFinder(folder).find("x.png")
    assert path is None
    assert problem == "several files have the name x.png: 'one/x.png', 'two/x.png'"


@pytest.mark.parametrize("name", ["gone.png", "more", "more/a.png", "", "a\0.png", "x" * 5000])
def test_what_is_missing_is_missing(folder, name):
    assert ImageFinder(folder).find(name) == (None, f"no such file: {name}")


@pytest.mark.parametrize("forms", [("NFC", "NFD"), ("NFD", "NFC")])
@pytest.mark.parametrize("name", ["café.png", "dé/x.png", "x.png", "../é/x.png"])
def test_names_may_differ_in_their_unicode_form(folder, forms, name):
    ours, theirs = (unicodedata.normalize(form, name) for form in forms)
    below = "é/x.png" if name == "x.png" else ours
    (folder / unicodedata.normalize(forms[0], below)).parent.mkdir(exist_ok=True)
    (folder / unicodedata.normalize(forms[0], below)).touch()
    path, problem = ImageFinder(folder).find(theirs)
    assert problem is None
    assert os.path.isfile(os.path.join(folder, path))


def test_urls_are_not_looked_up(folder):
    assert ImageFinder(folder).find("https://example.org/a.png") == (
        "https://example.org/a.png",
        None,
    )


@pytest.fixture
def elsewhere(tmp_path):
    """A table of 400 images that lie in another folder."""
    (tmp_path / "images").mkdir()
    names = [f"{i}.png" for i in range(400)]
    for name in names:
        (tmp_path / "images" / name).touch()
    (tmp_path / "tables").mkdir()
    path = tmp_path / "tables" / "captions.csv"
    path.write_text("image,caption\n" + "".join(f"{name},a cat\n" for name in names))
    return path


def test_a_table_without_its_images_is_refused(elsewhere, tmp_path):
    with pytest.raises(
        CorpusError, match=r"400 are not below .*'no such file: 0\.png'.*images_root="
    ):
        Corpus.build(elsewhere, tmp_path / "corpus")
    assert not (tmp_path / "corpus").exists()


def test_the_folder_of_the_images_can_be_given(elsewhere, tmp_path):
    root = tmp_path / "images"
    corpus = Corpus.build(elsewhere, tmp_path / "corpus", images_root=root)
    assert corpus.images([399]).tolist() == [str(root / "399.png")]
    longer = corpus.append(elsewhere, images_root=str(root))
    assert longer.images([400]).tolist() == [str(root / "0.png")]


def test_frames_and_sequences_may_start_from_a_folder(tmp_path):
    corpus = Corpus.build((["a cat"], ["0.png"]), tmp_path / "corpus", images_root=tmp_path)
    assert corpus.images().tolist() == [str(tmp_path / "0.png")]


def test_the_folder_of_the_images_must_be_there(elsewhere, tmp_path):
    with pytest.raises(CorpusError, match=r"images_root='.*nowhere' is not a folder"):
        Corpus.build(elsewhere, tmp_path / "corpus", images_root=tmp_path / "nowhere")


def test_few_missing_images_are_named(folder, tmp_path):
    (folder / "captions.csv").write_text("image,caption\na.png,a cat\ngone.png,a dog\n")
    with pytest.warns(UnreadableImageWarning, match=r"no such file: gone\.png"):
        assert len(Corpus.build(folder, tmp_path / "corpus")) == 2


def test_embedding_stops_where_no_image_can_be_read(tmp_path, mean_color):
    n = 1000
    source = ([f"cat {i}" for i in range(n)], [f"/nowhere/{i}.png" for i in range(n)])
    with pytest.raises(CorpusError, match=r"None of the first 512 images .* can be read"):
        Corpus.build(source, tmp_path / "corpus", embedder=mean_color)
    assert len(set(mean_color.seen)) == 512


def test_one_image_that_can_be_read_is_enough_to_go_on(tmp_path, mean_color, photos):
    n = 600
    images = [str(photos / "red.png")] + [f"/nowhere/{i}.png" for i in range(1, n)]
    source = ([f"cat {i}" for i in range(n)], images)
    with pytest.warns(UnreadableImageWarning, match="599 of 600 images"):
        Corpus.build(source, tmp_path / "corpus", embedder=mean_color)
