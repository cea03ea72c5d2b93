"""Hashes of a corpus's files: taken when it is built, compared when one asks."""

import hashlib
import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from skclip.corpus import Corpus
from skclip.exceptions import CorpusError, CorpusFormatError


@pytest.fixture
def corpus(photos, tmp_path, mean_color):
    """Files of every kind: captions, index, embeddings, failures, and images that came as bytes."""
    images = [(photos / "red.png").read_bytes(), b"no image", str(photos / "blue.png")]
    with pytest.warns(UserWarning, match="could not be read"):
        return Corpus.build(
            (["red", "broken", "blue"], images),
            tmp_path / "corpus",
            embedder=mean_color,
            shard_size=2,
        )


def recorded(path):
    """Return the hashes of the manifest by file name."""
    manifest = json.loads((path / "manifest.json").read_text())
    return {k: v for shard in manifest["shards"] for k, v in shard["sha256"].items()}


def forget_hashes(path):
    """Make a corpus one that was written before there were hashes."""
    manifest = json.loads((path / "manifest.json").read_text())
    for shard in manifest["shards"]:
        del shard["sha256"]
    (path / "manifest.json").write_text(json.dumps(manifest))


def test_the_manifest_holds_the_sha256_of_every_file(corpus):
    files = {path for path in corpus.path.iterdir() if path.name[0].isdigit()}
    assert {path.name.partition(".")[2] for path in files} == {
        "captions.parquet",
        "index.sqlite",
        "embeddings.npy",
        "failures.parquet",
        "images.bin",
    }
    expected = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in files}
    assert recorded(corpus.path) == expected


@pytest.mark.parametrize(
    "kind", ["captions.parquet", "index.sqlite", "embeddings.npy", "failures.parquet", "images.bin"]
)
def test_one_flipped_bit_is_found_and_named(corpus, kind):
    corpus.verify()
    file = corpus.path / f"000-00000.{kind}"
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)
    with pytest.raises(CorpusFormatError, match=f"^1 file .* is damaged: '{file.name}': its cont"):
        corpus.verify()


def test_all_damaged_files_are_named(corpus):
    short, lost = corpus.path / "000-00001.index.sqlite", corpus.path / "000-00000.images.bin"
    short.write_bytes(short.read_bytes()[:-1])
    lost.unlink()
    with pytest.raises(CorpusFormatError, match=r"^2 files .* are damaged: ") as caught:
        Corpus(corpus.path).verify()
    assert f"'{short.name}': its contents have changed" in str(caught.value)
    assert f"'{lost.name}': No such file" in str(caught.value)


def test_hashes_follow_what_is_added_and_replaced(corpus, photos, mean_color):
    before = recorded(corpus.path)
    corpus = corpus.append((["green"], [str(photos / "more" / "green.png")]), embedder=mean_color)
    after = recorded(corpus.path)
    assert before.items() < after.items()
    assert set(after) == {path.name for path in corpus.path.iterdir() if path.name[0].isdigit()}
    corpus.verify()


def test_embeddings_that_come_later_are_hashed(tmp_path, photos, mean_color):
    corpus = Corpus.build(photos, tmp_path / "corpus").embed(mean_color)
    corpus.verify()
    file = next(corpus.path.glob("*.npy"))
    file.write_bytes(file.read_bytes()[:-1] + b"\x7f")
    with pytest.raises(CorpusFormatError, match=file.name):
        corpus.verify()


def test_a_retry_leaves_no_hash_of_a_replaced_file(tmp_path, photos, mean_color):
    image = (photos / "red.png").read_bytes()
    (photos / "red.png").write_bytes(b"offline")
    with pytest.warns(UserWarning, match="could not be read"):
        corpus = Corpus.build(photos, tmp_path / "corpus", embedder=mean_color)
    (photos / "red.png").write_bytes(image)
    corpus = corpus.retry_failed(mean_color)
    assert set(recorded(corpus.path)) == {
        path.name for path in corpus.path.iterdir() if path.name[0].isdigit()
    }
    corpus.verify()


def test_files_of_other_programs_have_no_hash(tmp_path):
    folder = tmp_path / "inference"
    for name in ("img_emb", "metadata"):
        (folder / name).mkdir(parents=True)
    np.save(folder / "img_emb" / "img_emb_0.npy", np.eye(2, dtype=np.float16))
    table = pa.table({"caption": ["a cat", "a dog"], "image_path": ["1", "2"]})
    pq.write_table(table, folder / "metadata" / "metadata_0.parquet")
    corpus = Corpus.build(folder, tmp_path / "corpus", model_id="m/p@1")
    assert all(name.startswith("000-00000.") for name in recorded(corpus.path))
    np.save(folder / "img_emb" / "img_emb_0.npy", np.zeros((2, 2), dtype=np.float16))
    corpus.verify()


def test_a_corpus_from_before_hashes_opens_and_says_that_it_holds_none(corpus):
    forget_hashes(corpus.path)
    old = Corpus(corpus.path)
    assert old.captions([2]).tolist() == ["blue"]
    with pytest.raises(CorpusError, match=r"no hashes for 8 of its 8 files") as caught:
        old.verify()
    assert not isinstance(caught.value, CorpusFormatError)


def test_what_is_added_to_a_corpus_from_before_hashes_does_not_vouch_for_it(corpus, mean_color):
    forget_hashes(corpus.path)
    longer = Corpus(corpus.path).append(
        (["more"], [np.zeros((8, 8, 3), np.uint8)]), embedder=mean_color
    )
    assert all(name.startswith("001-") for name in recorded(corpus.path))
    with pytest.raises(CorpusError, match=r"no hashes for 8 of its 12 files"):
        longer.verify()
