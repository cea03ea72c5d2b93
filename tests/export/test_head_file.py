import json
import struct
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, strategies as st
from safetensors.numpy import save_file

from skclip import MultiProxyImprinter, ZeroShotClassifier
from skclip.exceptions import HeadFileError
from skclip.export import load_head, save_head
from skclip.export._head_file import HeadFile, read_head_file, write_head_file
from tests.export.conftest import TEXT, blobs


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> bytes:
    path = tmp_path_factory.mktemp("head") / "head.skclip"
    return save_head(ZeroShotClassifier(TEXT).fit(), path).read_bytes()


@pytest.fixture
def content(tmp_path) -> HeadFile:
    path = save_head(ZeroShotClassifier(TEXT).fit(), tmp_path / "whole.skclip")
    return read_head_file(path)


@pytest.fixture
def proxies(tmp_path) -> HeadFile:
    head = MultiProxyImprinter(k=2, random_state=0).fit(*blobs()[:2])
    return read_head_file(save_head(head, tmp_path / "proxies.skclip"))


def rewritten(content: HeadFile, path, **facts):
    """Write other facts with a digest that fits."""
    return write_head_file(path, content._replace(facts=content.facts | facts))


@given(data=st.data())
def test_every_flipped_bit_is_found(data, whole, tmp_path_factory):
    position = data.draw(st.integers(0, len(whole) - 1))
    changed = bytearray(whole)
    changed[position] ^= 1 << data.draw(st.integers(0, 7))
    path = tmp_path_factory.mktemp("flip") / "head.skclip"
    path.write_bytes(changed)
    with pytest.raises(HeadFileError):
        load_head(path)


@given(length=st.integers(0, 1 << 16))
def test_every_early_end_is_found(length, whole, tmp_path_factory):
    path = tmp_path_factory.mktemp("end") / "head.skclip"
    path.write_bytes(whole[: length % len(whole)])
    with pytest.raises(HeadFileError):
        load_head(path)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"a text",
        b"\x80\x04\x95pickle",
        struct.pack("<Q", 1 << 62) + b"{}",
        struct.pack("<Q", 2) + b"{}",
        struct.pack("<Q", 2) + b"[]",
    ],
    ids=["empty", "text", "pickle", "huge header", "no tensors", "list"],
)
def test_what_is_no_head_is_named(content, tmp_path):
    path = tmp_path / "other.skclip"
    path.write_bytes(content)
    with pytest.raises(HeadFileError, match=r"other\.skclip' is no head of skclip"):
        load_head(path)


def test_weights_of_a_model_are_no_head(tmp_path):
    path = tmp_path / "model.safetensors"
    save_file({"weight": np.ones((2, 2))}, path, {"format": "pt"})
    with pytest.raises(HeadFileError, match="no object under 'skclip'"):
        load_head(path)


@pytest.mark.parametrize("text", ["[]", "null", "{", "1e999", "[" * 100_000])
def test_metadata_must_be_an_object(text, tmp_path):
    path = tmp_path / "head.skclip"
    save_file({"weight": np.ones((2, 2))}, path, {"skclip": text})
    with pytest.raises(HeadFileError):
        load_head(path)


def test_later_format_asks_for_a_later_skclip(tmp_path):
    path = tmp_path / "head.skclip"
    save_file({"weight": np.ones(2)}, path, {"skclip": json.dumps({"format_version": 2})})
    with pytest.raises(HeadFileError, match=r"of format 2.*install a later skclip"):
        load_head(path)


