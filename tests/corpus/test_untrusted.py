"""A corpus from elsewhere: nothing in it is believed, nothing outside it is touched."""

import json
import pickle
import sys
from contextlib import suppress
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from skclip.corpus import Corpus
from skclip.corpus._images import ImageSlice
from skclip.exceptions import CorpusError, CorpusFormatError

pytestmark = pytest.mark.filterwarnings("ignore::skclip.exceptions.UnreadableImageWarning")


@pytest.fixture
def corpus(tmp_path):
    """Two shards; `elsewhere`, beside it, is nobody's business."""
    (tmp_path / "elsewhere").mkdir()
    pairs = (["a dog", "a cat", "a fox"], ["dog.png", b"cat", None])
    return Corpus.build(pairs, tmp_path / "corpus", embedder=Lengths(), shard_size=2)


class Lengths:
    model_id, batch_size = "length/none@1", 2

    def transform(self, images):
        contents = [i.read() if hasattr(i, "read") else i for i in images]
        return np.array([[len(content), 1] for content in contents], np.float32)


def change(path, alter):
    content = json.loads((path / "manifest.json").read_text())
    alter(content, content["shards"][0])
    (path / "manifest.json").write_text(json.dumps(content))


def ask(path):
    """Open a corpus and read all of it."""
    found = Corpus(path)
    return (
        found.captions().tolist(),
        found.ids().tolist(),
        found.embeddings().tolist(),
        found.failures().to_pylist(),
        [found.search(word).tolist() for word in ("a", "dog", "cat", "fox")],
    )


ESCAPES = ["../elsewhere/evil", "/tmp/evil", "001-/../../elsewhere/evil", "..\\evil", "", "~", "."]
BAD_VALUES = [
    *[("name", name) for name in (*ESCAPES, "000-00000\n", "\u0660\u0660\u0660-00000", None, 5)],
    *[("failures", f"{name}.failures.parquet") for name in ESCAPES],
    *[("failures", value) for value in ("/etc/passwd", "000-00001.failures.parquet", 5, [])],
    *[("embeddings", f"{name}.npy") for name in ("../elsewhere/evil", "evil", "000-00001")],
    *[("embeddings", value) for value in (5, True, "000-00000.captions.parquet")],
    *[("n_rows", value) for value in ("x", -1, 0, 1, 3, 10**18, None, True, 2.0, [2])],
    *[("first_embedding", value) for value in (1, -1, None, "0")],
    *[("indexed", value) for value in (1, None, "true")],
    *[("image_root", value) for value in (5, ["/"])],
    *[("sha256", value) for value in (None, [], {"../x": "0" * 64}, {"000-00000.index.sqlite": 1})],
    ("surplus", 1),
]


@pytest.mark.parametrize(("key", "value"), BAD_VALUES, ids=str)
def test_a_shard_with_a_wrong_value_is_refused(corpus, key, value):
    change(corpus.path, lambda _, shard: shard.update({key: value}))
    with pytest.raises(CorpusFormatError, match=r"cannot be read|is missing"):
        Corpus(corpus.path)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        *[("shards", value) for value in ([], None, {}, 5, [1], ["x"], [{}])],
        *[("generation", value) for value in (-1, None, "1", True, 10**30, 0.5)],
        *[("n_features", value) for value in (0, 3, "2", -2, 10**18, None)],
        ("model_id", 5),
    ],
    ids=str,
)
def test_a_manifest_with_a_wrong_value_is_refused(corpus, key, value):
    change(corpus.path, lambda content, _: content.update({key: value}))
    with pytest.raises(CorpusFormatError):
        Corpus(corpus.path)


def test_shards_are_named_once(corpus):
    change(corpus.path, lambda content, shard: content["shards"].append(shard))
    with pytest.raises(CorpusFormatError, match="has duplicate shards: '000-00000'"):
        Corpus(corpus.path)


def test_a_generation_below_that_of_its_files_is_refused(corpus):
    longer = corpus.append(["a wolf"], embedder=Lengths())
    change(longer.path, lambda content, _: content.update(generation=0))
    with pytest.raises(CorpusFormatError, match="'001-00000' is newer than generation 0"):
        Corpus(corpus.path)


