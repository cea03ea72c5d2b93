import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

import skclip

# Packages for other packages of skclip, and the command: nothing in them is public.
INTERNAL = {"captions", "cli", "neighbors"}


def run(code: str, *arguments: str) -> str:
    command = [sys.executable, "-c", code, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return done.stdout


def test_import_loads_neither_torch_nor_open_clip():
    loaded = run("import sys, skclip; dir(skclip); print(*sorted(sys.modules))").split()
    assert not {"torch", "open_clip", "torchvision", "sklearn", "numpy"} & set(loaded)


def test_classes_load_without_torch():
    code = "import sys; from skclip import *; print(*sorted(sys.modules))"
    assert not {"torch", "open_clip", "matplotlib"} & set(run(code).split())


# all heads but those that embed text themselves
HEADS = sorted(set(skclip.heads.__all__) - {"AggregatedPromptClassifier", "ZeroShotClassifier"})

# one process that forks: Python and scikit-learn start once
LOADED = """
import os, sys
import sklearn.base, scipy.optimize
alone = set(sys.modules)
import skclip
for name in sys.argv[1:]:
    if not os.fork():
        getattr(skclip, name)
        print(name, *sorted(set(sys.modules) - alone), flush=True)
        os._exit(0)
    os.wait()
"""


@pytest.fixture(scope="module")
def loaded_by_heads():
    lines = run(LOADED, *HEADS).splitlines()
    return {name: set(modules) for name, *modules in map(str.split, lines)}


@pytest.mark.skipif(sys.platform == "win32", reason="needs fork")
@pytest.mark.parametrize("name", HEADS)
def test_heads_load_no_module_that_reads_images_or_tables(name, loaded_by_heads):
    loaded = loaded_by_heads[name]
    heavy = {"PIL", "pyarrow", "pandas", "torch", "open_clip", "matplotlib", "sqlite3"}
    assert not heavy & loaded
    assert not {
        module for module in loaded if module.startswith(("skclip.recall", "skclip.corpus"))
    }


@pytest.mark.parametrize("name", skclip.__all__)
def test_every_public_name_is_there(name):
    assert getattr(skclip, name) is not None


@pytest.mark.parametrize("name", sorted(set(skclip.__all__) - {"__version__"}))
def test_public_classes_are_public_where_they_are_defined(name):
    home = import_module(skclip._PUBLIC[name])
    assert name in home.__all__
    assert getattr(home, name) is getattr(skclip, name)


@pytest.mark.parametrize("name", skclip._SUBPACKAGES)
def test_every_subpackage_is_there_and_says_what_is_public(name):
    package = getattr(skclip, name)
    assert package is import_module(f"skclip.{name}")
    for public in package.__all__:
        assert getattr(package, public) is not None


def test_no_subpackage_is_forgotten():
    folder = Path(skclip.__file__).parent
    found = {p.parent.name for p in folder.glob("[!_]*/__init__.py")}
    found |= {p.stem for p in folder.glob("*.py") if not p.stem.startswith("_")}
    assert found - INTERNAL == set(skclip._SUBPACKAGES)


def test_dir_lists_names_and_subpackages():
    assert set(skclip.__all__) | set(skclip._SUBPACKAGES) <= set(dir(skclip))


def test_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="module 'skclip' has no attribute 'Nonsense'"):
        skclip.Nonsense  # noqa: B018
