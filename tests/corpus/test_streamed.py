"""Sources that are read where they lie."""

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from skclip.corpus import _streamed
from skclip.corpus._streamed import StreamedStore, open_collection
from skclip.exceptions import CorpusError, CorpusNotFoundError
from skclip.recall import CaptionRetriever

pytest.importorskip("ahocorasick", reason="scanning needs pyahocorasick")


@pytest.fixture
def table(tmp_path):
    path = tmp_path / "captions.parquet"
    captions = [f"{'a red cat' if i % 1000 == 7 else 'nothing'} {i}" for i in range(10_000)]
    images = [f"/{i}.png" for i in range(10_000)]
    pq.write_table(pa.table({"caption": captions, "image": images, "id": range(10_000)}), path)
    return path


def test_a_table_is_scanned_without_a_corpus(table):
    retriever = CaptionRetriever(table, method="scan", k=3)
    pool = retriever.recall(["red cat", "9999"])
    assert pool.ids.tolist() == ["7", "1007", "2007", "9999"]
    assert pool.captions.tolist()[0] == "a red cat 7"
    assert retriever.transform(["red cat"]).shape == (1, 10_000)


def test_rows_come_in_the_order_asked_for(table):
    store = StreamedStore(table)
    assert store.ids([9_000, 3, 9_000]).tolist() == ["9000", "3", "9000"]
    assert store.captions([]).tolist() == []
    assert len(store) == 10_000


def test_a_folder_is_scanned_without_a_corpus(photos, mean_color):
    pool = CaptionRetriever(photos, method="scan", embedder=mean_color).recall(["green"])
    assert pool.embeddings.tolist() == [[0, 1, 0, 0.25]]


def test_image_bytes_of_a_table_are_kept(tmp_path, photos):
    data = (photos / "red.png").read_bytes()
    path = tmp_path / "data.parquet"
    pq.write_table(pa.table({"text": ["red"], "image": [{"bytes": data, "path": None}]}), path)
    assert CaptionRetriever(path, method="scan").recall(["red"]).images.tolist() == [data]


def test_a_text_file_is_scanned(tmp_path):
    (tmp_path / "captions.txt").write_text("a cat\na dog\n")
    assert CaptionRetriever(tmp_path / "captions.txt", method="scan").recall(["dog"]).ids == ["1"]


def test_only_a_corpus_can_be_searched_by_index(table):
    with pytest.raises(CorpusNotFoundError, match=r"captions\.parquet' is a file"):
        CaptionRetriever(table).recall(["cat"])


def test_a_missing_source_is_named(tmp_path):
    with pytest.raises(CorpusError, match="nowhere' does not exist"):
        CaptionRetriever(tmp_path / "nowhere", method="scan").recall(["cat"])


def test_there_are_no_embeddings(table):
    store = open_collection(table, scan=True)
    assert not store.has_embeddings
    assert store.model_id is None
    with pytest.raises(CorpusError, match="has no stored embeddings"):
        store.embeddings([0])


@pytest.fixture
def passes(monkeypatch):
    """How often a source was opened."""
    opened, open_source = [], _streamed.open_source
    monkeypatch.setattr(
        _streamed, "open_source", lambda *args: (opened.append(args[0]), open_source(*args))[1]
    )
    return opened


@pytest.mark.parametrize("options", [{"k": 3}, {"k": None}, {"select": "random"}])
def test_a_recall_reads_its_source_once(table, passes, options):
    pool = CaptionRetriever(table, method="scan", **options).recall(["red cat", "9999", "3"])
    assert set(pool.ids) <= {"9999", "3", *(str(1000 * i + 7) for i in range(10))}
    assert pool.images.tolist() == [None] * len(pool)
    assert len(passes) == 1


def test_a_recall_with_images_reads_its_source_once(photos, mean_color, passes):
    retriever = CaptionRetriever(photos, method="scan", embedder=mean_color)
    assert retriever.recall(["green", "white"]).embeddings[:, 1].tolist() == [1, 1]
    assert len(passes) == 1


def test_rows_beyond_those_kept_are_read_again(table, passes, monkeypatch):
    expected = CaptionRetriever(table, method="scan", k=None).recall(["red cat"])
    monkeypatch.setattr(_streamed, "MAX_KEPT", 5)
    del passes[:]
    pool = CaptionRetriever(table, method="scan", k=None).recall(["red cat"])
    assert pool.ids.tolist() == expected.ids.tolist()
    assert len(pool) == 10
    assert len(passes) > 1
