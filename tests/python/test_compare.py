"""`headrace compare`: recorded runs side by side, and two commands by turns."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from harness import PROGRAMS, ROOT, audit, clean_environment, command_line, descendants, headrace_command

SCHEMA = json.loads((ROOT / "docs" / "formats" / "compare.schema.json").read_text(encoding="utf-8"))
EXAMPLE = ROOT / "examples" / "compare-on-github.yml"
WORK = 20  # matrix products in each step


def fixed_work(*arguments: str) -> list[str]:
    """The program whose steps do so much work."""
    return [sys.executable, str(PROGRAMS / "fixed_work.py"), *arguments]


@dataclass
class Compared:
    """What one `headrace compare` said."""

    exit_code: int
    document: dict[str, Any]
    text: str
    errors: str


def compare(folder: Path, *arguments: str) -> Compared:
    """Runs it in `folder`, with its home and a document there."""
    document = folder / "compare.json"
    document.unlink(missing_ok=True)
    command = [str(headrace_command()), "compare", "--dir", str(folder / "home"), "--json", str(document), *arguments]
    done = subprocess.run(
        command, cwd=folder, env=clean_environment(), capture_output=True, text=True, check=False, timeout=240
    )
    content: dict[str, Any] = json.loads(document.read_text(encoding="utf-8")) if document.exists() else {}
    if content:
        jsonschema.Draft202012Validator(SCHEMA).validate(content)
    return Compared(done.returncode, content, done.stdout, done.stderr)


def by_turns(folder: Path, one: Sequence[str], other: Sequence[str], *arguments: str) -> Compared:
    """Two commands."""
    return compare(folder, "--command", shlex.join(one), "--command", shlex.join(other), *arguments)


def kept_runs(folder: Path) -> list[str]:
    """Ids of the runs in its home, in the order in which they were made."""
    runs = folder / "home" / "runs"
    return sorted(path.name for path in runs.iterdir() if path.is_dir()) if runs.exists() else []


def test_a_slower_program_is_a_regression(tmp_path: Path) -> None:
    """The ratio is that of the planted work, the entry that took longer is named, and the runs are kept."""
    one = fixed_work("--work", str(WORK), "--evaluate")
    other = fixed_work("--work", str(5 * WORK), "--evaluate")
    compared = by_turns(tmp_path, one, other, "--runs", "3")
    assert compared.exit_code == 1, compared
    document = compared.document
    assert document["regression"] is True
    assert document["verdict"] == "slower"
    assert document["spread"] == "pairs"
    assert 0.15 < document["steps"]["ratio"] < 0.6  # 0.2 of what is planted; a step is a little more than that
    assert document["steps"]["high"] < 0.98
    assert document["work"] == {"trained": True, "steps": 60, "samples": 240, "evaluated": True}
    assert document["before"]["command"] == one
    assert document["after"]["command"] == other
    by_name = {entry["name"]: entry["difference_seconds"] for entry in document["entries"]}
    assert max(by_name, key=lambda name: by_name[name]) == "host"
    ids = [run["id"] for side in ("before", "after") for run in document[side]["runs"]]
    assert sorted(ids) == kept_runs(tmp_path)  # the one before them does not count
    assert "a regression, beyond the 2.0 % allowed" in " ".join(compared.text.split())
    assert compared.text.splitlines()[-1].endswith(document["after"]["runs"][-1]["id"])
    assert not list((tmp_path / "home" / "trials").iterdir())
    # Whoever came second in one pair comes first in the next.
    order = sorted(ids)
    turns = "".join("a" if any(run["id"] == one_id for run in document["before"]["runs"]) else "b" for one_id in order)
    assert turns == "abbaab"


def test_a_difference_that_is_allowed_is_none(tmp_path: Path) -> None:
    """The same program twice, with an allowance that no machine's noise reaches."""
    command = fixed_work("--work", "1", "--steps", "30")
    compared = by_turns(tmp_path, command, command, "--runs", "2", "--warmup", "0", "--max-regression", "90%")
    assert compared.exit_code == 0, compared
    assert compared.document["max_regression"] == 0.9
    assert compared.document["regression"] is False


