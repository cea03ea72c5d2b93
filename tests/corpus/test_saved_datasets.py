"""Data sets that Hugging Face's library has saved to disk."""

import json

import pyarrow as pa
import pytest

from skclip.corpus import Corpus
from skclip.exceptions import CorpusError


def save(folder, *tables, **state):
    """Write what ``Dataset.save_to_disk`` writes."""
    folder.mkdir(parents=True)
    names = [f"data-{i:05d}-of-{len(tables):05d}.arrow" for i in range(len(tables))]
    for name, table in zip(names, tables, strict=True):
        with pa.ipc.new_stream(folder / name, table.schema) as stream:
            stream.write_table(table)
    files = [{"filename": name} for name in names]
    (folder / "state.json").write_text(json.dumps({"_data_files": files, **state}))
    (folder / "dataset_info.json").write_text("{}")
    return folder


def table(photos, *names):
    images = [{"bytes": (photos / name).read_bytes(), "path": name} for name in names]
    captions = [[f"a {name}", "a square"] for name in names]
    return pa.table({"image": images, "caption": captions, "split": ["train"] * len(names)})


def test_all_files_are_read_in_order(tmp_path, photos):
    tables = table(photos, "red.png"), table(photos, "more/green.png", "blue.png")
    corpus = Corpus.build(save(tmp_path / "saved", *tables), tmp_path / "corpus")
    assert corpus.captions().tolist()[::2] == ["a red.png", "a more/green.png", "a blue.png"]
    assert corpus.images([2]).tolist() == [(photos / "more/green.png").read_bytes()]


def test_rows_are_filtered(tmp_path, photos):
    saved = save(tmp_path / "saved", table(photos, "red.png", "blue.png"))
    with pytest.raises(CorpusError, match="filters= is given, it may leave none"):
        Corpus.build(saved, tmp_path / "corpus", filters=[("split", "=", "test")])


def test_a_data_set_of_several_splits_names_them(tmp_path, photos):
    save(tmp_path / "saved" / "train", table(photos, "red.png"))
    (tmp_path / "saved" / "dataset_dict.json").write_text('{"splits": ["train", "test"]}')
    with pytest.raises(CorpusError, match=r"several splits \(\['train', 'test'\]\): give the fol"):
        Corpus.build(tmp_path / "saved", tmp_path / "corpus")
    assert len(Corpus.build(tmp_path / "saved" / "train", tmp_path / "corpus")) == 2


@pytest.mark.parametrize(
    ("state", "message"),
    [
        ({"_data_files": [{"filename": "../elsewhere.arrow"}]}, "must name files in its folder"),
        ({"_data_files": [{"filename": "lost.arrow"}]}, "cannot be read"),
        ({"_data_files": []}, "must name files in its folder"),
        ({"_data_files": None}, "names no data files"),
        ({"_indices_data_files": [{"filename": "x"}]}, r"flatten_indices\(\)"),
    ],
)
def test_other_states_are_refused(tmp_path, photos, state, message):
    saved = save(tmp_path / "saved", table(photos, "red.png"), **state)
    with pytest.raises(CorpusError, match=message):
        Corpus.build(saved, tmp_path / "corpus")


@pytest.mark.parametrize("content", [b"", b"no arrow", b"\xff" * 100])
def test_damaged_files_are_named(tmp_path, photos, content):
    saved = save(tmp_path / "saved", table(photos, "red.png"))
    next(saved.glob("*.arrow")).write_bytes(content)
    with pytest.raises(CorpusError, match=r"saved' cannot be read as a data set"):
        Corpus.build(saved, tmp_path / "corpus")


def test_a_data_set_of_the_library_itself(tmp_path, photos):
    datasets = pytest.importorskip("datasets", reason="datasets is not installed")
    rows = {"caption": ["a cat", "a dog"], "image": [str(photos / "red.png")] * 2}
    datasets.Dataset.from_dict(rows).save_to_disk(tmp_path / "saved")
    corpus = Corpus.build(tmp_path / "saved", tmp_path / "corpus")
    assert corpus.captions().tolist() == ["a cat", "a dog"]
    assert corpus.images().tolist() == rows["image"]
