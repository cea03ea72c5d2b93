"""The command ``skclip``: one module per verb, one line per error."""

import sqlite3
import sys
import warnings
from argparse import Action, ArgumentParser, Namespace
from collections.abc import Sequence
from functools import partial
from typing import Any, NoReturn

import pyarrow as pa

import skclip
from skclip import exceptions
from skclip.cli._job import read_job, with_job
from skclip.cli._terminal import escaped, give_up_on, results_in_utf8, say
from skclip.cli._verbs import VERBS
from skclip.cli._wording import in_options

__all__ = ["run"]

_OUR_WARNINGS = tuple(
    kind
    for kind in map(exceptions.__dict__.get, exceptions.__all__)
    if isinstance(kind, type) and issubclass(kind, Warning)
)
# Errors of input or machine; others are bugs of skclip and keep their traceback.
_ERRORS = (ValueError, OSError, ImportError, MemoryError, sqlite3.Error, pa.ArrowException)


def run(argv: Sequence[str] | None = None) -> int:
    """Run the command; see :func:`skclip.cli.main`."""
    with warnings.catch_warnings(), results_in_utf8():
        args = _parse(sys.argv[1:] if argv is None else argv)
        if isinstance(args, int):
            return args
        for kind in _OUR_WARNINGS:
            warnings.simplefilter("always", kind)
        warnings.showwarning = partial(_show_warning, args)
        try:
            status: int = args.run(args)
            if sys.stdout is not None:
                sys.stdout.flush()
            return status
        except KeyboardInterrupt:
            say("interrupted")
            return 130
        except BrokenPipeError:
            # the reader has closed the pipe; write nothing at exit
            _give_up_on_what_is_closed()
            return 1
        except _ERRORS as error:
            _give_up_on_what_is_closed()
            say(f"error: {_one_line(in_options(str(error), args)) or type(error).__name__}")
            return 2


class _Parser(ArgumentParser):
    """A parser that prints errors in one line, like all other errors."""

    def __init__(self, **options: Any) -> None:
        self.positionals: dict[str, Action] = {}
        super().__init__(**options)

    def add_argument(self, *names: Any, **options: Any) -> Action:
        action = super().add_argument(*names, **options)
        if not names[0].startswith("-"):
            self.positionals[action.dest] = action
        return action

    def error(self, message: str) -> NoReturn:
        self.exit(2, escaped(f"skclip: error: {_one_line(message)} ({self.prog} --help)\n"))


def _parse(argv: Sequence[str]) -> Namespace | int:
    """Return what was asked for; the exit status if a file of options cannot be read."""
    parser, verbs = _make_parser()
    finder = ArgumentParser(add_help=False, allow_abbrev=False)
    finder.add_argument("--config")
    given = finder.parse_known_args(argv)[0].config if argv and argv[0] in verbs else None
    if given is not None:
        verb = argv[0]
        try:
            options = read_job(given, verb)
            argv = [verb, *with_job(argv[1:], options, verbs[verb].positionals, given)]
        except (ValueError, OSError) as error:
            say(f"error: {_one_line(str(error))}")
            return 2
    return parser.parse_args(argv)


def _make_parser() -> tuple[ArgumentParser, dict[str, "_Parser"]]:
    parser = _Parser(
        prog="skclip",
        description="Adapt CLIP to your classes with few labels or none.",
    )
    parser.add_argument("--version", action="version", version=skclip.__version__)
    verbs = parser.add_subparsers(title="verbs", required=True, metavar="VERB", dest="verb")
    parsers = {}
    for name, module in VERBS.items():
        summary = (module.__doc__ or "").splitlines()[0]
        verb = verbs.add_parser(name, help=summary, description=summary)
        module.add_arguments(verb)
        verb.set_defaults(run=module.run)
        parsers[name] = verb
    return parser, parsers


def _show_warning(
    args: Namespace, message: Any, category: type[Warning], *where: Any, **more: Any
) -> None:
    if issubclass(category, _OUR_WARNINGS):
        say(f"warning: {_one_line(in_options(str(message), args))}")
    elif sys.stderr is not None:
        sys.stderr.write(escaped(warnings.formatwarning(message, category, *where[:2])))


def _one_line(message: str) -> str:
    return " ".join(message.split())


def _give_up_on_what_is_closed() -> None:
    """Prevent Python from writing to a closed stream at exit."""
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:
            try:
                stream.flush()
            except (OSError, ValueError):
                give_up_on(stream)
