"""Archives and tables on other file systems are read where they are."""

import io
import tarfile

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from skclip.corpus import Corpus, ImageSlice
from skclip.exceptions import CorpusError, UnreadableImageWarning

fsspec = pytest.importorskip("fsspec", reason="comes with the extra 'ray'")
pytest.importorskip("upath", reason="comes with the extra 'ray'")


class FirstBytes:
    """Embeds an image as its length and its first byte."""

    model_id, batch_size = "first/none@1", 2

    def transform(self, images):
        contents = [i.read() if hasattr(i, "read") else i for i in images]
        return np.array([[len(c), c[0]] for c in contents], np.float32)


def archive(first, n=3):
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as tar:
        for i in range(first, first + n):
            for kind, content in (("jpg", bytes([i]) * 9), ("txt", f"photo {i}".encode())):
                member = tarfile.TarInfo(f"{i:03d}.{kind}")
                member.size = len(content)
                tar.addfile(member, io.BytesIO(content))
    return file.getvalue()


def table(columns):
    file = io.BytesIO()
    pq.write_table(pa.table(columns), file)
    return file.getvalue()


@pytest.fixture
def memory():
    """A folder in memory."""
    files = fsspec.filesystem("memory")
    yield files
    files.rm("/remote", recursive=True)


def check(corpus):
    assert corpus.captions().tolist() == [f"photo {i}" for i in range(1, 7)]
    assert corpus.embeddings().tolist() == [[9, i] for i in range(1, 7)]
    assert corpus.images([4]).tolist() == [bytes([5]) * 9]


@pytest.mark.parametrize("source", ["memory://remote/{0..1}.tar", "memory://remote"])
def test_archives_in_memory(memory, tmp_path, source):
    memory.pipe({"/remote/0.tar": archive(1), "/remote/1.tar": archive(4)})
    corpus = Corpus.build(source, tmp_path / "c", embedder=FirstBytes(), shard_size=4)
    check(Corpus(corpus.path))
    assert not list(corpus.path.glob("*.images.bin"))


def test_tables_in_memory(memory, tmp_path):
    captions, images = [f"photo {i}" for i in range(1, 7)], [bytes([i]) * 9 for i in range(1, 7)]
    memory.pipe("/remote/t.parquet", table({"caption": captions, "image": images}))
    check(Corpus.build("memory://remote/t.parquet", tmp_path / "c", embedder=FirstBytes()))


def test_images_of_a_remote_table_are_not_looked_for_beside_it(memory, tmp_path):
    columns = {"caption": ["a", "b"], "image": ["https://host/1.jpg", "2.jpg"]}
    memory.pipe("/remote/t.parquet", table(columns))
    with pytest.warns(UnreadableImageWarning, match=r"no such file: 2\.jpg"):
        corpus = Corpus.build("memory://remote/t.parquet", tmp_path / "c")
    assert corpus.image_references().tolist() == ["https://host/1.jpg", None]


def test_downloads_of_img2dataset_on_s3(tmp_path, monkeypatch):
    server = pytest.importorskip("moto.server", reason="needs moto[server]")
    pytest.importorskip("s3fs", reason="needs s3fs")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "key")
    s3 = server.ThreadedMotoServer(port=0, verbose=False)
    s3.start()
    try:
        host, port = s3.get_host_and_port()
        options = {"endpoint_url": f"http://{host}:{port}"}
        monkeypatch.setitem(fsspec.config.conf, "s3", options)
        files = fsspec.filesystem("s3")
        files.mkdir("bucket")
        for first in (1, 4):
            keys = [f"{i:03d}" for i in range(first, first + 3)]
            columns = {
                "key": keys,
                "status": ["success"] * 3,
                "url": ["http://host/x"] * 3,
                "caption": [f"photo {int(key)}" for key in keys],
            }
            files.pipe(f"bucket/out/{first:05d}.parquet", table(columns))
            files.pipe(f"bucket/out/{first:05d}.tar", archive(first))
        check(Corpus.build("s3://bucket/out", tmp_path / "c", embedder=FirstBytes()))
    finally:
        s3.stop()


def test_an_archive_that_was_cut_off_since(memory, tmp_path):
    memory.pipe("/remote/0.tar", archive(1))
    corpus = Corpus.build("memory://remote/0.tar", tmp_path / "c")
    memory.pipe("/remote/0.tar", archive(1)[:2000])
    with pytest.raises(OSError, match="was changed or cut off"):
        corpus.images([2])


def test_what_is_not_there_or_unknown_is_told(memory, tmp_path):
    memory.pipe("/remote/0.tar", b"")
    with pytest.raises(CorpusError, match=r"'memory://remote/1.tar' does not exist"):
        Corpus.build("memory://remote/1.tar", tmp_path / "c")
    with pytest.raises(CorpusError, match=r"'nowhere://1.tar' cannot be opened"):
        Corpus.build("nowhere://1.tar", tmp_path / "c")


@pytest.mark.parametrize("source", ["remote/t.csv", "remote", "remote/out"])
def test_what_is_read_from_local_folders_only_is_told(memory, tmp_path, source):
    memory.pipe({"/remote/t.csv": b"caption,image\na,1.jpg", "/remote/1.jpg": b"x"})
    for name in ("img_emb/img_emb_0.npy", "metadata/metadata_0.parquet"):
        memory.pipe(f"/remote/out/{name}", b"x")
    with pytest.raises(CorpusError, match="must be copied to a folder first"):
        Corpus.build(f"memory://{source}", tmp_path / "c")


def test_a_corpus_chooses_no_chain_of_file_systems():
    with pytest.raises(OSError, match="chain of file systems"):
        ImageSlice("filecache::memory://remote/0.tar", 0, 1).read()
