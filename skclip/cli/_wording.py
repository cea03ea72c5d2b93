"""Translate messages of the Python API for the command line, with options for parameters."""

import re
from argparse import Namespace
from collections.abc import Callable

__all__ = ["in_options"]

# Calls and words that correspond to an option.
_PHRASES = {
    r"Corpus\.build\(source, path\)": "`skclip index SOURCE --output DIR`",
    r"(the )?same Corpus\.build again": "the same command again",
    r"(the )?same call again": "the same command again",
    r"Corpus\.build": "`skclip index`",
    r"Corpus\(path\)\.append\(source\)": "--append",
    r"Corpus\(path\)\.\w+\(embedder\), or `skclip": "`skclip",
    r"Corpus\(path\)\.embed\(embedder\)": "`skclip embed DIR`",
    r"Corpus\.failures\(\)": "`skclip info DIR --failures`",
    r"retry_failed\(embedder\)": "`skclip embed DIR --retry-failed`",
    r"pass (\w+=)": r"give \1",
    r"embedder=": "--model",
    r"([Tt])he embedder": r"\1he model",
    r"an embedder": "a model",
    r"embedder": "model",
    r"synonyms go to `synonyms`": "further names of a class follow it in the file of --classes",
    r"Give other words for them as synonyms": "Write other words for them after their names in "
    "the file of --classes",
    r"Give further names of a class as `synonyms`": "Write further names of a class after it in "
    "the file of --classes",
    r"filters (has|compares|cannot)": r"--where \1",
    r"for filters;": "for --where;",
    r"go to `synonyms`": "follow it in the file of --classes",
    r"give the names of the classes: class_names=\{label: name\} of the estimator, or names as "
    r"labels": "write the names of the classes into the file of --classes",
    r",? or match with method='scan'": "",
    r" Without k, search finds captions with a phrase\.": "",
    r" on_error='skip' gives such images a row of zeros instead\.": "",
}
# Options whose name is not the parameter with dashes.
_OPTIONS = {
    "model_name": "model",
    "n_jobs": "jobs",
    "n_epochs": "epochs",
    "max_iter": "steps",
    "filters": "where",
    "random_state": "seed",
}
# Positional arguments.
_POSITIONAL = {"names": "NAME", "source": "SOURCE"}
_QUOTED = r"'[^']*'|\"[^\"]*\""


def in_options(message: str, args: Namespace) -> str:
    """Return a message with the options of a verb in place of parameters.

    Parameters
    ----------
    message : str
        Message of an error or a warning.

    args : Namespace
        Arguments of the verb; its attributes are the options.

    Returns
    -------
    message : str
        The message; quoted text is unchanged.

    Examples
    --------
    >>> from argparse import Namespace
    >>> from skclip.cli._wording import in_options
    >>> in_options("device='gpu' cannot be used: pass device='cpu'.", Namespace(device="gpu"))
    "--device 'gpu' cannot be used: give --device 'cpu'."
    """

    def option(parameter: str) -> str | None:
        name = _OPTIONS.get(parameter, parameter)
        if name not in vars(args):
            return None
        return _POSITIONAL.get(name, f"--{name.replace('_', '-')}")

    def replaced(found: re.Match[str]) -> str:
        name, equals, value = found["name"], found["equals"], found["value"] or ""
        # an English word is a parameter only if it has a value
        if name is None or not (equals or "_" in name) or (named := option(name)) is None:
            return found[0]
        # "as images_root=, or" ends with the option
        has_value = equals and message[found.end() : found.end() + 1].strip(" ,.;:)")
        return named + (" " if has_value and value != "True" else "")

    message = re.sub(r"The '(\w+)' parameter of \w+", lambda m: option(m[1]) or m[0], str(message))
    message = re.sub(
        r"^(\w+)(?= (?:must be|must have|holds|has) )", lambda m: option(m[1]) or m[0], message
    )
    for phrase, words in _PHRASES.items():
        message = re.sub(f"({_QUOTED})|{phrase}", _outside_quotes(phrase, words), message)
    pattern = rf"{_QUOTED}|(?<![\w.-])(?P<name>[a-z]\w*)(?P<equals>=)?(?P<value>(?<==)True\b)?"
    return re.sub(pattern, replaced, message)


def _outside_quotes(phrase: str, words: str) -> Callable[[re.Match[str]], str]:
    def replace(found: re.Match[str]) -> str:
        return found[0] if found[1] else re.sub(phrase, words, found[0])

    return replace
