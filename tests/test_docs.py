"""Pages of the documentation: their links, and what the reference lists."""

import re
import runpy
import zlib
from pathlib import Path
from pydoc import locate

import pytest

import skclip

ROOT = Path(__file__).resolve().parents[1]
PAGES = [ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("**/[!_]*.md"))]
TREE = re.compile(r"^```\{toctree\}\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def title(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("page", PAGES, ids=title)
def test_links_lead_somewhere(page):
    targets = re.findall(r"\]\((?!https?:)([^)#]+)[^)]*\)", page.read_text(encoding="utf-8"))
    assert [target for target in targets if not (page.parent / target).exists()] == []


def test_reference_lists_every_subpackage():
    reference = (ROOT / "docs/api.md").read_text(encoding="utf-8")
    listed = re.findall(r"^   (\w+)$", reference, re.MULTILINE)
    assert sorted(listed) == sorted(skclip._SUBPACKAGES)


def test_every_page_of_the_guide_is_in_its_contents():
    index = ROOT / "docs/user_guide/index.md"
    (tree,) = TREE.findall(index.read_text(encoding="utf-8"))
    written = {page.stem for page in index.parent.glob("*.md")} - {"index"}
    assert written == set(re.findall(r"^\w+$", tree, re.MULTILINE))


def test_names_of_other_projects_exist():
    """What our pages link to; scikit-learn's glossary and guide aside."""
    names = runpy.run_path(str(ROOT / "docs/inventories.py"))
    objects = [
        target
        for project in names["PROJECTS"].values()
        for targets in project.objects.values()
        for target in targets
    ]
    assert [target for target in objects if locate(target) is None] == []


def test_inventories_can_be_read(tmp_path):
    names = runpy.run_path(str(ROOT / "docs/inventories.py"))
    url, path = names["write_inventories"](tmp_path / "new")["joblib"]
    assert url == "https://joblib.readthedocs.io/en/stable/"
    *header, body = Path(path).read_bytes().split(b"\n", 4)
    assert header[:2] == [b"# Sphinx inventory version 2", b"# Project: joblib"]
    assert zlib.decompress(body) == (
        b"joblib.parallel_config py:function 1 "
        b"generated/joblib.parallel_config.html#joblib.parallel_config -\n"
    )
