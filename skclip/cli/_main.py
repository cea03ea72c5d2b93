"""The command ``skclip``: one module a verb, one line an error."""

import os
import sys
import warnings
from argparse import ArgumentParser
from collections.abc import Sequence
from types import ModuleType
from typing import Any

import skclip
from skclip import exceptions
from skclip.cli import _cache, _demo, _embed, _index, _info, _prime, _recall, _train
from skclip.cli._common import say

__all__ = ["main"]

_VERBS: dict[str, ModuleType] = {
    "demo": _demo,
    "prime": _prime,
    "index": _index,
    "embed": _embed,
    "recall": _recall,
    "train": _train,
    "info": _info,
    "cache": _cache,
}
_OUR_WARNINGS = tuple(
    kind
    for kind in map(exceptions.__dict__.get, exceptions.__all__)
    if isinstance(kind, type) and issubclass(kind, Warning)
)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command.

    Parameters
    ----------
    argv : sequence of str, default=None
        Arguments; None means those of the process.

    Returns
    -------
    status : int
        0 if all went well, 1 if there is no result, 2 if what was asked cannot be done, 130 if
        interrupted.
    """
    args = _make_parser().parse_args(argv)
    with warnings.catch_warnings():
        for kind in _OUR_WARNINGS:
            warnings.simplefilter("always", kind)
        warnings.showwarning = _show_warning
        try:
            status: int = args.run(args)
            sys.stdout.flush()
            return status
        except KeyboardInterrupt:
            say("interrupted")
            return 130
        except BrokenPipeError:
            # whoever read our output has had enough; nothing may be written at exit either
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return 1
        except (ValueError, OSError, ImportError) as error:
            say(f"error: {_one_line(error)}")
            return 2


def _make_parser() -> ArgumentParser:
    parser = ArgumentParser(
        prog="skclip",
        description="CLIP adapted to your own classes with few labels or none.",
    )
    parser.add_argument("--version", action="version", version=skclip.__version__)
    verbs = parser.add_subparsers(title="verbs", required=True, metavar="VERB")
    for name, module in _VERBS.items():
        summary = (module.__doc__ or "").splitlines()[0]
        verb = verbs.add_parser(name, help=summary, description=summary)
        module.add_arguments(verb)
        verb.set_defaults(run=module.run)
    return parser


def _show_warning(message: Any, category: type[Warning], *where: Any, **more: Any) -> None:
    if issubclass(category, _OUR_WARNINGS):
        say(f"warning: {_one_line(message)}")
    else:
        sys.stderr.write(warnings.formatwarning(message, category, *where[:2]))


def _one_line(message: object) -> str:
    return " ".join(str(message).split()) or type(message).__name__
