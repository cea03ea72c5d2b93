"""Messages of the Python API as the command line says them."""

import ast
import re
from argparse import Namespace
from collections.abc import Iterator
from pathlib import Path

import pytest

import skclip
from skclip.cli import _wording
from skclip.cli._wording import in_options

ARGS = Namespace(
    model="ViT-B-32",
    device="auto",
    k=3,
    overwrite=False,
    jobs=1,
    lambda_nn=1.0,
    output="x",
    names=[],
    images_root=None,
)


@pytest.mark.parametrize(
    ("message", "said"),
    [
        ("model_name='qq' is no model.", "--model 'qq' is no model."),
        ("pass overwrite=True to replace it", "give --overwrite to replace it"),
        ("The 'k' parameter of CaptionRetriever must be 1.", "--k must be 1."),
        ("The 'n_jobs' parameter of X must be", "--jobs must be"),
        ("k must be 1, k of us", "--k must be 1, k of us"),
        ("set lambda_nn to 0", "set --lambda-nn to 0"),
        ("a run with lambda_nn=0.1 (now 0.5)", "a run with --lambda-nn 0.1 (now 0.5)"),
        ("add to it with Corpus(path).append(source).", "add to it with --append."),
        (
            "build it with embedder=, or give an embedder.",
            "build it with --model, or give a model.",
        ),
        ("run the same call again", "run the same command again"),
        ("give the folder by images_root=, or mend", "give the folder by --images-root, or mend"),
        ("names holds duplicates: 'a'.", "NAME holds duplicates: 'a'."),
        # nothing that this verb has, and words of English
        ("alpha=3 of a device", "alpha=3 of a device"),
        # what stands in quotes was given
        (
            "'device=1/Corpus.build/embedder=.csv' is bad",
            "'device=1/Corpus.build/embedder=.csv' is bad",
        ),
    ],
)
def test_parameters_become_options(message, said):
    assert in_options(message, ARGS) == said


def texts_of(file: Path) -> Iterator[str]:
    """Yield the texts of a module, with X for what is filled in."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.JoinedStr):
            yield "".join(getattr(part, "value", "X") for part in node.values if is_text(part))
        elif is_text(node):
            yield node.value


def is_text(node: ast.AST) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, str)


def test_every_phrase_is_one_of_a_message():
    package = Path(skclip.__file__).parent
    files = [f for f in package.rglob("*.py") if f.name != "_wording.py"]
    texts = [text for file in files for text in texts_of(file)]
    unused = [p for p in _wording._PHRASES if not any(re.search(p, text) for text in texts)]
    assert unused == []
