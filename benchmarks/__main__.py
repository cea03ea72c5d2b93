"""List the benchmarks of speed, run them, and compare a run with an earlier one.

    python -m benchmarks                                    # what is measured against what
    python -m benchmarks heads kmeans --json run.json       # two of them, with one thread and two
    python -m benchmarks heads --threads 1 --json new.json --compare run.json
    python -m benchmarks heads -- --part means              # options after -- are the benchmark's

Each benchmark runs in a process of its own and prints tables of Markdown; the JSON file holds
the tables and the machine. Ours and the peer take turns within a benchmark, and peers that are not
installed are named. Numbers of two runs are compared only if the machine is the same.
"""

import argparse
import ast
import json
import os
import platform
import re
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
# Options of benchmarks that need some.
OPTIONS = {"scale": ["fit"]}
LIBRARIES = ("numpy", "scipy", "scikit-learn", "torch", "skclip")
# Changes that a comparison reports.
NOISE = 0.1

Table = dict[str, Any]


def first_lines(pattern: str) -> dict[str, str]:
    """Return the first line of the docstring of every module that matches, by its name."""
    lines = {}
    for path in sorted(HERE.glob(pattern)):
        source = path.read_text(encoding="utf-8")
        if "__name__ ==" not in source:  # what several of them use
            continue
        docstring = ast.get_docstring(ast.parse(source)) or ""
        name = path.parent.name if path.stem == "__main__" else path.stem
        lines[name.removeprefix("bench_")] = docstring.partition("\n")[0]
    return lines


def read_tables(text: str) -> list[Table]:
    r"""Return the Markdown tables in a text, and its lines of the form "what: number", as a table.

    The title of a table is the last line of text before it.

    Examples
    --------
    >>> read_tables("**fit**\n\n| head | ratio |\n|---|---|\n| ours | 1.2 |")
    [{'title': 'fit', 'columns': ['head', 'ratio'], 'rows': [['ours', '1.2']]}]
    """
    tables: list[Table] = []
    measured: list[list[str]] = []
    title, inside = "", False
    for line in text.splitlines():
        if not line.startswith("|"):
            title, inside = line.strip().replace("*", "") or title, False
            if found := re.fullmatch(r"([^|*]+?): (-?\d.*)", line.strip()):
                measured.append([found[1], found[2]])
            continue
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
        if not inside:
            tables.append({"title": title, "columns": cells, "rows": []})
            inside = True
        elif not all(re.fullmatch(":?-+:?", cell) for cell in cells):
            tables[-1]["rows"].append(cells)
    if measured:
        tables.append({"title": "", "columns": ["what", "measured"], "rows": measured})
    return tables


def leading_number(cell: str) -> float | None:
    """Return the number that a cell begins with, or None."""
    found = re.match(r"-?\d+(\.\d+)?(?![\w.])", cell)
    return float(found[0]) if found else None


def changes(new: list[Table], old: list[Table]) -> list[str]:
    """Return what differs by more than the noise between tables of the same columns and rows."""
    known = {
        (table["title"].partition("(")[0], row[0], column): cell
        for table in old
        for row in table["rows"]
        for column, cell in zip(table["columns"][1:], row[1:], strict=False)
    }
    lines = []
    for table in new:
        for row in table["rows"]:
            for column, cell in zip(table["columns"][1:], row[1:], strict=False):
                key = (table["title"].partition("(")[0], row[0], column)
                before, now = leading_number(known.get(key, "")), leading_number(cell)
                if before and now is not None and abs(now / before - 1) > NOISE:
                    lines.append(f"{key[0].strip()}, {row[0]}, {column}: {before:g} -> {now:g}")
    return lines


def machine() -> dict[str, Any]:
    """Return what two runs must have in common, and the releases of libraries."""
    cpu = Path("/proc/cpuinfo")
    models = re.findall(r"model name\s*: (.*)", cpu.read_text()) if cpu.exists() else []
    return {
        "processor": models[0] if models else platform.processor(),
        "processors": os.cpu_count(),
        "system": f"{platform.system()} {platform.machine()}",
        "libraries": {name: version(name) for name in LIBRARIES},
    }


def run(name: str, n_threads: int, options: list[str]) -> list[Table]:
    """Run a benchmark, print what it prints, and return its tables."""
    command = [sys.executable, "-m", f"benchmarks.bench_{name}", *options]
    threads = {f"{library}_NUM_THREADS": str(n_threads) for library in ("OMP", "OPENBLAS", "MKL")}
    print(f"\n# {name}, {n_threads} threads: {' '.join(command[1:])}\n", flush=True)
    lines = []
    with subprocess.Popen(
        command, cwd=HERE.parent, env=os.environ | threads, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            print(line, end="", flush=True)
            lines.append(line)
    if process.returncode:
        raise SystemExit(f"{name} ended with status {process.returncode}.")
    return read_tables("".join(lines))


def main() -> None:
    speed = first_lines("bench_*.py")
    ours = sys.argv[1:]
    of_benchmark: list[str] = []
    if "--" in ours:
        ours, of_benchmark = ours[: ours.index("--")], ours[ours.index("--") + 1 :]
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks", description=(__doc__ or "").partition("\n")[0]
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help="'all' or some of the list")
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--json", type=Path, help="file to write the tables to")
    parser.add_argument("--compare", type=Path, help="file of an earlier run")
    args = parser.parse_args(ours)
    names = list(speed) if args.names == ["all"] else args.names
    if unknown := [name for name in names if name not in speed]:
        parser.error(f"there is no benchmark {unknown[0]!r}; there are {', '.join(speed)}")
    if not names:
        print("Speed (run them here):\n")
        for name, line in speed.items():
            print(f"  {name:16} {line}")
        print("\nAccuracy and safety (python -m benchmarks.NAME):\n")
        others = first_lines("*.py") | first_lines("*/__main__.py")
        for name, line in sorted(others.items()):
            if name not in (*speed, HERE.name):
                print(f"  {name:16} {line}")
        return
    here = machine()
    runs: dict[str, list[Table]] = {}
    for name in names:
        for n_threads in args.threads:
            runs[f"{name}, {n_threads} threads"] = run(
                name, n_threads, of_benchmark or OPTIONS.get(name, [])
            )
            if args.json:
                args.json.write_text(json.dumps({"machine": here, "runs": runs}, indent=1))
    if args.compare:
        report(runs, here, json.loads(args.compare.read_text()), args.compare)


def report(
    runs: dict[str, list[Table]], here: dict[str, Any], stored: dict[str, Any], path: Path
) -> None:
    """Print what has changed since a stored run."""
    differs = [
        key for key in ("processor", "processors", "system") if stored["machine"][key] != here[key]
    ]
    if differs:
        raise SystemExit(f"{path} is of another machine ({differs[0]}): nothing is compared.")
    for name, tables in runs.items():
        lines = changes(tables, stored["runs"].get(name, []))
        print(f"\n# {name}, compared with {path}: {len(lines)} changes of more than {NOISE:.0%}")
        print(*(f"  {line}" for line in lines), sep="\n")


if __name__ == "__main__":
    main()
