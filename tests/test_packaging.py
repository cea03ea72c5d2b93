"""What an installation contains and needs."""

import ast
import re
import runpy
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from configparser import ConfigParser
from email import message_from_string
from email.message import Message
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

import skclip

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Iterator[zipfile.ZipFile]:
    """The wheel, built from a copy without the network."""
    pytest.importorskip("setuptools", minversion="77", reason="building needs setuptools >= 77")
    copy = tmp_path_factory.mktemp("wheel") / "skclip"
    left_out = shutil.ignore_patterns("__pycache__", ".*", "*.egg-info", "build")
    shutil.copytree(ROOT, copy, ignore=left_out)
    build = "from setuptools import build_meta; build_meta.build_wheel('dist')"
    subprocess.run([sys.executable, "-c", build], cwd=copy, check=True, capture_output=True)
    (path,) = (copy / "dist").glob("*.whl")
    with zipfile.ZipFile(path) as archive:
        yield archive


@pytest.fixture(scope="module")
def metadata(wheel) -> Message:
    return message_from_string(wheel.read(_dist_info(wheel, "METADATA")).decode())


def _dist_info(wheel: zipfile.ZipFile, name: str) -> str:
    return f"skclip-{skclip.__version__}.dist-info/{name}"


@pytest.fixture(scope="module")
def config() -> ConfigParser:
    parser = ConfigParser()
    parser.read(ROOT / "setup.cfg", encoding="utf-8")
    return parser


@pytest.mark.parametrize(
    "name",
    [
        "skclip/py.typed",
        "skclip/_class_names/published.json",
        "skclip/embedding/tiny/skclip-tiny.json",
        "skclip/embedding/tiny/skclip-tiny.safetensors",
        "skclip/cli/__init__.py",
        "skclip/report/templates/pool.html",
        "skclip/report/templates/pool.js",
    ],
)
def test_wheel_contains(name, wheel):
    assert name in wheel.namelist()


def test_wheel_contains_the_package_alone(wheel):
    tops = {name.partition("/")[0] for name in wheel.namelist()}
    assert tops == {"skclip", f"skclip-{skclip.__version__}.dist-info"}


def test_wheel_is_small(wheel):
    assert sum(info.compress_size for info in wheel.infolist()) < 12_000_000


def test_licence_is_an_expression(metadata, wheel):
    assert metadata["License-Expression"] == "BSD-3-Clause"
    assert _dist_info(wheel, "licenses/LICENSE") in wheel.namelist()


def test_python_and_extras(metadata):
    assert metadata["Requires-Python"] == ">=3.11"
    extras = {"hnsw", "faiss", "plot", "pandas", "transformers", "heif", "jxl", "test", "docs"}
    assert extras <= set(metadata.get_all("Provides-Extra"))


def test_users_are_sent_to_extras_of_theirs(config):
    sources = [path.read_text(encoding="utf-8") for path in (ROOT / "skclip").rglob("*.py")]
    named = {name for text in sources for name in re.findall(r"skclip\[(\w+)\]", text)}
    named |= {name for text in sources for name in re.findall(r"extra=\"(\w+)\"", text)}
    assert {"plot", "pandas", "transformers"} <= named
    assert named <= set(config["options.extras_require"]) - {"test", "docs"}


def test_command_is_installed(wheel):
    entry_points = wheel.read(_dist_info(wheel, "entry_points.txt")).decode()
    assert "skclip = skclip.cli:main" in entry_points


def test_no_requirement_has_an_upper_bound(metadata):
    assert [line for line in metadata.get_all("Requires-Dist") if "<" in line] == []


def test_oldest_releases_are_those_of_setup_cfg():
    written = (ROOT / ".ci/constraints-oldest.txt").read_text(encoding="utf-8")
    assert runpy.run_path(str(ROOT / ".ci/oldest.py"))["pins"]() == written


def test_a_requirement_without_a_lower_bound_is_named(tmp_path):
    config = tmp_path / "setup.cfg"
    config.write_text("[options]\ninstall_requires =\n    numpy\n[options.extras_require]\n")
    with pytest.raises(ValueError, match=r"'numpy' in setup\.cfg is not of the form name>=version"):
        runpy.run_path(str(ROOT / ".ci/oldest.py"))["pins"](config)


def test_the_highest_lower_bound_is_the_oldest_release(tmp_path):
    config = tmp_path / "setup.cfg"
    config.write_text(
        "[options]\ninstall_requires =\n    b>=2.9\n    a>=1\n"
        "[options.extras_require]\nx = b>=2.10\ndocs = c>=3\n"
    )
    pins = runpy.run_path(str(ROOT / ".ci/oldest.py"))["pins"](config)
    assert pins.splitlines()[1:] == ["a==1", "b==2.10"]


def test_hooks_need_no_network():
    hooks = (ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8")
    assert set(re.findall(r"repo: (.*)", hooks)) == {"local"}
    assert set(re.findall(r"language: (.*)", hooks)) == {"system"}


def test_addresses_are_those_of_the_papers(metadata):
    addresses = {line.split(", ")[1] for line in metadata.get_all("Project-URL")}
    citation = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    assert addresses == set(re.findall(r'url: "(.*)"', citation))


def test_version_is_the_same_everywhere(metadata):
    assert metadata["Version"] == skclip.__version__
    citation = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    assert re.search(r"^version: (.*)$", citation, re.MULTILINE)[1] == skclip.__version__


def _imported_at_top(folder: str) -> set[str]:
    """Packages that some module imports as soon as it is imported itself."""
    found = set()
    for path in (ROOT / folder).rglob("*.py"):
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.Import):
                found |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                assert node.level == 0, f"{path} has a relative import"
                found.add(node.module.partition(".")[0])
    return found - set(sys.stdlib_module_names) - {"skclip", "tests", "benchmarks"}


def _not_among(packages: set[str], requirements: str) -> set[str]:
    """Return the packages that no requirement brings."""
    names = {re.split(r"[<>=\[]", line)[0] for line in requirements.split()}
    required = {name.lower().replace("_", "-") for name in names}
    brought_by = packages_distributions()
    return {
        package
        for package in packages
        if not required & {d.lower().replace("_", "-") for d in brought_by.get(package, [])}
    }


def test_what_is_imported_is_required(config):
    assert _not_among(_imported_at_top("skclip"), config["options"]["install_requires"]) == set()


def test_what_tests_import_comes_with_the_extra_test(config):
    requirements = config["options"]["install_requires"]
    requirements += config["options.extras_require"]["test"]
    assert _not_among(_imported_at_top("tests"), requirements) == set()
