"""Runs the small program with and without an installed headrace, and checks what must hold for every Python."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = Path(__file__).resolve().parent / "program.py"


def clean_environment() -> dict[str, str]:
    """The environment without what could lead a Python or headrace back to the checkout."""
    ours = ("PYTHON", "HEADRACE", "VIRTUAL_ENV", "COVERAGE", "CMAKE")
    return {key: value for key, value in os.environ.items() if not key.startswith(ours)}


def make_environment(python: str, folder: Path) -> Path:
    """A fresh virtual environment of a Python; gives its interpreter."""
    subprocess.run([python, "-m", "venv", "--without-pip", str(folder)], env=clean_environment(), check=True)
    return folder / "bin" / "python"


def run(command: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    """Runs a command in a folder outside the checkout, in a clean environment."""
    return subprocess.run(
        command, cwd=folder, env=clean_environment(), capture_output=True, text=True, timeout=300, check=False
    )


def audit(headrace: list[str], python: Path, folder: Path, code: int = 0) -> dict[str, Any]:
    """Audits the program, checks that it behaves as without headrace, and gives the report."""
    folder.mkdir(exist_ok=True)
    program = folder / "program.py"
    program.write_bytes(PROGRAM.read_bytes())
    command = [str(python), str(program), str(code)]
    plain = run(command, folder)
    report = folder / "report.json"
    watched = run([*headrace, "audit", "--quiet", "--json", str(report), "--", *command], folder)
    assert (watched.returncode, watched.stdout, watched.stderr) == (plain.returncode, plain.stdout, plain.stderr)
    assert plain.returncode == code
    document: dict[str, Any] = json.loads(report.read_text(encoding="utf-8"))
    assert document["schema"] == "headrace.report/1"
    assert document["run"]["exit_code"] == code
    assert document["run"]["outcome"] == ("failed" if code else "finished")
    entries = document["ledger"]["entries"]
    total = sum(entry["seconds"] for entry in entries)
    wall = document["ledger"]["wall_seconds"]
    assert abs(total - wall) <= 0.001 * wall, "the ledger does not sum to the wall time"
    return document


def seconds(document: dict[str, Any], entry: str) -> float:
    """One entry of the ledger."""
    (found,) = [float(e["seconds"]) for e in document["ledger"]["entries"] if e["name"] == entry]
    return found
