"""What became of the captions that name a class, so that the numbers add up."""

from typing import Any

import numpy as np

from skclip._validation import sample_of
from skclip.cli._terminal import say
from skclip.recall import PrimingPool

__all__ = ["recall_summary", "say_recall"]


def recall_summary(pool: PrimingPool, decided: PrimingPool, kept: PrimingPool) -> str:
    """Return a table with one line per class and one for all.

    ``matched`` is the sum of ``repeated``, ``unreadable``, ``excluded``, ``beyond k`` and
    ``recalled``; ``recalled`` is the sum of ``decided out``, ``rejected`` and ``kept``. Decisions
    may move images to another class, whose ``decided out`` is then negative. ``ambiguous`` are
    those among the matched that name another class too. Columns of zeros are left out.

    Parameters
    ----------
    pool : PrimingPool
        What was recalled.

    decided : PrimingPool
        The same after the user's decisions.

    kept : PrimingPool
        What the filter kept of these.

    Returns
    -------
    table : str
        Aligned.
    """
    report = pool.report()
    counts = {name: values.astype(np.int64) for name, values in report.counts.items()}
    recalled, matched = counts["kept"], counts["matches"]
    left_out = {name: counts.get(name, 0 * matched) for name in ("repeated", "unreadable")}
    left_out["excluded"] = counts.get("excluded", 0 * matched)
    rows_decided, rows_kept = _count(decided, report.names), _count(kept, report.names)
    columns = {
        "matched": matched,
        "ambiguous": counts["ambiguous"],
        **left_out,
        "beyond k": matched - recalled - sum(left_out.values()),
        "recalled": recalled,
        "decided out": recalled - rows_decided,
        "rejected": rows_decided - rows_kept,
        "kept": rows_kept,
    }
    always = ("matched", "recalled", "kept")
    shown = {name: n for name, n in columns.items() if name in always or n.any()}
    table = [["class", *map(str, report.names), "all"]]
    table += [[name, *map(str, n.tolist()), str(int(n.sum()))] for name, n in shown.items()]
    widths = [max(map(len, column)) for column in table]
    lines = []
    for first, *rest in zip(*table, strict=True):
        cells = [cell.rjust(width) for cell, width in zip(rest, widths[1:], strict=True)]
        lines.append("  ".join([first.ljust(widths[0]), *cells]))
    return "\n".join(lines)


def _count(pool: PrimingPool, names: Any) -> Any:
    labels = list(map(str, pool.labels.tolist()))
    return np.array([labels.count(str(name)) for name in names], dtype=np.int64)


def say_recall(pool: PrimingPool, decided: PrimingPool, kept: PrimingPool) -> None:
    """Say what was recalled and kept, and what to do where nothing was."""
    report = pool.report()
    table = recall_summary(pool, decided, kept)
    say(f"{len(kept)} recalled images are kept. Captions per class:\n{table}")
    unmatched = set(map(str, report.unmatched))
    n_kept = _count(kept, report.names)
    rejected = [
        str(name)
        for name, n, m in zip(report.names, n_kept, _count(decided, report.names), strict=True)
        if m and not n
    ]
    if unmatched:
        say(
            f"classes without images, which use text only: {sample_of(sorted(unmatched), 10)}. No "
            "caption names them: add other names after commas in the file of --classes, or --plural"
        )
    if rejected:
        say(
            f"classes without images, which use text only: {sample_of(rejected, 10)}. The filter "
            "rejected all their images: look at them with `skclip report`; a clearer name, other "
            "--templates or --filter none may help"
        )