def test_a_program_that_does_not_train(tmp_path: Path) -> None:
    """Only whole runs are compared then."""
    one, other = ([sys.executable, "-c", f"import time; time.sleep({seconds})"] for seconds in (0.1, 0.6))
    compared = by_turns(tmp_path, one, other, "--runs", "3", "--warmup", "0")
    assert compared.exit_code == 1, compared
    assert compared.document["steps"] is None
    assert compared.document["work"]["trained"] is False
    assert compared.document["run"]["high"] < 0.9


def recorded(folder: Path, *commands: Sequence[str]) -> list[str]:
    """Audits these commands one after the other; the ids of their runs."""
    ids: list[str] = []
    for command in commands:
        audit(command, home=folder / "home", cwd=folder)
        ids += [run for run in kept_runs(folder) if run not in ids]
    return ids


def test_recorded_runs(tmp_path: Path) -> None:
    """Groups are judged by what their runs differ by; single runs by what the machine has shown, or not at all."""
    quick, slow = fixed_work("--steps", "40"), fixed_work("--steps", "40", "--work", str(3 * WORK))
    a1, b1, a2, b2 = recorded(tmp_path, quick, slow, quick, slow)
    single = compare(tmp_path, a1, "--with", b1)
    assert single.exit_code == 3, single
    assert single.document["verdict"] == "unknown"
    assert single.document["steps"]["low"] is None
    assert single.document["deviation"] is None
    assert "is not known" in " ".join(single.text.split())
    groups = compare(tmp_path, a1, a2, "--with", b1, b2)
    assert groups.exit_code == 1, groups
    assert groups.document["spread"] == "groups"
    faster = compare(tmp_path, b1, b2, "--with", a1, a2)
    assert faster.exit_code == 0, faster
    assert faster.document["verdict"] == "faster"


def test_single_runs_by_what_the_machine_has_shown(tmp_path: Path) -> None:
    """Four equal runs are three differences: enough to judge one run of another program."""
    quick, slow = fixed_work("--steps", "60"), fixed_work("--steps", "60", "--work", str(20 * WORK))
    *equal, slower = recorded(tmp_path, quick, quick, quick, quick, quick, slow)
    judged = compare(tmp_path, equal[0], "--with", slower)
    assert judged.exit_code == 1, judged
    assert judged.document["spread"] == "machine"
    assert judged.document["deviation"] > 0
    # Without the two of them there are three, of which two differences are known: too little.
    assert compare(tmp_path, equal[0], "--with", equal[1]).exit_code == 3


def test_other_work_is_refused(tmp_path: Path) -> None:
    """And the sentence says what differs."""
    one, other = fixed_work("--work", "1", "--steps", "30"), fixed_work("--work", "1", "--steps", "31")
    compared = by_turns(tmp_path, one, other, "--runs", "2", "--warmup", "0")
    assert compared.exit_code == 2, compared
    assert re.search(r"run \S+ trained for 30 steps of 4 samples, run \S+ for 31 steps", compared.errors)
    assert not compared.document


def test_other_batches_of_the_same_samples_are_compared(tmp_path: Path) -> None:
    """A larger batch is what a user may want to compare."""
    one = fixed_work("--work", "1", "--steps", "60", "--batch", "4")
    other = fixed_work("--work", "1", "--steps", "30", "--batch", "8")
    compared = by_turns(tmp_path, one, other, "--runs", "2", "--warmup", "0", "--max-regression", "95%")
    assert compared.exit_code == 0, compared
    assert compared.document["work"]["steps"] is None
    assert compared.document["work"]["samples"] == 240


def test_a_command_that_fails(tmp_path: Path) -> None:
    """It is named, with its exit code and its last words."""
    compared = by_turns(tmp_path, fixed_work("--work", "1"), fixed_work("--work", "1", "--end", "5"))
    assert compared.exit_code == 3, compared
    assert re.search(r"not compared: .*--end 5 ended with exit code 5: it went wrong$", compared.errors.strip())


def test_commands_run_where_they_stand(tmp_path: Path) -> None:
    """What they write is written, in order; their input is empty and their output is not ours."""
    log = tmp_path / "log of runs"
    one, other = (fixed_work("--steps", "30", "--work", work, "--log", str(log)) for work in ("1", "2"))
    compared = by_turns(tmp_path, one, other, "--runs", "2", "--warmup", "1", "--max-regression", "95%", "--quiet")
    assert compared.exit_code == 0, compared
    assert [line.split() for line in log.read_text(encoding="utf-8").splitlines()] == [
        [work, "''"] for work in ("1", "1", "2", "2", "1")
    ]
    assert compared.text == ""
    assert compared.errors == ""


