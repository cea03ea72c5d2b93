"""``python -m skclip`` is the command ``skclip``."""

import sys

from skclip.cli import main

if __name__ == "__main__":
    sys.exit(main())
