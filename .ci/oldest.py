"""Pins of the oldest releases that setup.cfg promises: what `constraints-oldest.txt` holds.

python .ci/oldest.py            # writes the file
python .ci/oldest.py --check    # fails if it is not what would be written
"""

import argparse
import re
import sys
from configparser import ConfigParser
from pathlib import Path

HERE = Path(__file__).resolve().parent
CONSTRAINTS = HERE / "constraints-oldest.txt"
LEFT_OUT = {"docs"}  # pages are built with the newest releases only


def pins(config: Path = HERE.parent / "setup.cfg") -> str:
    """Return one line per requirement: its name and lower bound, the highest if it has several."""
    parser = ConfigParser()
    parser.read(config, encoding="utf-8")
    groups = [parser["options"]["install_requires"]]
    groups += [v for k, v in parser["options.extras_require"].items() if k not in LEFT_OUT]
    oldest: dict[str, str] = {}
    for requirement in "\n".join(groups).split():
        match = re.fullmatch(r"([\w.-]+)(?:\[[\w,]+\])?>=([\d.]+)", requirement)
        if match is None:
            raise ValueError(f"{requirement!r} in setup.cfg is not of the form name>=version")
        name, version = match.groups()
        oldest[name] = max(version, oldest.get(name, "0"), key=_numbers)
    lines = (f"{name}=={oldest[name]}\n" for name in sorted(oldest, key=str.lower))
    return "# by .ci/oldest.py from setup.cfg\n" + "".join(lines)


def _numbers(version: str) -> list[int]:
    return [int(part) for part in version.split(".")]


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--check", action="store_true", help="write nothing")
    if not parser.parse_args().check:
        CONSTRAINTS.write_text(pins(), encoding="utf-8")
    elif CONSTRAINTS.read_text(encoding="utf-8") != pins():
        sys.exit(f"{CONSTRAINTS.name} is not what setup.cfg says: run `python .ci/oldest.py`")
