"""The last step of a commit: a process that dies in it has done its work, the next one knows."""

import json

import pytest

from skclip.corpus import Corpus, _build
from skclip.exceptions import CorpusError


@pytest.fixture
def target(tmp_path):
    return tmp_path / "corpus"


@pytest.fixture
def dies(monkeypatch):
    """Return a function that runs work which ends right after it has replaced the manifest."""

    def run(work):
        write = _build.write_manifest

        def write_and_die(*args):
            write(*args)
            raise RuntimeError("killed")

        with monkeypatch.context() as patch:
            patch.setattr(_build, "write_manifest", write_and_die)
            with pytest.raises(RuntimeError, match="killed"):
                work()

    return run


def kinds(path):
    return sorted(file.name for file in path.iterdir())


def test_the_same_append_adds_its_rows_once(target, dies):
    Corpus.build(["a dog", "a cat"], target)
    dies(lambda: Corpus(target).append(["a fox"]))
    assert (target / "unfinished.json").exists()
    assert Corpus(target).append(["a fox"]).captions().tolist() == ["a dog", "a cat", "a fox"]
    assert not (target / "unfinished.json").exists()
    assert len(Corpus(target).append(["a fox"])) == 4  # a further call, which adds rows


def test_it_is_known_however_often_the_repetition_dies(target, dies, monkeypatch):
    Corpus.build(["a dog"], target)
    dies(lambda: Corpus(target).append(["a fox"]))
    with monkeypatch.context() as patch:
        patch.setattr(_build.Job, "committed_before", lambda *_, **__: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            Corpus(target).append(["a fox"])
    assert len(Corpus(target).append(["a fox"])) == 2
    assert kinds(target) == [
        ".lock",
        "000-00000.captions.parquet",
        "000-00000.index.sqlite",
        "001-00000.captions.parquet",
        "001-00000.index.sqlite",
        "manifest.json",
    ]


@pytest.mark.parametrize("other", [["a wolf"], ["a fox", "a wolf"]])
def test_other_rows_are_added_after_those_of_the_call_that_died(target, dies, other):
    Corpus.build(["a dog"], target)
    dies(lambda: Corpus(target).append(["a fox"]))
    assert Corpus(target).append(other).captions().tolist() == ["a dog", "a fox", *other]
    assert not (target / "unfinished.json").exists()


def test_rows_of_a_build_that_died_may_be_appended(target, dies):
    dies(lambda: Corpus.build(["a dog"], target))
    assert Corpus(target).append(["a dog"]).captions().tolist() == ["a dog", "a dog"]


@pytest.mark.parametrize("overwrite", [False, True])
def test_the_same_build_is_known(target, dies, overwrite):
    dies(lambda: Corpus.build(["a dog"], target))
    corpus = Corpus.build(["a dog"], target, overwrite=overwrite)
    assert corpus.captions().tolist() == ["a dog"]
    assert kinds(target) == [
        ".lock",
        "000-00000.captions.parquet",
        "000-00000.index.sqlite",
        "manifest.json",
    ]


def test_another_build_does_not_replace_it_unasked(target, dies):
    dies(lambda: Corpus.build(["a dog"], target))
    with pytest.raises(CorpusError, match="already holds a corpus"):
        Corpus.build(["a cat"], target)
    assert Corpus(target).captions().tolist() == ["a dog"]
    assert not (target / "unfinished.json").exists()


def test_a_build_with_a_model_is_not_taken_for_one_without(target, dies, photos, mean_color):
    dies(lambda: Corpus.build(photos, target))
    with pytest.raises(CorpusError, match="already holds a corpus"):
        Corpus.build(photos, target, embedder=mean_color)


def test_embedding_again_removes_what_was_left(target, dies, photos, mean_color, tmp_path):
    (photos / "red.png").write_bytes(b"no image")
    Corpus.build(photos, target)
    Corpus.build(photos, tmp_path / "whole")
    with pytest.warns(UserWarning, match="could not be read"):
        Corpus(tmp_path / "whole").embed(mean_color)
    dies(lambda: Corpus(target).embed(mean_color))
    Corpus(target).embed(mean_color)
    assert kinds(target) == kinds(tmp_path / "whole")


def test_a_retry_again_removes_what_was_left(target, dies, photos, mean_color):
    image = (photos / "red.png").read_bytes()
    (photos / "red.png").write_bytes(b"offline")
    with pytest.warns(UserWarning, match="could not be read"):
        Corpus.build(photos, target, embedder=mean_color)
    (photos / "red.png").write_bytes(image)
    dies(lambda: Corpus(target).retry_failed(mean_color))
    corpus = Corpus(target).retry_failed(mean_color)
    assert len(corpus.failures()) == 0
    assert len(list(target.glob("*.npy"))) == 1
    assert not (target / "unfinished.json").exists()


def test_rows_that_were_added_since_a_corpus_was_opened_stay(target):
    Corpus.build(["a dog"], target)
    one, other = Corpus(target), Corpus(target)
    one.append(["a fox"])
    assert other.append(["a cat"]).captions().tolist() == ["a dog", "a fox", "a cat"]


def test_a_corpus_that_was_replaced_is_not_added_to(target, photos, mean_color):
    corpus = Corpus.build(["a dog"], target)
    Corpus.build(photos, target, embedder=mean_color, overwrite=True)
    with pytest.raises(CorpusError, match="was replaced after it was opened: open it again"):
        corpus.append(["a cat"])
    assert len(Corpus(target)) == 4


def test_the_note_names_nothing_that_an_older_version_does_not_know(target, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(_build, "write_shards", lambda *_, **__: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            Corpus.build(["a dog"], target)
    assert json.loads((target / "unfinished.json").read_text()) == {
        "generation": 0,
        "model_id": None,
    }
