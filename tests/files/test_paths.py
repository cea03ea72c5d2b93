"""Paths as people write them."""

import os
import unicodedata

import pytest

from skclip._files import find_file, is_remote

NFC, NFD = (unicodedata.normalize(form, "café.png") for form in ("NFC", "NFD"))


def test_file_addresses_are_decoded(tmp_path):
    for name in ("a b.png", "100%.png", "a#b?.png", NFC):
        path = tmp_path / name
        path.touch()
        assert find_file(path.as_uri()) == path
    assert find_file(f"FILE://localhost{(tmp_path / 'a%20b.png').as_posix()}").name == "a b.png"


def test_tilde_is_the_home_folder_unless_a_file_is_called_so(tmp_path, monkeypatch):
    (tmp_path / "home").mkdir()
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("USERPROFILE", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    assert find_file("~/a.png") == tmp_path / "home" / "a.png"
    assert find_file("~no user.png").name == "~no user.png"
    (tmp_path / "~").mkdir()
    (tmp_path / "~" / "a.png").touch()
    assert find_file("~/a.png").as_posix() == "~/a.png"


@pytest.mark.parametrize(("there", "asked"), [(NFC, NFD), (NFD, NFC)])
def test_the_other_unicode_form_is_the_same_name(tmp_path, there, asked):
    (tmp_path / there).mkdir()
    (tmp_path / there / asked).touch()
    assert find_file(tmp_path / asked / there).samefile(tmp_path / there / asked)


def test_a_name_that_is_there_is_taken_as_it_is(tmp_path):
    (tmp_path / NFC).write_text("composed")
    (tmp_path / NFD).write_text("decomposed")
    if len(os.listdir(tmp_path)) == 1:
        pytest.skip("this file system knows one form")
    assert find_file(tmp_path / NFD).read_text() == "decomposed"


def test_what_is_nowhere_stays_as_it_was_given(tmp_path):
    assert find_file(tmp_path / "nö" / NFC) == tmp_path / "nö" / NFC


def test_addresses_are_remote_and_files_are_not():
    assert is_remote("https://host/a.png")
    assert not is_remote("file:///a.png")
    assert not is_remote("C:\\a.png")
