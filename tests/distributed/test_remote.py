"""Corpora on other file systems: local folders, memory, and a server that speaks S3."""

import filecmp
import json

import numpy as np
import pyarrow.fs as pafs
import pytest

from skclip.corpus import Corpus
from skclip.distributed import pull, push
from skclip.exceptions import CorpusError, CorpusFormatError, CorpusNotFoundError


def assert_same_bytes(one, other):
    names = sorted(path.name for path in one.iterdir() if path.name != ".lock")
    assert sorted(path.name for path in other.iterdir()) == names
    assert filecmp.cmpfiles(one, other, names, shallow=False)[0] == names


@pytest.fixture
def corpus(tmp_path):
    captions = [f"caption {i}" for i in range(7)]
    return Corpus.build(captions, tmp_path / "corpus", embeddings=np.eye(7), shard_size=3)


def test_a_folder_and_back(corpus, tmp_path):
    url = (tmp_path / "there").as_uri()
    push(corpus, url)
    assert_same_bytes(corpus.path, tmp_path / "there")
    pull(url, tmp_path / "back")
    assert_same_bytes(corpus.path, tmp_path / "back")


def test_memory_and_back(corpus, tmp_path):
    pytest.importorskip("fsspec", reason="comes with the extra 'ray'")
    push(corpus, "memory://corpora/one")
    assert_same_bytes(corpus.path, pull("memory://corpora/one", tmp_path / "back").path)


def test_s3_and_back(corpus, tmp_path, monkeypatch):
    server = pytest.importorskip("moto.server", reason="needs moto[server]")
    from pyarrow import fs

    s3 = server.ThreadedMotoServer(port=0, verbose=False)
    s3.start()
    try:
        host, port = s3.get_host_and_port()
        place = fs.S3FileSystem(
            access_key="key",
            secret_key="secret",
            scheme="http",
            endpoint_override=f"{host}:{port}",
            allow_bucket_creation=True,
        )
        place.create_dir("bucket")
        push(corpus, "bucket/corpus", filesystem=place)
        assert_same_bytes(
            corpus.path, pull("bucket/corpus", tmp_path / "back", filesystem=place).path
        )
    finally:
        s3.stop()


def test_an_interrupted_pull_resumes(corpus, tmp_path):
    push(corpus, (tmp_path / "there").as_uri())
    (tmp_path / "back").mkdir()
    first = "000-00000.captions.parquet"
    kept = tmp_path / "back" / first
    kept.write_bytes((corpus.path / first).read_bytes())
    (tmp_path / "back/000-00001.index.sqlite").write_bytes(b"half")
    before = kept.stat().st_mtime_ns
    pull((tmp_path / "there").as_uri(), tmp_path / "back")
    assert kept.stat().st_mtime_ns == before
    assert_same_bytes(corpus.path, tmp_path / "back")


def test_files_that_are_there_already_are_kept(corpus, tmp_path):
    push(corpus, (tmp_path / "there").as_uri())
    old = {p.name: p.stat().st_mtime_ns for p in (tmp_path / "there").iterdir()}
    longer = corpus.append(["one more"], embedder=None) if not corpus.has_embeddings else corpus
    push(longer, (tmp_path / "there").as_uri())
    new = {p.name: p.stat().st_mtime_ns for p in (tmp_path / "there").iterdir()}
    assert {name for name in new if new[name] != old.get(name)} == {"manifest.json"}


def test_a_damaged_file_is_named(corpus, tmp_path):
    push(corpus, (tmp_path / "there").as_uri())
    path = tmp_path / "there/000-00000.embeddings.npy"
    path.write_bytes(path.read_bytes()[:-2] + b"??")
    with pytest.raises(CorpusFormatError, match=r"000-00000\.embeddings\.npy"):
        pull((tmp_path / "there").as_uri(), tmp_path / "back")


@pytest.mark.parametrize("name", ["/etc/passwd.npy", "../outside.npy"])
def test_a_manifest_from_elsewhere_writes_no_other_file(name, corpus, tmp_path):
    push(corpus, (tmp_path / "there").as_uri())
    path = tmp_path / "there/manifest.json"
    content = json.loads(path.read_text())
    content["shards"][0]["embeddings"] = name
    content["shards"][0]["sha256"] = {}
    path.write_text(json.dumps(content))
    with pytest.raises(CorpusError):
        pull((tmp_path / "there").as_uri(), tmp_path / "back")
    assert not (tmp_path / "outside.npy").exists()


def test_what_cannot_be_copied_is_told(corpus, tmp_path):
    with pytest.raises(CorpusError, match="already holds a corpus"):
        pull((tmp_path / "there").as_uri(), corpus.path)


def test_a_corpus_is_not_pushed_onto_itself(corpus, monkeypatch):
    monkeypatch.chdir(corpus.path.parent)
    for url in (corpus.path.as_uri(), str(corpus.path)):
        with pytest.raises(CorpusError, match=r"is the directory of Corpus.* itself"):
            push(corpus, url)
    with pytest.raises(CorpusError, match=r"is the directory of Corpus.* itself"):
        push(corpus, "corpus", filesystem=pafs.LocalFileSystem())
    Corpus(corpus.path).verify()


def test_a_relative_path_is_compared_too(corpus, monkeypatch):
    pytest.importorskip("fsspec", reason="comes with the extra 'ray'")
    monkeypatch.chdir(corpus.path.parent)
    with pytest.raises(CorpusError, match=r"is the directory of Corpus.* itself"):
        push(corpus, "corpus")
    Corpus(corpus.path).verify()


def test_no_corpus_is_said_and_nothing_is_written(tmp_path):
    url = (tmp_path / "there").as_uri()
    with pytest.raises(CorpusNotFoundError, match=r"There is no corpus at 'file://.*there'"):
        pull(url, tmp_path / "back")
    assert not (tmp_path / "back").exists()


def test_a_file_in_place_of_the_directory_is_refused(corpus, tmp_path):
    push(corpus, (tmp_path / "there").as_uri())
    (tmp_path / "back").write_text("kept")
    with pytest.raises(CorpusError, match=r"back' is a file: give a new directory"):
        pull((tmp_path / "there").as_uri(), tmp_path / "back")
