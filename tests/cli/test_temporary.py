"""Temporary folders, those of runs that were killed among them."""

import os
import subprocess
import sys
import tempfile

import pytest

from skclip.cli._temporary import temporary_folder


@pytest.fixture(autouse=True)
def place(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def test_the_folder_is_there_for_the_block(place):
    with temporary_folder("trial") as folder:
        (folder / "file").write_text("kept for a while")
        assert folder.name.startswith("skclip-trial-")
    assert list(place.iterdir()) == []


def test_an_error_removes_it_too(place):
    with pytest.raises(ZeroDivisionError), temporary_folder("trial"):
        raise ZeroDivisionError
    assert list(place.iterdir()) == []


def test_what_a_killed_run_left_is_removed_by_the_next(place):
    code = (
        "import os, signal, sys; from skclip.cli._temporary import temporary_folder\n"
        "with temporary_folder('trial') as folder:\n"
        "    (folder / 'corpus').mkdir()\n"
        "    print(folder, flush=True)\n"
        "    os._exit(9)"
    )
    environment = {**os.environ, "TMPDIR": str(place), "TEMP": str(place), "TMP": str(place)}
    killed = subprocess.run(
        [sys.executable, "-c", code], env=environment, stdout=subprocess.PIPE, text=True
    )
    assert killed.returncode == 9
    (left,) = place.iterdir()
    assert str(left) == killed.stdout.strip()
    with temporary_folder("other"):
        assert left.exists()
    with temporary_folder("trial"):
        assert not left.exists()


def test_what_is_in_use_stays(place):
    with temporary_folder("trial") as first, temporary_folder("trial") as second:
        assert first.exists()
        assert second.exists()
        assert first != second


def test_folders_without_a_lock_stay_for_a_day(place):
    new, old = place / "skclip-trial-new", place / "skclip-trial-old"
    for folder in (new, old):
        folder.mkdir()
    os.utime(old, (0, 0))
    with temporary_folder("trial"):
        assert new.exists()
        assert not old.exists()


@pytest.mark.skipif(not hasattr(os, "symlink"), reason="the system has no links")
def test_links_are_not_followed(place, tmp_path_factory):
    precious = tmp_path_factory.mktemp("precious")
    (precious / ".in-use").touch()
    (place / "skclip-trial-link").symlink_to(precious)
    with temporary_folder("trial"):
        pass
    assert precious.exists()
