"""Torch and strict arrays in, the same out: see ``array_api_checks.py``, which runs here."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from skclip._compat import SUPPORTS_ARRAY_API

CHECKS = Path(__file__).with_name("array_api_checks.py")


@pytest.mark.skipif(not SUPPORTS_ARRAY_API, reason="needs scikit-learn >= 1.9")
def test_checks_pass_where_scipy_dispatches_too():
    # scikit-learn asks for this variable before scipy is imported, which other tests do without it
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", str(CHECKS)],
        env={**os.environ, "SCIPY_ARRAY_API": "1"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
