"""The environments of the framework tests, made in .cache at their first use.

The one with the frameworks sees the checkout's packages, adds the versions of tools/versions-frameworks.txt, and never
holds a torch of its own; FRAMEWORKS in the environment names another one that is ready. The one with an older torch
holds that of tools/versions-older-torch.txt and sees nothing of the checkout's.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import os
import re
import subprocess
import sys
import sysconfig
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from shared import locked

ROOT = Path(__file__).resolve().parents[2]
VERSIONS = ROOT / "tools" / "versions-frameworks.txt"
FOLDER = ROOT / ".cache" / "frameworks"
OLDER_VERSIONS = ROOT / "tools" / "versions-older-torch.txt"
OLDER_FOLDER = ROOT / ".cache" / "older-torch"
FORBIDDEN = re.compile("torch|torchvision|triton|nvidia-.*")


@dataclass
class Environment:
    """A ready environment, and why packages are not in it."""

    folder: Path
    missing: dict[str, str] = field(default_factory=dict)

    @property
    def python(self) -> str:
        """Its interpreter."""
        return str(self.folder / "bin" / "python")


def packages(folder: Path) -> Path:
    """Where an environment's own packages lie."""
    name = f"python{sys.version_info[0]}.{sys.version_info[1]}"
    return folder / "lib" / name / "site-packages"


def wanted() -> list[str]:
    """What programs import: the first part of the list of versions."""
    first_part = VERSIONS.read_text().split("\n\n")[0]
    return [line for line in first_part.splitlines() if line and not line.startswith("#")]


def pip(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Installs into an environment."""
    line = [str(folder / "bin" / "python"), "-m", "pip", "install", "-q", "--disable-pip-version-check"]
    return subprocess.run([*line, *arguments], capture_output=True, text=True, check=False)


def reason(failed: subprocess.CompletedProcess[str]) -> str:
    """Why pip could not install something: the last of its errors."""
    errors = [line for line in failed.stderr.splitlines() if line.startswith("ERROR")]
    return errors[-1] if errors else "pip failed"


def once(folder: Path, versions: Path, make: Callable[[Path], dict[str, str]]) -> Environment:
    """The environment in a folder, made anew if it is not there, or is of other versions or another Python.

    `make` installs into the empty environment and gives the packages that it could not install, with the reasons.
    """
    stamp, missing = folder / "made-of.txt", folder / "missing.json"
    key = hashlib.sha256(versions.read_bytes() + sysconfig.get_path("purelib").encode()).hexdigest()
    folder.parent.mkdir(parents=True, exist_ok=True)
    with locked(folder.with_suffix(".lock")):
        if not (missing.exists() and stamp.exists() and stamp.read_text() == key):
            command = [sys.executable, "-m", "venv", "--clear", str(folder)]
            made = subprocess.run(command, capture_output=True, check=False)
            assert made.returncode == 0, made.stderr.decode()
            missing.write_text(json.dumps(make(folder)))
            stamp.write_text(key)
    return Environment(folder, json.loads(missing.read_text()))


def install_frameworks(folder: Path) -> dict[str, str]:
    """Installs the frameworks that can be installed: never another torch than the one that they see."""
    torch = folder / "torch.txt"
    torch.write_text(f"torch=={importlib.metadata.version('torch').split('+')[0]}\n")
    (packages(folder) / "checkout.pth").write_text(sysconfig.get_path("purelib") + "\n")
    whole = pip(folder, "-c", str(torch), "-r", str(VERSIONS))
    failed = {}
    for requirement in wanted() if whole.returncode else []:
        alone = pip(folder, "-c", str(torch), "-c", str(VERSIONS), requirement)
        if alone.returncode:
            failed[requirement.split("==")[0]] = reason(alone)
    forbidden = [name for name in installed(folder) if FORBIDDEN.fullmatch(name)]
    assert not forbidden, f"pip put {forbidden} into {folder}"
    return failed


def install_older_torch(folder: Path) -> dict[str, str]:
    """Installs all or nothing."""
    whole = pip(folder, "-r", str(OLDER_VERSIONS))
    return {"torch": reason(whole)} if whole.returncode else {}


def frameworks() -> Environment:
    """The environment with the frameworks."""
    if ready := os.environ.get("FRAMEWORKS"):
        folder = Path(ready)
        return Environment(folder, absent(folder))
    return once(FOLDER, VERSIONS, install_frameworks)


def older_torch() -> Environment:
    """The environment with the oldest torch that is tested."""
    return once(OLDER_FOLDER, OLDER_VERSIONS, install_older_torch)


def absent(folder: Path) -> dict[str, str]:
    """The packages that an environment made by somebody else does not have."""
    there = installed(folder)
    names = [requirement.split("==")[0] for requirement in wanted()]
    return {name: f"it is not in {folder}" for name in names if normal(name) not in there}


def installed(folder: Path) -> set[str]:
    """The distributions that an environment has of its own."""
    return {normal(found.name) for found in importlib.metadata.distributions(path=[str(packages(folder))])}


def normal(name: str) -> str:
    """A distribution's name as pip compares it."""
    return re.sub(r"[-_.]+", "-", name).lower()
