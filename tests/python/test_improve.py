"""`headrace improve`: what it proves is faster, nothing else is written, and `headrace apply` keeps it."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from harness import PROGRAMS, ROOT, clean_environment, command_line, descendants, headrace_command

pytestmark = pytest.mark.alone
SCHEMAS = {
    name: json.loads((ROOT / "docs" / "formats" / f"{name}.schema.json").read_text(encoding="utf-8"))
    for name in ("improve", "trial")
}
PROGRAM = "slow_samples.py"


@dataclass
class Improved:
    """What one `headrace improve` left."""

    exit_code: int
    text: str
    errors: str
    document: dict[str, Any]


def improve(folder: Path, budget: str, *arguments: str, options: tuple[str, ...] = ()) -> Improved:
    """Runs it on the program in `folder`, which becomes its working directory."""
    document = folder.parent / "improve.json"
    document.unlink(missing_ok=True)
    home = ["--dir", str(folder.parent / "home"), "--json", str(document), "--budget", budget]
    command = [str(headrace_command()), "improve", *home, *options, "--", sys.executable, PROGRAM, *arguments]
    done = subprocess.run(
        command, cwd=folder, env=clean_environment(), capture_output=True, text=True, check=False, timeout=400
    )
    content: dict[str, Any] = json.loads(document.read_text(encoding="utf-8")) if document.exists() else {}
    if content:
        jsonschema.Draft202012Validator(SCHEMAS["improve"]).validate(content)
        for trial in content["trials"]:
            jsonschema.Draft202012Validator(SCHEMAS["trial"]).validate(trial)
    return Improved(done.returncode, done.stdout, done.stderr, content)


def run(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """A short run of the program, by these words before it."""
    command = [*words, sys.executable, PROGRAM, "--epochs", "2", "--log", os.devnull]
    return subprocess.run(
        command, cwd=folder, env=clean_environment(), capture_output=True, text=True, check=False, timeout=120
    )


def files_in(folder: Path) -> dict[str, bytes]:
    """Every file, with what is in it."""
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


@pytest.fixture
def work(tmp_path: Path) -> Iterator[Path]:
    """A folder with the program in it."""
    folder = tmp_path / "work"
    folder.mkdir()
    shutil.copy(PROGRAMS / PROGRAM, folder)
    yield folder


def test_storage_that_workers_hide(work: Path) -> None:
    """It finds workers, proves them, and apply and the diff give the same program that trains in the same order."""
    source = (work / PROGRAM).read_text(encoding="utf-8")
    (work / "headrace.toml").write_text("mine", encoding="utf-8")  # it may have been edited: nothing is lost
    improved = improve(work, "100s")
    assert improved.exit_code == 0, improved
    assert improved.document["seconds"] <= improved.document["budget_seconds"]
    assert sorted(path.name for path in work.iterdir()) == [
        "headrace.diff",
        "headrace.toml",
        "headrace.toml.old",
        PROGRAM,
    ]
    assert (work / "headrace.toml.old").read_text(encoding="utf-8") == "mine"
    assert "the one before is headrace.toml.old" in improved.text
    assert (work / PROGRAM).read_text(encoding="utf-8") == source
    proven = improved.document["proven"]
    # Where a pass is seen to give the same samples again, a cache of them may win on top.
    assert [fix["fix"] for fix in proven] in (["input.workers"], ["input.workers", "prep.cache"])
    assert proven[0]["changes"] == "random_streams"
    assert proven[0]["measured"]["low"] > 1.5, improved  # 17 ms of waiting in a step of 18
    assert improved.document["together"] is not None
    assert len(improved.document["trials"][0]["pairs"]) >= 2
    plain, applied = run(work), run(work, str(headrace_command()), "apply", "--quiet", "--")
    workers = re.search(r"num_workers=(\d+)", proven[0]["arguments"])
    assert workers is not None
    assert int(workers[1]) > 0
    assert plain.stdout.splitlines()[0].startswith("workers 0 ")
    assert applied.stdout.splitlines()[0].startswith(f"workers {workers[1]} ")
    assert applied.stdout.splitlines()[1] == plain.stdout.splitlines()[1]
    subprocess.run(["patch", "-p0", "-i", "headrace.diff"], cwd=work, check=True, capture_output=True)
    assert run(work).stdout.splitlines()[0] == applied.stdout.splitlines()[0]


def test_nothing_to_win(work: Path) -> None:
    """A step that only waits by itself: nothing is written, and that is said."""
    before = files_in(work)
    improved = improve(work, "60s", "--wait-ms", "0", "--step-ms", "15")
    assert improved.exit_code == 0, improved
    assert improved.document["proven"] == []
    assert improved.document["together"] is None
    assert "Nothing that was measured is surely faster" in improved.text
    assert files_in(work) == before


def test_ctrl_c_leaves_nothing(work: Path) -> None:
    """No file, no process, and its exit code says so."""
    before = files_in(work)
    command = [str(headrace_command()), "improve", "--dir", str(work.parent / "home"), "--", sys.executable, PROGRAM]
    with subprocess.Popen(
        command, cwd=work, env=clean_environment(), stderr=subprocess.PIPE, text=True, start_new_session=True
    ) as running:
        assert running.stderr is not None
        deadline = time.monotonic() + 60
        while not any(PROGRAM in command_line(pid) for pid in descendants(running.pid)):
            assert time.monotonic() < deadline
            time.sleep(0.05)
        children = descendants(running.pid)
        running.send_signal(signal.SIGINT)
        rest = running.stderr.read()
    assert running.returncode == 128 + signal.SIGINT
    assert "interrupted: nothing was written" in rest
    assert not [pid for pid in children if Path(f"/proc/{pid}").exists()]
    assert files_in(work) == before


@pytest.mark.parametrize(
    ("words", "code", "sentence"),
    [
        (["--budget", "10s", "--", "true"], 2, "--budget is '10s': give a time from 30s to 168h, for example 10m"),
        (["--budget", "soon", "--", "true"], 2, "--budget is 'soon'"),
        (["--allow", "all", "--", "true"], 2, "--allow is 'all': give numerics, or semantics"),
        ([], 2, "no program was given to improve"),
        (["--", "no-such-program"], 127, "no-such-program"),
        (["--", "true"], 3, "nothing proven: no training with a DataLoader was seen"),
        (["--", "sh", "-c", "echo it went wrong; exit 4"], 3, "ended with exit code 4; its last words: it went wrong"),
    ],
)
def test_bad_input(work: Path, words: list[str], code: int, sentence: str) -> None:
    """One sentence, and nothing is written."""
    before = files_in(work)
    command = [str(headrace_command()), "improve", "--quiet", "--dir", str(work.parent / "home"), *words]
    done = subprocess.run(
        command, cwd=work, env=clean_environment(), capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == code, done
    assert sentence in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert files_in(work) == before
