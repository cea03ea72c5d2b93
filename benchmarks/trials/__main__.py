"""Count trials, part by part, and print a table of what came of them.

    python -m benchmarks.trials --state trials.json
    python -m benchmarks.trials --only builds flips --builds 100 --flips 500 --seed 1

A run that is stopped goes on with the next trial when it is started again with the same state file.
`--table` prints what was counted so far and runs nothing. The status is 1 if there are faults.
Linux is needed: workers are forked.
"""

import argparse
import importlib
import json
import os
import sys
import tempfile
import warnings
from pathlib import Path
from typing import Any

# before torch is imported: forked workers are as many as processors
os.environ.setdefault("OMP_NUM_THREADS", "1")

# Number of trials by module of this package: the goal of a full run.
GOALS = {
    "builds": 1000,
    "caches": 1000,
    "training": 200,
    "primes": 200,
    "images": 1000,
    "hostile": 200,
    "flips": 5000,
    "clusters": 25,
}
# Those that need no Ray.
USUAL = [name for name in GOALS if name != "clusters"]


def main() -> int:
    args = parse()
    path = Path(args.state)
    state: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}
    if not args.table:
        for name in args.only:
            run(name, getattr(args, name), args.seed, state, path)
    print_table(state)
    return int(any(counted["faults"] for counted in state.values()))


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--state", default="trials.json", help="what was counted so far")
    parser.add_argument("--only", nargs="+", choices=GOALS, default=USUAL, metavar="KIND")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--table", action="store_true", help="print the table and run nothing")
    for name, goal in GOALS.items():
        parser.add_argument(f"--{name}", type=int, default=goal, help=f"trials (default: {goal})")
    return parser.parse_args()


def run(name: str, goal: int, seed: int, state: dict[str, Any], path: Path) -> None:
    """Run the trials of a kind that have not been run yet."""
    counted = state.setdefault(f"{name} {seed}", {"done": 0, "outcomes": {}, "faults": []})
    if counted["done"] >= goal:
        return
    warnings.simplefilter("ignore")
    module = importlib.import_module(f"benchmarks.trials.{name}")
    with tempfile.TemporaryDirectory(prefix="skclip-trials-") as folder:
        trial = module.prepare(Path(folder))
        while counted["done"] < goal:
            number = counted["done"]
            outcome, fault = trial([seed, number])
            counted["outcomes"][outcome] = counted["outcomes"].get(outcome, 0) + 1
            if fault:
                counted["faults"].append([number, fault])
                print(f"{name} {number}: {fault}", file=sys.stderr, flush=True)
            counted["done"] += 1
            save(path, state)


def save(path: Path, state: dict[str, Any]) -> None:
    temporary = path.with_name(path.name + ".tmp")
    temporary.write_text(json.dumps(state, indent=1))
    temporary.replace(path)


def print_table(state: dict[str, Any]) -> None:
    print("| trials, seed | run | faults | what came of them |")
    print("|---|---|---|---|")
    for name, counted in state.items():
        outcomes = ", ".join(f"{k} {n}" for k, n in sorted(counted["outcomes"].items()))
        print(f"| {name} | {counted['done']} | {len(counted['faults'])} | {outcomes} |")


if __name__ == "__main__":
    raise SystemExit(main())
