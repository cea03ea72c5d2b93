"""The folders that img2dataset and clip-retrieval write."""

import io
import tarfile

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from skclip.corpus import Corpus
from skclip.exceptions import (
    CorpusError,
    ModelMismatchError,
    UnreadableImageWarning,
    UnusablePairWarning,
)
from skclip.recall import CaptionRetriever


@pytest.fixture
def target(tmp_path):
    return tmp_path / "corpus"


@pytest.fixture
def red(photos):
    return (photos / "red.png").read_bytes()


@pytest.fixture(params=["webdataset", "files", "parquet"])
def downloads(request, tmp_path, red):
    """One shard of img2dataset in each of its formats: success, failure, and a lost image."""
    folder = tmp_path / "downloads"
    folder.mkdir()
    table = {
        "url": [f"https://example.org/{i}" for i in range(3)],
        "key": ["000000000", "000000001", "000000002"],
        "status": ["success", "failed_to_download", "success"],
        "error_message": [None, "HTTP Error 404", None],
        "caption": ["a red square", None, "lost"],
    }
    if request.param == "parquet":
        table["jpg"] = [red, None, None]
    elif request.param == "files":
        (folder / "00000").mkdir()
        (folder / "00000" / "000000000.jpg").write_bytes(red)
    else:
        with tarfile.open(folder / "00000.tar", "w") as tar:
            info = tarfile.TarInfo("000000000.jpg")
            info.size = len(red)
            tar.addfile(info, io.BytesIO(red))
    pq.write_table(pa.table(table), folder / "00000.parquet")
    (folder / "00000_stats.json").write_text("{}")
    return folder


@pytest.mark.filterwarnings("ignore::skclip.exceptions.UnreadableImageWarning")
def test_downloads_of_img2dataset_are_read_with_their_failures(downloads, target, mean_color):
    corpus = Corpus.build(downloads, target, embedder=mean_color)
    assert corpus.captions().tolist() == ["a red square", "", "lost"]
    assert corpus.ids().tolist() == ["000000000", "000000001", "000000002"]
    assert corpus.embeddings().tolist() == [[1, 0, 0, 0.25], [0] * 4, [0] * 4]
    assert corpus.failures().to_pydict() == {
        "row": [1, 2],
        "id": ["000000001", "000000002"],
        "reason": ["failed_to_download: HTTP Error 404", "the image is missing"],
    }


@pytest.fixture
def inference(tmp_path):
    """Two embeddings files of clip-retrieval with their metadata."""
    folder = tmp_path / "inference"
    for name in ("img_emb", "metadata"):
        (folder / name).mkdir(parents=True)
    rng = np.random.default_rng(0)
    for i, n in enumerate((3, 2)):
        np.save(folder / "img_emb" / f"img_emb_{i}.npy", rng.normal(size=(n, 4)).astype("f2"))
        table = {
            "image_path": [f"key{i}{j}" for j in range(n)],
            "caption": [f"cat {i} {j}" for j in range(n)],
        }
        pq.write_table(pa.table(table), folder / "metadata" / f"metadata_{i}.parquet")
    return folder


def test_embeddings_of_clip_retrieval_are_used_where_they_lie(inference, target):
    corpus = Corpus.build(inference, target, model_id="ViT-B-32/openai@x", shard_size=2)
    vectors = [np.load(inference / "img_emb" / f"img_emb_{i}.npy") for i in range(2)]
    np.testing.assert_array_equal(corpus.embeddings(), np.concatenate(vectors))
    assert [shard.n_rows for shard in corpus.shards] == [2, 1, 2]
    assert corpus.model_id == "ViT-B-32/openai@x"
    assert not list(target.glob("*.npy"))
    pool = CaptionRetriever(corpus).recall(["cat 1"])
    assert pool.ids.tolist() == ["key10", "key11"]
    np.testing.assert_array_equal(pool.embeddings, vectors[1])


def test_images_of_clip_retrieval_are_kept_where_they_are_files(inference, target, photos):
    path = inference / "metadata" / "metadata_0.parquet"
    image = str(photos / "red.png")
    pq.write_table(pa.table({"image_path": [image, "k", "k2"], "caption": list("abc")}), path)
    assert Corpus.build(inference, target).images([0, 1]).tolist() == [image, None]