def test_the_document_alone_on_standard_output(tmp_path: Path) -> None:
    """With --json - nothing else is there."""
    command = shlex.join([sys.executable, "-c", "print('of the program')"])
    done = subprocess.run(
        [str(headrace_command()), "compare", "--json", "-", "--runs", "2", "--command", command, "--command", command],
        cwd=tmp_path,
        env=clean_environment({"HEADRACE_DIR": str(tmp_path / "home")}),
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    jsonschema.Draft202012Validator(SCHEMA).validate(json.loads(done.stdout))


def test_ctrl_c_ends_it_at_once(tmp_path: Path) -> None:
    """No process is left, the run that had ended is kept, the one that had not is gone."""
    quick, endless = [sys.executable, "-c", "pass"], [sys.executable, "-c", "import time; time.sleep(100)"]
    command = [str(headrace_command()), "compare", "--dir", str(tmp_path / "home"), "--warmup", "0"]
    for one in (quick, endless):
        command += ["--command", shlex.join(one)]
    with subprocess.Popen(
        command, cwd=tmp_path, env=clean_environment(), stderr=subprocess.PIPE, text=True, start_new_session=True
    ) as running:
        assert running.stderr is not None
        for line in running.stderr:
            if line.startswith("a 1 of 5"):
                break
        deadline = time.monotonic() + 30
        while not any(endless == command_line(pid) for pid in descendants(running.pid)):
            assert time.monotonic() < deadline
            time.sleep(0.05)
        children = descendants(running.pid)
        os.kill(running.pid, signal.SIGINT)
        rest = running.stderr.read()
    assert running.returncode == 128 + signal.SIGINT
    assert "interrupted: the runs that had ended are kept" in rest
    assert not [pid for pid in children if Path(f"/proc/{pid}").exists()]
    assert len(kept_runs(tmp_path)) == 1


def test_the_workflow_of_the_docs(tmp_path: Path) -> None:
    """Its command compares two checkouts that stand beside each other."""
    steps = EXAMPLE.read_text(encoding="utf-8")
    script = re.search(r"- name: Compare\n +run: \|\n((?: {10}.*\n)+)", steps)
    assert script is not None
    for side in ("old", "new"):
        (tmp_path / side).mkdir()
        shutil.copy(PROGRAMS / "fixed_work.py", tmp_path / side / "train.py")
    line = re.sub(r"--command", "--runs 2 --warmup 0 --command", script[1], count=1).replace("5%", "95%")
    path = f"{Path(sys.executable).parent}:{clean_environment()['PATH']}"
    done = subprocess.run(
        ["bash", "-c", line],
        cwd=tmp_path,
        env=clean_environment({"PATH": path}),
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
    )
    assert done.returncode == 0, done
    jsonschema.Draft202012Validator(SCHEMA).validate(json.loads((tmp_path / "compare.json").read_text("utf-8")))


@pytest.mark.slow
@pytest.mark.alone
@pytest.mark.parametrize(("planted", "least", "most"), [(1.0, 0, 1), (1.05, 18, 20)], ids=["equal", "slower"])
def test_twenty_sets(tmp_path: Path, planted: float, least: int, most: int) -> None:
    """Of 20 sets of equal runs at most one is an alarm; 18 of 20 planted regressions of 5 % are found."""
    one = fixed_work("--steps", "200", "--work", str(5 * WORK))
    other = fixed_work("--steps", "200", "--work", str(round(5 * WORK * planted)))
    alarms, ratios = 0, []
    for number in range(20):
        folder = tmp_path / str(number)
        folder.mkdir()
        compared = by_turns(folder, one, other)
        assert compared.exit_code in (0, 1), compared
        alarms += compared.exit_code
        steps = compared.document["steps"]
        ratios.append(f"{steps['ratio']:.3f} ({steps['low']:.3f} to {steps['high']:.3f})")
    assert least <= alarms <= most, ratios
