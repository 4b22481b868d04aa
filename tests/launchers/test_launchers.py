"""Every way in which users start a program: the same behaviour as without headrace, and a sensible report."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from environment import Environment
from harness import PROGRAMS, Audited, Ran, audit, clean_environment, headrace_command, run
from rows import note_identity, note_report

LAUNCHED = PROGRAMS / "launched"
PYTHON = sys.executable
TABLE = "Launchers"
TRAINING = str(LAUNCHED / "small_training.py")
# What differs between any two runs: process ids, ports, addresses, times of log lines.
VOLATILE = (
    (r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z", "DATE"),
    (r"\b[IWE]?\d{4} ?\d\d:\d\d:\d\d\.\d+ \d+", "DATE"),
    (r"\bpid[ =:(]*\d+", "pid N"),
    (r"0x[0-9a-f]{6,}", "0xN"),
    (r"\bport \d+|localhost:\d+|127\.0\.0\.1:\d+", "PORT"),
)


def masked(text: bytes) -> list[str]:
    """Output without what differs between any two runs; in order of the alphabet, because ranks print as they come."""
    plain = text.decode()
    for pattern, replacement in VOLATILE:
        plain = re.sub(pattern, replacement, plain)
    return sorted(plain.splitlines())


def same(command: Sequence[str], folder: Path, env: dict[str, str] | None = None, cwd: Path | None = None) -> Audited:
    """Asserts that a command behaves the same with and without headrace; returns the audit."""
    work = cwd or folder
    mine = {"PYTHONPATH": str(LAUNCHED), "HOME": str(folder)} | (env or {})
    plain = run(command, cwd=work, env=mine)
    audited = audit(command, home=folder / "home", cwd=work, env=mine)
    note_identity(plain, audited, masked)
    assert masked(audited.stdout) == masked(plain.stdout)
    assert masked(audited.stderr) == masked(plain.stderr)
    assert audited.returncode == plain.returncode
    assert plain.stdout
    return audited


def entries(audited: Audited) -> dict[str, float]:
    """The ledger's seconds."""
    return {entry["name"]: entry["seconds"] for entry in audited.report["ledger"]["entries"]}


def check_inside(audited: Audited, ranks: int = 1) -> None:
    """The training was seen: its wait is there, and little is unattributed."""
    report = audited.report
    note_report(report)
    assert audited.returncode == 0, audited.stderr.decode()
    assert report["run"]["outcome"] == "finished"
    assert len(report["ranks"]) == ranks
    for rank in report["ranks"]:
        found = {entry["name"]: entry["seconds"] for entry in rank["entries"]}
        assert found["input.wait"] > 0.3, found  # 59 batches of 4 samples that sleep 2 ms
        assert found["unattributed"] < 0.03 * rank["wall_seconds"], found


def check_outside(audited: Audited) -> None:
    """Nothing was seen inside, and the report says what the reason may be."""
    report = audited.report
    note_report(report)
    assert entries(audited)["unattributed"] == pytest.approx(report["ledger"]["wall_seconds"], rel=0.02)
    assert any("-S" in limit or "emptied environment" in limit for limit in report["limits"]), report["limits"]


@pytest.mark.row(TABLE, name="python -m package")
def test_module(tmp_path: Path) -> None:
    """`python -m package`."""
    check_inside(same([PYTHON, "-m", "small_package"], tmp_path))


@pytest.mark.row(TABLE, name="a console script")
def test_console_script(tmp_path: Path) -> None:
    """An entry point of an installed package: a script whose first line names the interpreter."""
    script = tmp_path / "bin" / "small-training"
    script.parent.mkdir()
    # As pip writes it where the interpreter's path holds a space: for the shell a command, for Python a string.
    begin = f"#!/bin/sh\n'''exec' {shlex.quote(PYTHON)} \"$0\" \"$@\"\n' '''\n"
    script.write_text(f"{begin}import sys\nfrom small_training import main\nsys.exit(main())\n")
    script.chmod(0o755)
    check_inside(same(["small-training"], tmp_path, {"PATH": f"{script.parent}:{os.environ['PATH']}"}))


@pytest.mark.row(TABLE, name="make train")
@pytest.mark.slow
def test_make(tmp_path: Path) -> None:
    """`make train`."""
    (tmp_path / "Makefile").write_text(f"train:\n\t{shlex.join([PYTHON, TRAINING])} made 60\n")
    check_inside(same(["make", "train"], tmp_path))


def test_program_in_another_folder(tmp_path: Path) -> None:
    """A script that changes its working directory first, recorded into the default folder, .headrace."""
    (tmp_path / "elsewhere").mkdir()
    line = f"cd elsewhere && exec {shlex.join([PYTHON, TRAINING])} elsewhere 60"
    command = [str(headrace_command()), "audit", "--quiet", "--", "sh", "-c", line]
    ran = run(command, cwd=tmp_path, env={"PYTHONPATH": str(LAUNCHED)})
    assert ran.returncode == 0, ran.stderr.decode()
    check_inside(Audited(ran.returncode, ran.stdout, ran.stderr, None, tmp_path / ".headrace"))


