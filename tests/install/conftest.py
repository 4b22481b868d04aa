"""One wheel for all install tests: built as a user's pip builds it, installed outside the checkout."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from audited import ROOT, clean_environment
from pythons import EXPECTED_VERSIONS, find_pythons


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of this checkout."""
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "pip", "wheel", "--no-deps", "--wheel-dir", str(folder), str(ROOT)]
    built = subprocess.run(command, cwd=folder, env=clean_environment(), capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stdout + built.stderr
    (found,) = folder.glob("*.whl")
    return found


@pytest.fixture(scope="session")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clean virtual environment outside the checkout that has the wheel and nothing else."""
    environment = tmp_path_factory.mktemp("installed") / "venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(environment)], check=True)
    pip = [sys.executable, "-m", "pip", "--python", str(environment / "bin" / "python"), "install", "--quiet"]
    subprocess.run([*pip, "--no-index", "--no-deps", str(wheel)], env=clean_environment(), check=True)
    return environment


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Names the Pythons that were audited, and the versions that this machine does not have."""
    if not any("test_every_python" in str(r.nodeid) for r in terminalreporter.stats.get("passed", [])):
        return
    found = find_pythons()
    absent = [v for v in EXPECTED_VERSIONS if not any(f"{p.version[0]}.{p.version[1]}" == v for p in found)]
    terminalreporter.section("Pythons audited by the one installed headrace", sep="-")
    for python in found:
        terminalreporter.line(f"audited: {python.text}  {python.executable}")
    for version in absent:
        terminalreporter.line(f"absent:  {version} is not on this machine and was not tested")
