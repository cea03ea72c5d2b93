"""Pages of the documentation: their links, and what the reference lists."""

import re
from pathlib import Path

import pytest

import skclip

ROOT = Path(__file__).resolve().parents[1]
PAGES = sorted((ROOT / "docs").glob("**/[!_]*.md"))
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