def test_another_model_does_not_mix_with_embeddings_that_are_there(inference, target, mean_color):
    with pytest.raises(CorpusError, match=r"The source has embeddings: pass model_id="):
        Corpus.build(inference, target, embedder=mean_color)
    corpus = Corpus.build(inference, target, model_id="other@1")
    with pytest.raises(ModelMismatchError, match="other@1"):
        CaptionRetriever(corpus, embedder=mean_color).recall(["cat"])


def test_incomplete_inference_is_named(inference, target):
    (inference / "metadata" / "metadata_1.parquet").unlink()
    with pytest.raises(CorpusError, match=r"img_emb_1\.npy' has no metadata_1\.parquet"):
        Corpus.build(inference, target)
    (inference / "img_emb" / "img_emb_1.npy").unlink()
    np.save(inference / "img_emb" / "img_emb_0.npy", np.zeros((7, 4), "f2"))
    with pytest.raises(CorpusError, match=r"shape \(7, 4\) but metadata_0\.parquet has 3 rows"):
        Corpus.build(inference, target, overwrite=True)
    (inference / "img_emb" / "img_emb_0.npy").unlink()
    with pytest.raises(CorpusError, match=r"has no img_emb_\*\.npy"):
        Corpus.build(inference, target, overwrite=True)


def test_embeddings_of_different_widths_are_refused(inference, target):
    np.save(inference / "img_emb" / "img_emb_1.npy", np.zeros((2, 5), "f2"))
    with pytest.raises(CorpusError, match=r"different widths \(\[4, 5\]\)"):
        Corpus.build(inference, target)


@pytest.mark.filterwarnings("ignore::skclip.exceptions.UnreadableImageWarning")
@pytest.mark.parametrize("downloads", ["webdataset"], indirect=True)
def test_archives_without_a_table_are_named(downloads, target):
    (downloads / "00001.tar").write_bytes((downloads / "00000.tar").read_bytes())
    with pytest.warns(UnusablePairWarning, match=r"1 archives .*00001\.tar.* are left out"):
        assert len(Corpus.build(downloads, target)) == 3


@pytest.mark.parametrize("content", [b"", b"PAR1xxxx", None])
@pytest.mark.parametrize("name", ["00000.parquet", "00001.parquet", "a.parquet"])
@pytest.mark.parametrize("downloads", ["parquet"], indirect=True)
def test_a_table_that_is_damaged_or_foreign_is_named(downloads, target, content, name):
    other = downloads / "00000.parquet"
    other.rename(downloads / "00009.parquet")
    if content is None:
        pq.write_table(pa.table({"url": ["u"], "caption": ["c"]}), downloads / name)
        message = rf"{name}' is not a table of img2dataset .* has no 'key', 'status'"
    else:
        (downloads / name).write_bytes(content)
        message = rf"{name}' cannot be read as PARQUET"
    with pytest.raises(CorpusError, match=message):
        Corpus.build(downloads, target)


@pytest.mark.parametrize("key", ["../secret", "/tmp/secret", "a/b", None])
@pytest.mark.parametrize("downloads", ["files"], indirect=True)
def test_keys_of_downloads_lead_nowhere_else(downloads, target, red, key):
    (downloads / "secret.jpg").write_bytes(red)
    table = {"url": ["u"], "key": [key], "status": ["success"], "caption": ["a red"]}
    pq.write_table(pa.table(table), downloads / "00000.parquet")
    with pytest.warns(UnreadableImageWarning, match="the image is missing"):
        assert Corpus.build(downloads, target).images().tolist() == [None]


@pytest.mark.parametrize("name", ["img_emb/img_emb_0.npy", "metadata/metadata_0.parquet"])
def test_damaged_inference_is_named(inference, target, name):
    (inference / name).write_bytes(b"no such thing")
    with pytest.raises(CorpusError, match=rf"{name}' cannot be read as (NPY|PARQUET)"):
        Corpus.build(inference, target)


def test_lists_of_captions_do_not_fit_embeddings_that_are_there(inference, target):
    path = inference / "metadata" / "metadata_0.parquet"
    pq.write_table(pa.table({"image_path": list("abc"), "caption": [["x", "y"]] * 3}), path)
    with pytest.raises(CorpusError, match="lists of captions, but one embedding per row"):
        Corpus.build(inference, target)
