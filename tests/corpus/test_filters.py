"""Some rows of a table only, as pyarrow's filters say."""

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from hypothesis import given, strategies as st

from skclip.corpus import Corpus
from skclip.corpus._readers import Filters
from skclip.exceptions import CorpusError, UnreadableImageWarning

# columns as LAION publishes them
LAION = {
    "SAMPLE_ID": [11, 12, 13, 14],
    "URL": [f"https://example.org/{i}.jpg" for i in range(4)],
    "TEXT": ["a cat", "a dog", "a fox", None],
    "WIDTH": [640, 64, 800, 800],
    "NSFW": ["UNLIKELY", "UNLIKELY", "NSFW", None],
    "similarity": [0.31, 0.35, 0.4, 0.2],
}
# and as DataComp does
DATACOMP = {
    "uid": ["a", "b"],
    "url": ["https://example.org/a.jpg", "https://example.org/b.jpg"],
    "text": ["a cat", "a dog"],
    "original_width": [640, 64],
    "clip_l14_similarity_score": [0.3, 0.2],
    "sha256": ["00", "ff"],
}


@pytest.fixture
def target(tmp_path):
    return tmp_path / "corpus"


@pytest.fixture
def laion(tmp_path):
    pq.write_table(pa.table(LAION), tmp_path / "laion.parquet")
    return tmp_path / "laion.parquet"


@pytest.mark.parametrize(
    ("filters", "rows"),
    [
        ([("similarity", ">", 0.3)], [0, 1, 2]),
        ([("similarity", ">", 0.3), ("NSFW", "=", "UNLIKELY")], [0, 1]),
        ([["NSFW", "!=", "UNLIKELY"]], [2]),
        ([[("WIDTH", "<", 100)], [("similarity", ">=", 0.4)]], [1, 2]),
        ([("NSFW", "in", ["UNLIKELY", "UNSURE"])], [0, 1]),
        ((pc.field("WIDTH") * 2 > 1000) & (pc.field("similarity") < 0.4), [0, 3]),
    ],
)
def test_rows_that_fulfil_the_filters_are_read(laion, target, filters, rows):
    corpus = Corpus.build(laion, target, filters=filters)
    assert corpus.ids().tolist() == [str(LAION["SAMPLE_ID"][row]) for row in rows]
    assert corpus.captions().tolist() == [LAION["TEXT"][row] or "" for row in rows]
    assert corpus.images().tolist() == [LAION["URL"][row] for row in rows]


def test_columns_of_datacomp(tmp_path, target):
    pq.write_table(pa.table(DATACOMP), tmp_path / "datacomp.parquet")
    filters = [("clip_l14_similarity_score", ">", 0.25)]
    corpus = Corpus.build(tmp_path / "datacomp.parquet", target, filters=filters)
    assert (corpus.ids().tolist(), corpus.captions().tolist()) == (["a"], ["a cat"])
    assert corpus.images().tolist() == DATACOMP["url"][:1]


@pytest.mark.parametrize("suffix", ["csv", "tsv"])
def test_columns_of_a_text_table_have_the_types_of_their_values(tmp_path, target, suffix):
    path = tmp_path / f"captions.{suffix}"
    rows = ["caption,similarity,split", "7,0.5,train", "a cat,,train", "8,0.1,test"]
    path.write_text("\n".join(rows).replace(",", "\t" if suffix == "tsv" else ","))
    corpus = Corpus.build(path, target, filters=[("similarity", ">", 0.05)])
    assert corpus.captions().tolist() == ["7", "8"]
    filters = [("split", "=", "train"), ("caption", "!=", "7")]
    assert Corpus.build(path, target, filters=filters, overwrite=True).captions().tolist() == [
        "a cat"
    ]


def test_rows_are_appended_by_a_filter(laion, target):
    corpus = Corpus.build(["a wolf"], target)
    longer = corpus.append(laion, filters=[("WIDTH", "=", 640)])
    assert longer.captions().tolist() == ["a wolf", "a cat"]


