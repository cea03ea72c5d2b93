"""Links between the guide and the reference, both ways, from the names that the guide uses."""

import re
from collections import defaultdict
from importlib import import_module
from pathlib import Path
from typing import Any

import skclip

# a name in code style that is not the text of a link and not part of a longer code block
_CODE = re.compile(r"(?<![`\[\w])`(?:skclip\.)?((?:\w+\.)*\w+)((?:\([^`]*\))?)`(?![`\]])")
_FENCE = re.compile(r"^(```|~~~).*?^\1[ \t]*$", re.MULTILINE | re.DOTALL)
_HEADING = re.compile(r"^#.*$", re.MULTILINE)
_GUIDE = ("index", "faq", "install", "alternatives", "api", "user_guide/")


def public_names() -> dict[str, str]:
    """Return where each public class and function is described, by its name."""
    found = {}
    for package in skclip._SUBPACKAGES:
        module = import_module(f"skclip.{package}")
        for name in getattr(module, "__all__", ()):
            if callable(getattr(module, name)):
                found[name] = f"skclip.{package}.{name}"
    return found


NAMES = public_names()


def link_names(app: Any, docname: str, source: list[str]) -> None:
    """Let names of classes and functions in a page of the guide lead to the reference."""
    if docname.startswith(_GUIDE):
        source[0] = _outside_code(source[0])


def _outside_code(text: str) -> str:
    pieces, end = [], 0
    kept = sorted([*_FENCE.finditer(text), *_HEADING.finditer(text)], key=lambda m: m.start())
    for block in kept:
        if block.start() < end:
            continue
        pieces += [_CODE.sub(_link, text[end : block.start()]), block.group()]
        end = block.end()
    return "".join([*pieces, _CODE.sub(_link, text[end:])])


def _link(found: re.Match[str]) -> str:
    name, call = found.groups()
    target = NAMES.get(name.rpartition(".")[2])
    if target is None or not target.endswith(name):
        return found.group()
    # the text may hold what a role would take for its own
    return f"{{py:obj}}`{name}{call} <{target}>`" if "<" not in call else found.group()


def list_names(app: Any, docname: str, source: list[str]) -> None:
    """Write the public names of every package where the reference asks for them."""
    if docname == "api":
        packages = re.findall(r"^   (\w+)$", source[0], re.MULTILINE)
        source[0] = source[0].replace("% every public name", "\n".join(map(_table, packages)))


def _table(package: str) -> str:
    prefix = f"skclip.{package}."
    title = (import_module(f"skclip.{package}").__doc__ or package).partition("\n")[0].rstrip(".")
    names = [target for target in NAMES.values() if target.startswith(prefix)]
    if not names:
        return ""
    rows = "\n".join(f"   {name.removeprefix(prefix)}" for name in names)
    # the first sentences may name what is beside them
    directives = f".. currentmodule:: skclip.{package}\n\n.. autosummary::\n\n{rows}"
    return f"## {package}: {title}\n\n```{{eval-rst}}\n{directives}\n```\n"


def mentions(folder: Path) -> dict[str, list[str]]:
    """Return the pages of the guide that name each class or function, with their titles."""
    pages = defaultdict(list)
    for page in sorted(folder.glob("user_guide/*.md")):
        text = page.read_text(encoding="utf-8")
        title = text.partition("\n")[0].lstrip("# ")
        for name, target in NAMES.items():
            if re.search(rf"\b{name}\b", text):
                pages[target].append(f":doc:`{title} </user_guide/{page.stem}>`")
    return pages


def add_guide(app: Any, what: str, name: str, obj: Any, options: Any, lines: list[str]) -> None:
    """Put the pages of the guide below what a class or function says of itself."""
    if what in ("class", "function") and (pages := app.guide_mentions.get(name)):
        lines += ["", ".. rubric:: In the user guide", "", ", ".join(pages), ""]


def setup(app: Any) -> dict[str, Any]:
    """Connect both ways."""
    app.guide_mentions = mentions(Path(app.srcdir))
    app.connect("source-read", link_names)
    app.connect("source-read", list_names)
    app.connect("autodoc-process-docstring", add_guide, priority=900)  # after numpydoc
    return {"parallel_read_safe": True, "parallel_write_safe": True}
