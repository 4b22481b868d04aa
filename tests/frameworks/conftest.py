"""One environment with the real frameworks for all tests of this folder, and for those of tests/launchers."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "python"))  # harness.py, also where it is not collected

from environment import Environment, frameworks

_made: list[Environment] = []


@pytest.fixture(scope="session")
def environment() -> Environment:
    """The environment; made at the first use, which takes minutes."""
    _made.append(frameworks())
    return _made[-1]


@pytest.fixture(autouse=True)
def packages(request: pytest.FixtureRequest, environment: Environment) -> None:
    """Skips a test marked `needs` one of whose packages could not be installed here, with the reason."""
    for mark in request.node.iter_markers("needs"):
        for package in mark.args:
            if package in environment.missing:
                pytest.skip(f"{package}: {environment.missing[package]}")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Names the packages that are not there."""
    for package, reason in (_made[-1].missing if _made else {}).items():
        terminalreporter.line(f"{package} could not be installed, its tests were skipped: {reason}")