@pytest.mark.row(TABLE, name="a Python that executes another")
@pytest.mark.slow
def test_interpreter_that_executes_another(tmp_path: Path) -> None:
    """A Python that calls exec keeps its process id: the training after it is seen, as with `ray` and `uv run`."""
    script = tmp_path / "first.py"
    script.write_text(f"import os\nos.execv({PYTHON!r}, [{PYTHON!r}, {TRAINING!r}, 'second', '60'])\n")
    check_inside(same([PYTHON, str(script)], tmp_path))


@pytest.mark.row(TABLE, name="bash run.sh, two programs")
@pytest.mark.slow
def test_two_programs_after_each_other(tmp_path: Path) -> None:
    """`bash run.sh` with two programs: each has its ledger."""
    script = tmp_path / "run.sh"
    training = shlex.join([PYTHON, TRAINING])
    script.write_text(f"{training} first 60\necho between\n{training} second 90\n")
    check_inside(same(["bash", "run.sh"], tmp_path), ranks=2)


@pytest.mark.row(TABLE, name="torchrun, 2 ranks")
@pytest.mark.slow
def test_torchrun(tmp_path: Path) -> None:
    """torchrun as a console script, with two ranks."""
    torchrun = Path(PYTHON).with_name("torchrun")
    command = [str(torchrun), "--standalone", "--nproc-per-node", "2", TRAINING]
    check_inside(same(command, tmp_path), ranks=2)


@pytest.mark.row(TABLE, name="accelerate launch")
@pytest.mark.slow
@pytest.mark.needs("accelerate")
def test_accelerate_launch(environment: Environment, tmp_path: Path) -> None:
    """`accelerate launch` with one process on the CPU."""
    accelerate = str(environment.folder / "bin" / "accelerate")
    check_inside(same([accelerate, "launch", "--cpu", "--num_processes", "1", TRAINING], tmp_path))


@pytest.mark.row(TABLE, name="a notebook by nbconvert")
@pytest.mark.slow
@pytest.mark.needs("nbconvert", "ipykernel")
def test_notebook(environment: Environment, tmp_path: Path) -> None:
    """A notebook that is executed by nbconvert trains in its kernel, a process of its own."""
    cell: dict[str, Any] = {"cell_type": "code", "metadata": {}, "execution_count": None, "outputs": [], "id": "one"}
    cells = [cell | {"source": "from small_training import train\ntrain('cell', 60)"}]
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    notebook: dict[str, Any] = {"cells": cells, "metadata": {"kernelspec": kernel}, "nbformat": 4, "nbformat_minor": 5}
    (tmp_path / "training.ipynb").write_text(json.dumps(notebook))
    command = [environment.python, "-m", "nbconvert", "--to", "notebook", "--execute", "training.ipynb", "--stdout"]
    check_inside(same(command, tmp_path))


@pytest.mark.row(TABLE)
@pytest.mark.parametrize("flag", ["-S", "-I"], ids=["python -S", "python -I"])
def test_flags_without_a_shim(flag: str, tmp_path: Path) -> None:
    """An interpreter that reads no sitecustomize, or none of PYTHONPATH, runs as ever and is seen from outside."""
    check_outside(same([PYTHON, flag, "-c", "import time; time.sleep(0.3); print('slept')"], tmp_path))


@pytest.mark.row(TABLE, name="python -I with a training")
@pytest.mark.slow
def test_isolated_training(tmp_path: Path) -> None:
    """`-I` with a training: the report does not pretend to have seen it."""
    code = f"import sys; sys.path.insert(0, {str(LAUNCHED)!r}); import small_training; small_training.train('i', 20)"
    check_outside(same([PYTHON, "-I", "-c", code], tmp_path))


@pytest.mark.row(TABLE, name="env -i")
@pytest.mark.slow
def test_emptied_environment(tmp_path: Path) -> None:
    """`env -i`."""
    check_outside(same(["env", "-i", PYTHON, TRAINING], tmp_path))


@pytest.mark.row(TABLE, name="standard input from a pipe")
@pytest.mark.slow
def test_standard_input(tmp_path: Path) -> None:
    """What is piped in reaches the program whole."""
    command = [PYTHON, str(LAUNCHED / "asks.py")]
    text = "".join(f"line {number}\n" for number in range(70))
    environment = clean_environment({"PYTHONPATH": str(LAUNCHED)})
    line = [str(headrace_command()), "audit", "--quiet", "--dir", str(tmp_path / "home"), "--", *command]
    runs = [
        subprocess.run(each, input=text.encode(), capture_output=True, env=environment, cwd=tmp_path, check=False)
        for each in (command, line)
    ]
    plain, under = (Ran(each.returncode, each.stdout, each.stderr) for each in runs)
    note_identity(plain, under, masked)
    assert under.stdout == plain.stdout
    assert b"70 lines" in under.stdout
    check_inside(Audited(under.returncode, under.stdout, under.stderr, None, tmp_path / "home"))
