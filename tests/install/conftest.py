"""One wheel for all install tests: built as a user's pip builds it, installed outside the checkout."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from audited import ROOT, clean_environment
from shared import made_once


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of this checkout."""

    def build(folder: Path) -> None:
        command = [sys.executable, "-m", "pip", "wheel", "--no-deps", "--wheel-dir", str(folder), str(ROOT)]
        built = subprocess.run(
            command, cwd=folder, env=clean_environment(), capture_output=True, text=True, check=False
        )
        assert built.returncode == 0, built.stdout + built.stderr

    (found,) = made_once(tmp_path_factory, "wheel", build).glob("*.whl")
    return found


@pytest.fixture(scope="session")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clean virtual environment outside the checkout that has the wheel and nothing else."""

    def install(folder: Path) -> None:
        environment = folder / "venv"
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(environment)], check=True)
        pip = [sys.executable, "-m", "pip", "--python", str(environment / "bin" / "python"), "install", "--quiet"]
        subprocess.run([*pip, "--no-index", "--no-deps", str(wheel)], env=clean_environment(), check=True)

    return made_once(tmp_path_factory, "installed", install) / "venv"
