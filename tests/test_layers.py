"""The house follows the data: who imports whom, held to docs/design.md."""

import ast
import re
from functools import cache
from graphlib import TopologicalSorter
from itertools import takewhile
from pathlib import Path

import pytest

import skclip

ROOT = Path(skclip.__file__).parent
FILES = sorted(ROOT.rglob("*.py"))
DESIGN = ROOT.parent / "docs/design.md"

# In the way of the data: each imports from those before it only.
LAYERS = [
    "embedding",
    "prompts",
    "captions",
    "neighbors",
    "corpus",
    "recall",
    "metrics",
    "heads",
    "transduction",
    "selection",
    "distill",
    "datasets",
    "evaluation",
    "display",
    "export",
    "report",
    "utils",
    "distributed",
    "cli",
]


def module_name(file: Path) -> tuple[str, ...]:
    parts = ("skclip", *file.relative_to(ROOT).with_suffix("").parts)
    return parts[:-1] if parts[-1] == "__init__" else parts


def is_module(parts: tuple[str, ...]) -> bool:
    path = ROOT.joinpath(*parts[1:])
    return path.is_dir() or path.with_suffix(".py").exists()


def package_of(file: Path) -> tuple[str, ...]:
    return ("skclip", *file.relative_to(ROOT).parts[:-1])


@cache  # most tests ask for every file
def imported(file: Path, *, when_used: bool = True) -> list[tuple[str, ...]]:
    """Return the modules of skclip that a file imports, also those within functions."""
    tree = ast.parse(file.read_text(encoding="utf-8"))
    found = []
    for node in ast.walk(tree) if when_used else run_at_import(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("skclip"):
            module = tuple(node.module.split("."))
            for alias in node.names:
                inner = (*module, alias.name)
                found.append(inner if is_module(inner) else module)
    return found


def run_at_import(tree: ast.Module) -> list[ast.stmt]:
    """Return the statements of a module that run when it is imported."""
    return [node for node in tree.body if isinstance(node, ast.ImportFrom)]


def relative(file: Path) -> str:
    return file.relative_to(ROOT).as_posix()


def is_private_elsewhere(module: tuple[str, ...], package: tuple[str, ...]) -> bool:
    """Tell whether a module, or a package around it, is private in a package not around ours."""
    return any(
        name.startswith("_") and package[:i] != module[:i]
        for i, name in enumerate(module)
        if name != "__main__"
    )


@pytest.mark.parametrize("file", FILES, ids=relative)
def test_no_private_module_of_another_package_is_imported(file):
    wrong = [m for m in imported(file) if is_private_elsewhere(m, package_of(file))]
    assert wrong == []


@pytest.mark.parametrize(
    ("module", "package", "is_private"),
    [
        ("skclip._linalg", "skclip.heads", False),
        ("skclip._files", "skclip.heads", False),
        ("skclip._files._paths", "skclip.heads", True),
        ("skclip.heads._parts", "skclip.heads._priming", False),
        ("skclip.heads._parts._weighed", "skclip.heads._priming", True),
        ("skclip.heads._class_sums", "skclip.heads._parts", False),
        ("skclip.corpus._store", "skclip.recall", True),
        ("skclip.corpus", "skclip.recall", False),
    ],
)
def test_what_counts_as_private_elsewhere(module, package, is_private):
    found = is_private_elsewhere(tuple(module.split(".")), tuple(package.split(".")))
    assert found is is_private


@pytest.mark.parametrize("file", FILES, ids=relative)
def test_layers_import_to_the_left_only(file):
    layer = (module_name(file) + ("",))[1]
    if layer not in LAYERS:  # the ground floor
        return
    to_the_right = LAYERS[LAYERS.index(layer) + 1 :]
    assert [m for m in imported(file) if len(m) > 1 and m[1] in to_the_right] == []


def test_the_ground_floor_imports_no_package():
    rooms = [f for f in FILES if f.relative_to(ROOT).parts[0].startswith("_")]
    ground = [f for f in rooms if f not in (ROOT / "__init__.py", ROOT / "__main__.py")]
    wrong = {relative(f): [m for m in imported(f) if len(m) > 1 and m[1] in LAYERS] for f in ground}
    assert not any(wrong.values()), wrong


def test_every_package_has_its_layer():
    packages = {path.parent.name for path in ROOT.glob("[!_]*/__init__.py")}
    modules = {p.stem for p in ROOT.glob("*.py") if not p.stem.startswith("_")} - {"exceptions"}
    assert packages | modules == set(LAYERS)


def test_no_circles_at_import():
    graph = {}
    for file in FILES:
        name = module_name(file)
        # an __init__ that gathers names of its own modules comes after them
        graph[name] = {m for m in imported(file, when_used=False) if m != name and m in NAMES}
    order = list(TopologicalSorter(graph).static_order())
    assert set(order) == set(graph)


NAMES = set(map(module_name, FILES))


def test_no_folder_is_crowded():
    """About a dozen modules per folder: a new one belongs to a family."""
    counts: dict[str, int] = {}
    for file in FILES:
        if file.name != "__init__.py":
            counts[relative(file.parent)] = counts.get(relative(file.parent), 0) + 1
    assert {folder: n for folder, n in counts.items() if folder != "." and n > 16} == {}


def test_the_tree_of_the_design_is_the_tree():
    """docs/design.md names every package and module, and none that is not there."""
    text = DESIGN.read_text(encoding="utf-8")
    (tree,) = re.findall(r"^    skclip/\n((?:    .*\n|\n)+)", text, re.MULTILINE)
    assert names_in_tree(tree) == {relative(f) for f in FILES}


def names_in_tree(tree: str) -> set[str]:
    """Return the files of an indented tree: names come first in a line, then what they are."""
    found, folders = set(), []
    for line in filter(str.strip, tree.splitlines()):
        del folders[(len(line) - len(line.lstrip())) // 2 - 3 :]
        for name in takewhile(lambda word: word.endswith((".py", "/")), line.split()):
            path = "/".join([*folders, name])
            if name.endswith("/"):
                found.add(f"{path}__init__.py")
                folders.append(name.rstrip("/"))
            else:
                found.add(path)
    return found
