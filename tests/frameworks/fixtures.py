"""What tests get of the environments with other packages."""

from __future__ import annotations

import pytest
from environment import Environment, frameworks, older_torch


@pytest.fixture(scope="session")
def environment() -> Environment:
    """The environment with the frameworks; made at the first use, which takes minutes."""
    return frameworks()


@pytest.fixture(scope="session")
def older() -> Environment:
    """The environment with an older torch; made at the first use, which takes minutes."""
    found = older_torch()
    if found.missing:
        pytest.skip(f"torch: {found.missing['torch']}")
    return found


@pytest.fixture(autouse=True)
def packages(request: pytest.FixtureRequest) -> None:
    """Skips a test marked `needs` one of whose packages could not be installed here, with the reason."""
    for mark in request.node.iter_markers("needs"):
        found: Environment = request.getfixturevalue("environment")
        for package in mark.args:
            if package in found.missing:
                pytest.skip(f"{package}: {found.missing[package]}")