def test_downloads_of_img2dataset_are_filtered(tmp_path, target):
    folder = tmp_path / "downloads"
    folder.mkdir()
    table = {
        "key": ["0", "1"],
        "url": ["u0", "u1"],
        "caption": ["a cat", "a dog"],
        "status": ["failed_to_download"] * 2,
        "error_message": ["404"] * 2,
        "punsafe": [0.1, 0.9],
    }
    pq.write_table(pa.table(table), folder / "00000.parquet")
    with pytest.warns(UnreadableImageWarning, match="1 of 1 images"):
        corpus = Corpus.build(folder, target, filters=[("punsafe", "<", 0.5)])
    assert corpus.captions().tolist() == ["a cat"]


@pytest.mark.parametrize(
    "filters",
    [
        "similarity > 0.3",
        [],
        [("similarity", ">")],
        ["similarity > 0.3"],
        [(1, "=", 2)],
        [[("WIDTH", "=", 1)], "x"],
        {"similarity": 0.3},
    ],
)
def test_other_forms_are_refused(laion, target, filters):
    with pytest.raises(TypeError, match=r"filters must be as pyarrow\.parquet\.read_table takes"):
        Corpus.build(laion, target, filters=filters)


@pytest.mark.parametrize(
    ("filters", "error", "message"),
    [
        ([("WIDTH", "~", 1)], ValueError, "filters has the operators '~'; expected =, =="),
        (
            [("width", "=", 1)],
            CorpusError,
            "no column 'width' for filters; its columns are 'SAMPLE",
        ),
        ([("WIDTH", ">", "x")], CorpusError, r"cannot be applied to '.*WIDTH \(int64\)"),
        (pc.field("width") > 1, CorpusError, r"cannot be applied to '.*WIDTH \(int64\)"),
        ([("WIDTH", "in", 5)], ValueError, "pyarrow refuses"),
        ([("NSFW", "in", "NSFW")], ValueError, r"write \('NSFW', 'in', \['NSFW'\]\)"),
        ([[("NSFW", "not in", "NSFW")]], ValueError, r"one text by 'not in', which needs several"),
        ([("WIDTH", "=", 5)], CorpusError, "has no captions.*filters= is given, it may leave none"),
    ],
)
def test_wrong_filters_say_what_is_there(laion, target, filters, error, message):
    with pytest.raises(error, match=message):
        Corpus.build(laion, target, filters=filters)


@pytest.mark.parametrize(
    "source",
    [["a cat"], (["a cat"], ["1.jpg"]), pd.DataFrame({"caption": ["a cat"]})],
    ids=["captions", "pair", "frame"],
)
def test_sources_without_a_file_are_not_filtered(target, source):
    with pytest.raises(CorpusError, match="filters= is for files of tables"):
        Corpus.build(source, target, filters=[("x", "=", 1)])


def test_embeddings_are_of_all_rows(laion, target):
    with pytest.raises(CorpusError, match="leaves rows out, not both"):
        Corpus.build(laion, target, filters=[("WIDTH", "=", 1)], embeddings=[[1.0]] * 4)


@given(
    st.lists(st.tuples(st.integers(-3, 3) | st.none(), st.sampled_from("ab")), min_size=1),
    st.sampled_from(["=", "!=", "<", "<=", ">", ">="]),
    st.integers(-3, 3),
)
def test_filters_of_batches_equal_those_of_pyarrow(rows, operator, value):
    numbers, letters = zip(*rows, strict=True)
    table = pa.table({"n": pa.array(numbers, pa.int64()), "c": letters})
    filters = [("n", operator, value), ("c", "=", "a")]
    buffer = pa.BufferOutputStream()
    pq.write_table(table, buffer)
    expected = pq.read_table(pa.BufferReader(buffer.getvalue()), filters=filters).to_pylist()
    (batch,) = table.combine_chunks().to_batches()
    assert Filters.of(filters).apply(batch, where="it").to_pylist() == expected