@pytest.mark.parametrize("text", ["", "[]", "5", "null", "[" * 100_000, '{"format": 1}', "\udcff"])
def test_a_manifest_that_is_none_is_refused(corpus, text):
    content = text.encode("utf-8", "surrogateescape")
    (corpus.path / "manifest.json").write_bytes(content)
    with pytest.raises(CorpusFormatError, match="build the corpus again with overwrite=True"):
        Corpus(corpus.path)


@pytest.mark.skipif(sys.platform == "win32", reason="links need rights there")
@pytest.mark.parametrize(
    "name",
    [
        ".lock",
        "manifest.json.tmp",
        "001-00000.captions.tmp",
        "001-00000.images.tmp",
        "001-00000.embeddings.partial",
    ],
)
def test_links_are_not_followed_when_writing(corpus, tmp_path, name):
    outside = tmp_path / "elsewhere" / "file"
    outside.write_text("mine")
    (corpus.path / name).unlink(missing_ok=True)
    (corpus.path / name).symlink_to(outside)
    with pytest.raises(CorpusError, match="is a symbolic link"):
        corpus.append((["a wolf"], ["wolf.png"]), embedder=Lengths())
    assert outside.read_text() == "mine"
    assert len(Corpus(corpus.path)) == 3


@pytest.mark.skipif(sys.platform == "win32", reason="links need rights there")
@pytest.mark.parametrize("name", ["unfinished.json", "manifest.json"])
def test_links_are_replaced_and_not_written_through(corpus, tmp_path, name):
    outside = tmp_path / "elsewhere" / "file"
    outside.write_bytes((corpus.path / "manifest.json").read_bytes())
    before = outside.read_bytes()
    (corpus.path / name).unlink(missing_ok=True)
    (corpus.path / name).symlink_to(outside)
    assert len(Corpus(corpus.path).append(["a wolf"], embedder=Lengths())) == 4
    assert outside.read_bytes() == before


@pytest.mark.parametrize("kind", ["captions.parquet", "embeddings.npy", "failures.parquet"])
def test_what_is_no_file_is_missing(corpus, kind):
    path = next(corpus.path.glob(f"*.{kind}"))
    path.unlink()
    path.mkdir()
    with pytest.raises(CorpusFormatError, match="is missing 1 of its files"):
        Corpus(corpus.path)


class Evil:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


def test_code_in_an_array_does_not_run(corpus, tmp_path):
    canary = tmp_path / "canary"
    array = np.array([[Evil(canary), 1], [2, 3]], dtype=object)
    np.save(corpus.path / "000-00000.embeddings.npy", array, allow_pickle=True)
    with pytest.raises(CorpusFormatError, match=r"not an array of numbers") as caught:
        Corpus(corpus.path)
    assert "pickle" not in f"{caught.value}{caught.value.__cause__}"
    (corpus.path / "000-00000.embeddings.npy").write_bytes(pickle.dumps(Evil(canary)))
    with pytest.raises(CorpusFormatError):
        Corpus(corpus.path)
    assert not canary.exists()


@pytest.mark.parametrize(
    "array",
    [
        np.zeros((2, 1), "<f2"),
        np.zeros((3, 2), "<f2"),
        np.zeros((2, 2), "<f4"),
        np.zeros((2, 2), ">f2"),
        np.zeros((2, 2), "<i2"),
        np.asfortranarray(np.zeros((2, 2), "<f2")),
        np.zeros(4, "<f2"),
    ],
    ids=lambda a: f"{a.dtype} {a.shape}",
)
def test_another_array_is_refused(corpus, array):
    np.save(corpus.path / "000-00000.embeddings.npy", array)
    with pytest.raises(CorpusFormatError, match="embeddings"):
        Corpus(corpus.path)


def rewrite_captions(corpus, alter):
    path = corpus.path / "000-00000.captions.parquet"
    table = alter(pq.read_table(path))
    pq.write_table(table, path)


