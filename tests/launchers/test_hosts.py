"""One training on two hosts, each with an audit of its own: here two network namespaces with a cable between them."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from harness import PROGRAMS, Audited, headrace_command, run
from rows import note_report
from truth_of_frameworks import check, load

NAMESPACES = ["unshare", "--user", "--map-root-user", "--net", "--uts"]


def why_not() -> str | None:
    """Why this machine cannot make a second host; nothing where it can."""
    for tool in ("unshare", "nsenter", "ip"):
        if shutil.which(tool) is None:
            return f"{tool} was not found"
    cable = "hostname node0 && ip link add v0 type veth peer name v1"
    tried = subprocess.run([*NAMESPACES, "sh", "-c", cable], capture_output=True, text=True, check=False)
    return None if tried.returncode == 0 else f"namespaces are not permitted: {tried.stderr.strip()}"


@pytest.mark.slow
@pytest.mark.alone
@pytest.mark.row("Frameworks", name="ddp on two hosts")
def test_two_hosts_are_shown_as_one(tmp_path: Path) -> None:
    """DDP over gloo: each host has its own run, and the report of both has both ledgers, each its rank's truth."""
    reason = why_not()
    if reason:
        pytest.skip(reason)
    truth = tmp_path / "truth"
    truth.mkdir()
    script = str(Path(__file__).with_name("two_hosts.sh"))
    command = [sys.executable, str(PROGRAMS / "frameworks" / "ddp.py"), "--truth", str(truth)]
    env = {"PYTHONPATH": str(PROGRAMS)}
    ran = run([*NAMESPACES, script, str(headrace_command()), *command], cwd=tmp_path, env=env)
    assert ran.returncode == 0, ran.stderr.decode()
    folders = [str(Audited(0, b"", b"", None, tmp_path / node).folder) for node in ("node1", "node0")]
    shown = run([str(headrace_command()), "report", *folders, "--json", "-"], cwd=tmp_path)
    assert shown.returncode == 0, shown.stderr.decode()
    report = json.loads(shown.stdout)
    note_report(report)
    assert [(ledger["rank"], ledger["host"]) for ledger in report["ranks"]] == [(0, "node0"), (1, "node1")]
    for ledger, true in zip(report["ranks"], load(truth), strict=True):
        check(ledger, true.entries)
    waited = "what they wait for the others stays in compute.backward"
    assert any(waited in limit for limit in report["limits"]), report["limits"]
