"""A run as a file: ``--config job.toml`` gives options, ``--dry-run`` prints them back."""

import json
import math
import tomllib
from argparse import Action, ArgumentParser, Namespace
from collections.abc import Mapping, Sequence
from typing import Any

from skclip._files import find_file
from skclip._validation import sample_of
from skclip.cli._terminal import tell

__all__ = ["add_job_arguments", "is_dry_run", "read_job", "with_job"]

_NOT_PRINTED = ("config", "dry_run", "run", "verb")


def add_job_arguments(parser: ArgumentParser, *, dry_run: bool = True) -> None:
    """Add ``--config``, and ``--dry-run`` where a verb can stop before its work."""
    parser.add_argument(
        "--config",
        metavar="FILE.toml",
        help="TOML file with options by their names (k = 50, classes = 'names.txt'); those of the "
        "command line come first",
    )
    if dry_run:
        parser.add_argument(
            "--dry-run",
            action="store_true",
            help="check the options and print them as a file for --config, without the work",
        )


def read_job(given: str, verb: str) -> dict[str, Any]:
    """Read a file of options.

    Parameters
    ----------
    given : str
        TOML file: one key an option. ``verb``, if there is one, must be the verb.

    verb : str
        The verb that reads it.

    Returns
    -------
    options : dict of str to object
        By name, with underscores.
    """
    path = find_file(given)
    if not path.is_file():
        raise ValueError(f"--config {given!r} is no file.")
    try:
        options = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ValueError(f"--config {given!r} is no TOML ({error}).") from None
    named = options.pop("verb", verb)
    if named != verb:
        raise ValueError(f"--config {given!r} is for `skclip {named}`, not `skclip {verb}`.")
    wrong = [name for name, value in options.items() if not _is_value(value)]
    if wrong:
        raise ValueError(
            f"--config {given!r} has values that no option takes: {sample_of(wrong)}. Write text, "
            "numbers, true, false, lists of text, or lists of these for an option that repeats."
        )
    return {name.replace("-", "_"): value for name, value in options.items()}


def with_job(
    argv: Sequence[str], options: Mapping[str, Any], positionals: Mapping[str, Action], given: str
) -> list[str]:
    """Return the arguments of a verb with the options of a file before them.

    Parameters
    ----------
    argv : sequence of str
        What was typed after the verb.

    options : mapping
        From :func:`read_job`.

    positionals : mapping of str to Action
        Arguments of the verb without a name; those that the file gives may be left out then.

    given : str
        Name of the file, for messages.

    Returns
    -------
    argv : list of str
        A later option takes the place of an earlier one.
    """
    tokens: list[str] = []
    for name, value in options.items():
        if (action := positionals.get(name)) is not None:
            action.required, action.default = False, value
            action.nargs = "*" if action.nargs in ("*", "+") else "?"
            if isinstance(value, list) != (action.nargs == "*"):
                kind = "a list of texts" if action.nargs == "*" else "one text"
                raise ValueError(f"--config {given!r}: {name} must be {kind}, got {value!r}.")
        elif isinstance(value, list) and value and all(isinstance(v, list) for v in value):
            for values in value:  # an option with several values, which repeats
                tokens += [f"--{name.replace('_', '-')}", *values]
        elif isinstance(value, list):
            raise ValueError(f"--config {given!r}: {name} must be one value, got {value!r}.")
        elif value is True:
            tokens.append(f"--{name.replace('_', '-')}")
        elif value is not False:
            # with =, so that a value may begin with a dash
            tokens.append(f"--{name.replace('_', '-')}={value}")
    return [*tokens, *argv]


def is_dry_run(args: Namespace) -> bool:
    """Print the options as TOML if nothing else is to be done, and return whether that is so."""
    if not args.dry_run:
        return False
    tell(f"verb = {_toml(args.verb)}")
    for name, value in vars(args).items():
        if name not in _NOT_PRINTED and value is not None and value is not False:
            tell(f"{name.replace('_', '-')} = {_toml(value)}")
    return True


def _is_value(value: Any) -> bool:
    if isinstance(value, list):
        return all(
            isinstance(item, str)
            or (isinstance(item, list) and all(isinstance(text, str) for text in item))
            for item in value
        )
    if isinstance(value, float):
        return math.isfinite(value)
    return isinstance(value, (str, bool, int))


def _toml(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return repr(value)
    if isinstance(value, list):
        return f"[{', '.join(map(_toml, value))}]"
    # JSON's escapes are TOML's, but for the one character that JSON leaves as it is
    return json.dumps(str(value), ensure_ascii=False).replace("\x7f", "\\u007f")
