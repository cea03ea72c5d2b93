"""Try an installed skclip as a user does: away from the checkout, with what it requires alone.

    python .ci/try_wheel.py README.md

Run from another directory. It runs the example of README.md and the command.
"""

import re
import subprocess
import sys
from pathlib import Path

import skclip

PACKAGE = Path(skclip.__file__)
assert "site-packages" in PACKAGE.parts, f"{PACKAGE} is not what was installed"
assert "torch" not in sys.modules, "import skclip imported torch"
assert all(hasattr(skclip, name) for name in skclip.__all__)

(example,) = re.findall(
    r"^```python\n(.*?)^```$", Path(sys.argv[1]).read_text("utf-8"), re.DOTALL | re.MULTILINE
)
names: dict[str, object] = {}
exec(example, names)
assert len(names["labels"]) == 300

command = Path(sys.executable).with_name("skclip")
for arguments in (["--version"], ["--help"], ["info", "photos.corpus"]):
    subprocess.run([command, *arguments], check=True)
