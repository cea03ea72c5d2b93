import re

import sklearn

import skclip
from skclip.utils import installed_versions, show_versions


def test_versions_of_what_is_installed():
    versions = installed_versions()
    assert versions["scikit-learn"] == sklearn.__version__
    assert re.fullmatch(r"\d+\.\d+\.\d+", versions["sqlite"])


def test_missing_package_is_a_dash(monkeypatch):
    monkeypatch.setattr("skclip.utils._show_versions._PACKAGES", ("no-such-package",))
    assert installed_versions()["no-such-package"] == "-"


def test_one_line_a_package(capsys):
    show_versions()
    lines = capsys.readouterr().out.splitlines()
    assert f"skclip: {skclip.__version__}" in lines
    assert len(lines) == len(installed_versions())