def test_other_columns_are_refused(corpus):
    rewrite_captions(corpus, lambda t: t.drop_columns(["problem"]))
    with pytest.raises(CorpusFormatError, match="it has other columns than id, caption"):
        Corpus(corpus.path)


def test_a_missing_caption_is_refused(corpus):
    rewrite_captions(corpus, lambda t: t.set_column(1, "caption", pa.array(["a", None])))
    found = Corpus(corpus.path)
    for read in (found.captions, lambda: next(iter(found.shards[0].iter_captions()))):
        with pytest.raises(CorpusFormatError, match="1 of its strings are missing"):
            read()


@pytest.mark.parametrize("rows", [[5], [-1], [1, 1], [1, 0]])
def test_failures_of_rows_that_are_not_there_are_refused(corpus, rows):
    path = next(corpus.path.glob("*.failures.parquet"))
    names = ["x"] * len(rows)
    pq.write_table(pa.table({"row": rows, "id": names, "reason": names}), path)
    with pytest.raises(CorpusFormatError, match="rows are not ascending numbers below"):
        Corpus(corpus.path).failures()


def test_a_bit_that_flips_in_an_index_gives_no_other_rows(corpus):
    path = corpus.path / "000-00000.index.sqlite"
    content, expected = path.read_bytes(), corpus.search("dog").tolist()
    rng = np.random.default_rng(0)
    for at in rng.choice(np.flatnonzero(np.frombuffer(content, np.uint8)), 20):
        flipped = bytearray(content)
        flipped[at] ^= 1 << rng.integers(8)
        path.write_bytes(flipped)
        with pytest.raises(CorpusFormatError, match="its contents have changed"):
            Corpus(corpus.path).search("dog")
    path.write_bytes(content)
    assert Corpus(corpus.path).search("dog").tolist() == expected


def test_a_bit_that_flips_in_captions_is_noticed_when_they_are_read(tmp_path):
    captions = [f"caption number {i}" for i in range(200)]
    path = Corpus.build(captions, tmp_path / "corpus", index=False).path
    file = next(path.glob("*.parquet"))
    content, n_errors = file.read_bytes(), 0
    for at in range(4, len(content), len(content) // 30):
        file.write_bytes(content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :])
        try:
            assert Corpus(path).captions().tolist() == captions, at
        except CorpusFormatError:
            n_errors += 1
    assert n_errors > 10  # the others are in columns that were not read


@pytest.mark.parametrize("name", ["manifest.json", "embeddings.npy", "failures.parquet"])
def test_flipped_bits_give_a_named_error_or_the_right_answer(corpus, name):
    expected, rng = ask(corpus.path), np.random.default_rng(1)
    path = next(p for p in corpus.path.iterdir() if p.name.endswith(name))
    content = path.read_bytes()
    for bit in rng.integers(8 * min(len(content), 128 if "npy" in name else 10**6), size=40):
        flipped = bytearray(content)
        flipped[bit // 8] ^= 1 << bit % 8
        path.write_bytes(flipped)
        with suppress(CorpusFormatError):
            assert ask(corpus.path) == expected, bit


@pytest.mark.parametrize(("offset", "size"), [(-1, 2), (0, 10**15), (5, 1), (0, -1)])
def test_a_run_of_bytes_that_is_not_there_is_an_error(tmp_path, offset, size):
    path = tmp_path / "file"
    path.write_bytes(b"1234")
    assert ImageSlice(str(path), 1, 2).read() == b"23"
    with pytest.raises(OSError, match="has 4 bytes"):
        ImageSlice(str(path), offset, size).read()


@pytest.mark.parametrize(
    "note", ["[]", "5", '{"generation": -1}', '{"generation": "../../x"}', '{"generation": 1e99}']
)
def test_a_wrong_note_of_unfinished_work_is_as_none(corpus, note):
    (corpus.path / "unfinished.json").write_text(note)
    assert len(Corpus(corpus.path).append(["a wolf"], embedder=Lengths())) == 4
    assert not (corpus.path / "unfinished.json").exists()
