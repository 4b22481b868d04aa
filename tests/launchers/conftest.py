"""The environment with the frameworks is that of tests/frameworks; what is fast here needs only the checkout's own."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

TESTS = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(TESTS / "python"), str(TESTS / "frameworks")]

from environment import Environment, frameworks  # noqa: E402


@pytest.fixture(scope="session")
def environment() -> Environment:
    """The environment with the frameworks; made at the first use, which takes minutes."""
    return frameworks()


@pytest.fixture(autouse=True)
def packages(request: pytest.FixtureRequest) -> None:
    """Skips a test marked `needs` where a package could not be installed, with the reason."""
    for mark in request.node.iter_markers("needs"):
        found: Environment = request.getfixturevalue("environment")
        for package in mark.args:
            if package in found.missing:
                pytest.skip(f"{package}: {found.missing[package]}")
