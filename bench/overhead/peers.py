"""The virtual environment that the peers live in, beside the checkout's own and on top of it."""

from __future__ import annotations

import subprocess
import sys
import sysconfig
from pathlib import Path

from common import ROOT

LIST = Path(__file__).with_name("peers.txt")
FOLDER = ROOT / ".cache" / "bench" / "overhead" / "venv"


def pinned(peer: str, text: str) -> list[str]:
    """The packages that peers.txt, or the text given, lists for a peer."""
    lines = (line.split() for line in text.splitlines() if not line.startswith("#"))
    return [line[1] for line in lines if line[:1] == [peer]]


def version(case: str) -> str:
    """A peer's package with its version; any other case's own name."""
    return next(iter(pinned(case, LIST.read_text(encoding="utf-8"))), case)


class Environment:
    """A virtual environment that sees the packages of the Python that runs the benchmark, torch among them.

    Every case of a comparison runs with its `python`, the plain program too.
    """

    def __init__(self, folder: Path = FOLDER) -> None:
        self.folder = folder
        self.python = folder / "bin" / "python"
        if not self.python.exists():
            subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True)
        (packages,) = folder.glob("lib/python*/site-packages")
        (packages / "checkout.pth").write_text(sysconfig.get_path("purelib") + "\n", encoding="utf-8")

    def command(self, name: str) -> str:
        """The path of a command that a peer has installed."""
        return str(self.folder / "bin" / name)

    def install(self, peer: str) -> str | None:
        """Installs a peer unless it is there already; gives the reason when that is not possible."""
        wanted = pinned(peer, LIST.read_text(encoding="utf-8"))
        stamp = self.folder / f"{peer}.installed"
        if stamp.exists() and stamp.read_text(encoding="utf-8").split() == wanted:
            return None
        pip = [sys.executable, "-m", "pip", "--python", str(self.python), "install", "--quiet"]
        done = subprocess.run([*pip, "--no-deps", *wanted], capture_output=True, text=True, check=False)
        if done.returncode:
            errors = [line for line in done.stderr.splitlines() if line.startswith("ERROR")]
            return f"could not be installed: {errors[-1] if errors else 'pip gave no reason'}"
        stamp.write_text("\n".join(wanted), encoding="utf-8")
        return None
