"""The Pythons that are installed on this machine."""

from __future__ import annotations

import functools
import json
import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

EXPECTED_VERSIONS = ("3.10", "3.11", "3.12", "3.13", "3.14")
OLDEST = (3, 10)
NAME = re.compile(r"python3\.\d+t?")
ASK = """
import json, sys, sysconfig
free = bool(sysconfig.get_config_var("Py_GIL_DISABLED"))
cpython = sys.version.find("PyPy") < 0
sys.stdout.write(json.dumps([sys.executable, list(sys.version_info[:3]), free, cpython]))
"""


class Python(NamedTuple):
    """One interpreter."""

    executable: str
    version: tuple[int, ...]
    free_threaded: bool

    @property
    def text(self) -> str:
        """The version as people write it, for example 3.13.0 or 3.13.0t."""
        return ".".join(map(str, self.version)) + ("t" if self.free_threaded else "")


def candidates() -> Iterator[Path]:
    """Every file that may be an interpreter: of the system, on PATH, of pyenv, uv and conda."""
    home = Path.home()
    folders = [*map(Path, os.environ.get("PATH", "").split(":")), Path("/usr/bin"), Path("/usr/local/bin")]
    for pattern in (".pyenv/versions/*/bin", ".local/share/uv/python/*/bin", "*conda3/bin", "*conda3/envs/*/bin"):
        folders += sorted(home.glob(pattern))
    for folder in folders:
        yield from sorted(path for path in folder.glob("python3.*") if NAME.fullmatch(path.name))


@functools.cache
def find_all() -> tuple[Python, ...]:
    """Every CPython 3, each once, the oldest first."""
    found: dict[str, Python] = {}
    for candidate in candidates():
        try:
            answer = subprocess.run(
                [candidate, "-I", "-c", ASK], capture_output=True, text=True, timeout=60, check=True
            )
            executable, version, free_threaded, cpython = json.loads(answer.stdout)
        except (OSError, ValueError, subprocess.SubprocessError):
            continue  # a launcher of a version that is not there, and the like
        real = os.path.realpath(executable)
        if cpython:
            found.setdefault(real, Python(real, tuple(version), free_threaded))
    return tuple(sorted(found.values(), key=lambda python: (python.version, python.executable)))


def find_pythons() -> list[Python]:
    """Those that headrace audits from inside."""
    return [python for python in find_all() if python.version >= OLDEST and not python.free_threaded]


def find_absent() -> list[str]:
    """The versions that headrace audits from inside and that this machine does not have."""
    there = {f"{python.version[0]}.{python.version[1]}" for python in find_pythons()}
    return [version for version in EXPECTED_VERSIONS if version not in there]


def find_others() -> list[Python]:
    """Those that headrace can see from outside only, and must leave unharmed."""
    return [python for python in find_all() if python not in find_pythons()]
