"""Pytest plugin: adds what was skipped to the file ``$SKIPPED``, to be run with more installed.

    SKIPPED=/tmp/skipped PYTHONPATH=.ci pytest -p skipped
    sort -u -o /tmp/skipped /tmp/skipped
    pytest @/tmp/skipped

Every process of pytest-xdist adds to the file, so that lines occur more than once.
"""

import os

import pytest


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Note a test that skipped itself or was marked."""
    if report.skipped and not hasattr(report, "wasxfail"):
        _note(report.nodeid)


def pytest_collectreport(report: pytest.CollectReport) -> None:
    """Note a module that was skipped whole."""
    if report.skipped:
        _note(report.nodeid)


def _note(name: str) -> None:
    with open(os.environ["SKIPPED"], "a", encoding="utf-8") as file:
        file.write(f"{name}\n")
