"""One module per verb: its first line is the help, ``add_arguments`` its options, ``run`` the work.

``run`` first finds whatever can be wrong, then prints the options where ``--dry-run`` asks for
them, then works.
"""

from types import ModuleType

from skclip.cli._verbs import (
    _cache,
    _compare,
    _demo,
    _embed,
    _evaluate,
    _export,
    _fit,
    _index,
    _info,
    _predict,
    _prime,
    _recall,
    _report,
    _search,
    _train,
)

__all__ = ["VERBS"]

VERBS: dict[str, ModuleType] = {
    "demo": _demo,
    "fit": _fit,
    "predict": _predict,
    "evaluate": _evaluate,
    "compare": _compare,
    "export": _export,
    "prime": _prime,
    "index": _index,
    "embed": _embed,
    "recall": _recall,
    "search": _search,
    "report": _report,
    "train": _train,
    "info": _info,
    "cache": _cache,
}
