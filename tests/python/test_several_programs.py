"""Several trainings in one run, and one training in several runs."""

from __future__ import annotations

import json
import shlex
import subprocess
from pathlib import Path
from typing import Any

import pytest
from harness import audit, headrace_command, program


def report_of(*runs: Path, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Shows stored runs as JSON."""
    command = [str(headrace_command()), "report", *map(str, runs), "--json", "-"]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)


def test_programs_after_each_other_have_a_ledger_each(tmp_path: Path) -> None:
    """A shell script that trains twice."""
    first = program("endings.py", "--step-ms", "4")
    second = program("endings.py", "--step-ms", "9")
    audited = audit(["sh", "-c", f"{shlex.join(first)} && {shlex.join(second)}"], home=tmp_path / "home", cwd=tmp_path)
    assert audited.returncode == 0, audited.stderr.decode()
    ledgers = audited.report["ranks"]
    assert [ledger["command"] for ledger in ledgers] == [" ".join(first), " ".join(second)]
    for ledger in ledgers:
        assert sum(e["seconds"] for e in ledger["entries"]) == pytest.approx(ledger["wall_seconds"], rel=1e-3)
    host = [next(e["seconds"] for e in ledger["entries"] if e["name"] == "host") for ledger in ledgers]
    assert 59 * 4e-3 <= host[0] < 59 * 9e-3 <= host[1]  # each step sleeps in the loop; the first step is start-up


def test_machines_are_shown_as_one(tmp_path: Path) -> None:
    """One audit for each machine: here two folders, and the ranks from the environment as a launcher sets them."""
    runs = []
    for rank in (1, 0):
        folder = tmp_path / f"node{rank}"
        folder.mkdir()
        audited = audit(program("endings.py"), home=folder / "home", cwd=folder, env={"RANK": str(rank)})
        assert audited.returncode == 0, audited.stderr.decode()
        runs.append(audited.folder)
    shown = report_of(*runs, cwd=tmp_path)
    assert shown.returncode == 0, shown.stderr
    document: dict[str, Any] = json.loads(shown.stdout)
    assert [ledger["rank"] for ledger in document["ranks"]] == [0, 1]
    assert document["ledger"] == document["ranks"][0]
    assert document["run"]["id"] == runs[1].name
    assert document["run"]["ranks"] == 2

    again = report_of(runs[0], runs[0], cwd=tmp_path)
    assert again.returncode == 2
    assert "holds rank 1 as another one does" in again.stderr
