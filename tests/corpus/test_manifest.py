"""The manifest, and files that are replaced in one step."""

import json

import pytest

from skclip.corpus._manifest import (
    MANIFEST,
    UNFINISHED,
    Manifest,
    ShardEntry,
    next_generation,
    read_manifest,
    replacing,
    write_manifest,
)


def test_what_is_written_is_read(tmp_path):
    manifest = Manifest(
        (ShardEntry("000-00000", 3, image_root="/images"),), "m/p@1", n_features=4, generation=7
    )
    (tmp_path / "000-00000.captions.parquet").touch()
    write_manifest(tmp_path, manifest)
    assert read_manifest(tmp_path) == manifest


def test_a_file_is_replaced_whole(tmp_path):
    path = tmp_path / "file"
    path.write_text("old")
    with replacing(path) as temporary:
        temporary.write_text("new")
        assert path.read_text() == "old"
    assert path.read_text() == "new"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_a_file_is_kept_when_writing_fails(tmp_path, error):
    path = tmp_path / "file"
    path.write_text("old")

    def fail():
        with replacing(path) as temporary:
            temporary.write_text("half")
            raise error

    with pytest.raises(error):
        fail()
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_left_overs_of_a_crash_are_written_over(tmp_path):
    (tmp_path / "file.tmp").write_text("left over by a process that was killed")
    with replacing(tmp_path / "file") as temporary:
        assert not temporary.exists()
        temporary.write_text("new")
    assert (tmp_path / "file").read_text() == "new"


def test_new_files_never_take_names_that_are_in_use(tmp_path):
    assert next_generation(tmp_path) == 0
    (tmp_path / "004-00000.captions.parquet").touch()
    assert next_generation(tmp_path) == 5
    (tmp_path / UNFINISHED).write_text(json.dumps({"generation": 5}))
    assert next_generation(tmp_path) == 5
    (tmp_path / MANIFEST).write_text(json.dumps({"version": 99, "generation": 8}))
    assert next_generation(tmp_path) == 9
    (tmp_path / MANIFEST).write_text("damaged")
    assert next_generation(tmp_path) == 5
