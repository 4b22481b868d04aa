"""The environment of the framework tests: a virtual environment that sees the checkout's packages and adds its own.

It is made at the first use in .cache/frameworks, of the versions in tools/versions-frameworks.txt, and never holds a
torch of its own. FRAMEWORKS in the environment names another one that is ready.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import os
import re
import subprocess
import sys
import sysconfig
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
VERSIONS = ROOT / "tools" / "versions-frameworks.txt"
FOLDER = ROOT / ".cache" / "frameworks"
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
    """Installs into an environment: never another torch than the one that it sees."""
    torch = folder / "torch.txt"
    torch.write_text(f"torch=={importlib.metadata.version('torch').split('+')[0]}\n")
    line = [str(folder / "bin" / "python"), "-m", "pip", "install", "-q", "--disable-pip-version-check"]
    return subprocess.run([*line, "-c", str(torch), *arguments], capture_output=True, text=True, check=False)


def make(folder: Path) -> None:
    """Makes the environment anew and installs what can be installed."""
    made = subprocess.run([sys.executable, "-m", "venv", "--clear", str(folder)], capture_output=True, check=False)
    assert made.returncode == 0, made.stderr.decode()
    (packages(folder) / "checkout.pth").write_text(sysconfig.get_path("purelib") + "\n")
    whole = pip(folder, "-r", str(VERSIONS))
    failed = []
    for requirement in wanted() if whole.returncode else []:
        alone = pip(folder, "-c", str(VERSIONS), requirement)
        if alone.returncode:
            reason = [line for line in alone.stderr.splitlines() if line.startswith("ERROR")]
            failed.append(f"{requirement}\t{reason[-1] if reason else 'pip failed'}")
    forbidden = [name for name in installed(folder) if FORBIDDEN.fullmatch(name)]
    assert not forbidden, f"pip put {forbidden} into {folder}"
    (folder / "missing.txt").write_text("".join(line + "\n" for line in failed))


def frameworks() -> Environment:
    """The environment, made now if it is not there or is of other versions."""
    if ready := os.environ.get("FRAMEWORKS"):
        folder = Path(ready)
        return Environment(folder, absent(folder))
    python = sysconfig.get_path("purelib")
    stamp = FOLDER / "made-of.txt"
    key = hashlib.sha256(VERSIONS.read_bytes() + python.encode()).hexdigest()
    if not stamp.exists() or stamp.read_text() != key:
        FOLDER.parent.mkdir(parents=True, exist_ok=True)
        make(FOLDER)
        stamp.write_text(key)
    missing = dict(line.split("\t", 1) for line in (FOLDER / "missing.txt").read_text().splitlines())
    return Environment(FOLDER, {name.split("==")[0]: reason for name, reason in missing.items()})


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
