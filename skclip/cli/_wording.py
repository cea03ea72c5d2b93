"""From messages of the Python API to those of the command line, which has options instead."""

import re
from argparse import Namespace
from collections.abc import Callable

__all__ = ["in_options"]

# Calls, and words that stand for what an option gives.
_PHRASES = {
    r"Corpus\.build\(source, path\)": "`skclip index SOURCE --output DIR`",
    r"(the )?same Corpus\.build again": "the same command again",
    r"(the )?same call again": "the same command again",
    r"Corpus\.build": "`skclip index`",
    r"Corpus\(path\)\.append\(source\)": "--append",
    r"Corpus\(path\)\.embed\(embedder\)": "`skclip embed DIR`",
    r"Corpus\.failures\(\)": "`skclip info DIR --failures`",
    r"retry_failed\(embedder\)": "`skclip embed DIR --retry-failed`",
    r"pass (\w+=)": r"give \1",
    r"embedder=": "--model",
    r"([Tt])he embedder": r"\1he model",
    r"an embedder": "a model",
    r"embedder": "model",
    r"synonyms go to `synonyms`": "further names of a class follow it in the file of --classes",
    r"can be given as synonyms": "can follow them in the file of --classes",
    r"go to `synonyms`": "follow it in the file of --classes",
    r"give the names they stand for: class_names=\{label: name\} of the estimator, or names as "
    r"labels": "write the names they stand for into the file of --classes",
    r",? or match with method='scan'": "",
    r" on_error='skip' gives such images a row of zeros instead\.": "",
}
# Where option and parameter differ; else an option is the parameter with dashes.
_OPTIONS = {
    "model_name": "model",
    "n_jobs": "jobs",
    "n_epochs": "epochs",
    "max_iter": "steps",
    "random_state": "seed",
}
# What is given without the name of an option.
_POSITIONAL = {"names": "NAME", "source": "SOURCE"}
_QUOTED = r"'[^']*'|\"[^\"]*\""


def in_options(message: str, args: Namespace) -> str:
    """Return a message with the options of a verb in the place of parameters.

    Parameters
    ----------
    message : str
        Of an error or a warning.

    args : Namespace
        Of the verb; names the options that it has.

    Returns
    -------
    message : str
        What stands in quotes stays as it is.

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
        # a word of English is a parameter only where it gets a value
        if name is None or not (equals or "_" in name) or (named := option(name)) is None:
            return found[0]
        # "by images_root=, or" ends with the option
        has_value = equals and message[found.end() : found.end() + 1].strip(" ,.;:)")
        return named + (" " if has_value and value != "True" else "")

    message = re.sub(r"The '(\w+)' parameter of \w+", lambda m: option(m[1]) or m[0], str(message))
    message = re.sub(r"^(\w+)(?= (?:must be|holds|has) )", lambda m: option(m[1]) or m[0], message)
    for phrase, words in _PHRASES.items():
        message = re.sub(f"({_QUOTED})|{phrase}", _outside_quotes(phrase, words), message)
    pattern = rf"{_QUOTED}|(?<![\w.-])(?P<name>[a-z]\w*)(?P<equals>=)?(?P<value>(?<==)True\b)?"
    return re.sub(pattern, replaced, message)


def _outside_quotes(phrase: str, words: str) -> Callable[[re.Match[str]], str]:
    def replace(found: re.Match[str]) -> str:
        return found[0] if found[1] else re.sub(phrase, words, found[0])

    return replace