@pytest.mark.parametrize("version", [None, 0, "1", 1.5, True])
def test_version_must_be_one_that_there_is(version, tmp_path):
    path = tmp_path / "head.skclip"
    save_file({"weight": np.ones(2)}, path, {"skclip": json.dumps({"format_version": version})})
    with pytest.raises(HeadFileError, match="no format version"):
        load_head(path)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("labels", ["ant", "bee"]),
        ("labels", ["bee", "ant", "cat", "dog", "eel"]),
        ("labels", ["ant", "ant", "cat", "dog", "eel"]),
        ("labels", [1, 2, 3, 4, 5]),
        ("labels", None),
        ("label_type", "int64"),
        ("label_type", "V8"),
        ("label_type", "no such type"),
        ("n_features", 11),
        ("n_features", True),
        ("logit_scale", -1.0),
        ("logit_scale", "100"),
        ("logit_bias", [1]),
        ("class_names", ["ant"]),
        ("model", {"id": 7}),
        ("model", "ViT-B-32"),
        ("prompts", []),
        ("provenance", None),
        ("feature_names", ["a"]),
        ("settings", {}),
        ("settings", {"unit_rows": 1}),
        ("form", "pickle"),
        ("form", ["linear"]),
        ("form", "proxies"),
    ],
)
def test_impossible_facts_are_named(name, value, content, tmp_path):
    path = rewritten(content, tmp_path / "head.skclip", **{name: value})
    with pytest.raises(HeadFileError):
        load_head(path)


@pytest.mark.parametrize(
    ("name", "array"),
    [
        ("weight", np.full((5, 12), np.nan)),
        ("weight", np.full((5, 12), np.inf)),
        ("weight", np.ones((5, 12), dtype=np.int64)),
        ("weight", np.ones((4, 12))),
        ("weight", np.ones(60)),
        ("bias", np.full(5, np.inf)),
        ("bias", np.full(5, np.nan)),
        ("bias", np.ones((5, 1))),
    ],
)
def test_impossible_arrays_are_named(name, array, content, tmp_path):
    changed = content._replace(tensors=content.tensors | {name: array})
    path = write_head_file(tmp_path / "head.skclip", changed)
    with pytest.raises(HeadFileError, match=f"no usable '{name}'"):
        load_head(path)


@pytest.mark.parametrize(
    "bounds",
    [[0, 2, 4, 6, 8], [0, 2, 4, 6, 8, 99], [0, 4, 2, 6, 8, 10], [1, 2, 4, 6, 8, 10], [-1] * 6],
)
def test_impossible_bounds_are_named(bounds, proxies, tmp_path):
    tensors = proxies.tensors | {"bounds": np.array(bounds)}
    path = write_head_file(tmp_path / "head.skclip", proxies._replace(tensors=tensors))
    with pytest.raises(HeadFileError, match="no usable"):
        load_head(path)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("aggregation", "vote"),
        ("aggregation", ["max"]),
        ("temperature", 0),
        ("temperature", None),
        ("n_neighbors", 0),
        ("metric", "mahalanobis"),
        ("normalize_queries", "quantile"),
        ("normalize_queries", {}),
    ],
)
def test_impossible_settings_are_named(name, value, proxies, tmp_path):
    settings = proxies.facts["settings"] | {name: value}
    path = rewritten(proxies, tmp_path / "head.skclip", settings=settings)
    with pytest.raises(HeadFileError):
        load_head(path)


def test_missing_file_and_folder_are_told_apart(tmp_path):
    with pytest.raises(FileNotFoundError, match="does not exist"):
        load_head(tmp_path / "none.skclip")
    with pytest.raises(FileNotFoundError, match="is a folder"):
        load_head(tmp_path)


def test_places_that_cannot_be_written_are_named(tmp_path):
    head = ZeroShotClassifier(TEXT).fit()
    with pytest.raises(ValueError, match="is a folder"):
        save_head(head, tmp_path)
    with pytest.raises(FileNotFoundError, match="folder that does not exist"):
        save_head(head, tmp_path / "none" / "head.skclip")


def test_file_that_is_there_stays_if_writing_fails(whole, tmp_path, monkeypatch):
    path = tmp_path / "head.skclip"
    path.write_bytes(whole)

    def full(*_: object) -> int:
        raise OSError("no space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(OSError, match="no space"):
        save_head(ZeroShotClassifier(TEXT).fit(), path)
    assert path.read_bytes() == whole
    assert [file.name for file in tmp_path.iterdir()] == ["head.skclip"]


def test_others_may_read_a_head_as_the_system_lets_them(tmp_path):
    (tmp_path / "usual").touch()
    path = save_head(ZeroShotClassifier(TEXT).fit(), tmp_path / "head.skclip")
    assert path.stat().st_mode == (tmp_path / "usual").stat().st_mode
