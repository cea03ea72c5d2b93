"""``skclip`` on the command line: it parses, calls the Python API, and prints."""

from skclip.cli._main import main

__all__ = ["main"]
