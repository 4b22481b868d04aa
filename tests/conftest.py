"""Which tests give a row of docs/programs.md and how they ended, for `make programs` (tests/python/rows.py)."""

from __future__ import annotations

import os
import platform
import sys
import time
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent / "python"))  # rows.py, also where it is not collected

import rows

ROOT = Path(__file__).resolve().parents[1]


WORKER = "PYTEST_XDIST_WORKER" in os.environ  # one of the processes that tools/run_tests has tests run in
_controls_workers = False


def pytest_sessionstart(session: pytest.Session) -> None:
    """When, with what."""
    global _controls_workers
    _controls_workers = not WORKER and session.config.getoption("numprocesses", None) is not None
    if not WORKER:
        version = (ROOT / "VERSION").read_text(encoding="utf-8").strip()
        # What tools/run_tests starts after each other is one run: that of its process.
        run = {"date": time.strftime("%Y-%m-%d", time.gmtime()), "parent": os.getppid()}
        rows.write({"session": run | {"python": platform.python_version(), "headrace": version}})


@pytest.hookimpl(tryfirst=True)  # before -k and -m take any away: a row that is not run is shown as such
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Notes every test that is marked `row`, under the name that the mark gives, otherwise that of its parameters."""
    for item in items:
        mark = item.get_closest_marker("row")
        if mark is not None:
            callspec = getattr(item, "callspec", None)
            name = mark.kwargs.get("name") or (callspec.id if callspec else item.name)
            rows.write({"test": item.nodeid, "row": [mark.args[0], name]})


def pytest_runtest_logstart(nodeid: str) -> None:
    """What an earlier session of the same file noted of the test no longer counts."""
    if not _controls_workers:  # the worker notes it, before what its test notes
        rows.write({"test": nodeid, "facts": {"attempt": 1}})


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Notes how a test ended, and why where it did not pass."""
    if not _controls_workers and (report.when == "call" or not report.passed):
        text = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longreprtext
        crash = getattr(getattr(report.longrepr, "reprcrash", None), "message", text)
        rows.write({"test": report.nodeid, "outcome": report.outcome, "reason": crash.split("\n")[0]})
