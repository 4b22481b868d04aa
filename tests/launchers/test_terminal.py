"""Programs on a terminal: a progress bar, a debugger's prompt, and job control by the user's shell."""

from __future__ import annotations

import re
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
from environment import Environment
from harness import PROGRAMS, Audited, clean_environment, headrace_command
from rows import note
from terminal import Terminal

LAUNCHED = PROGRAMS / "launched"
PYTHON = sys.executable
SHELL = ["bash", "--norc", "--noprofile", "-i"]
PROMPT = "ready> "
TABLE = "Launchers"


def command_of(program: str, home: Path | None, python: str = PYTHON) -> list[str]:
    """The command line, with headrace where a home is given."""
    line = [python, str(LAUNCHED / program)]
    if home is None:
        return line
    return [str(headrace_command()), "audit", "--quiet", "--dir", str(home), "--", *line]


def on_terminal(command: Sequence[str], cwd: Path) -> Terminal:
    """Starts a command on a terminal."""
    more = {"PYTHONPATH": str(LAUNCHED), "TERM": "dumb", "COLUMNS": "80", "PS1": PROMPT}
    environment = clean_environment(more)
    return Terminal(command, cwd, environment | {"BASH_SILENCE_DEPRECATION_WARNING": "1"})


def without_rates(shown: str) -> str:
    """A bar without its times, rates and the number of its frames: only the last frame."""
    last = re.split(r"[\r\n]+", shown.strip())
    return "\n".join(
        re.sub(r"\|.*?\|", "|bar|", re.sub(r"\[.*?\]", "[T]", line))
        for line in last
        if "100%" in line or "terminal" in line
    )


def outcome(home: Path) -> dict[str, float]:
    """The ledger of an audit on a terminal."""
    report = Audited(0, b"", b"", None, home).report
    return {entry["name"]: entry["seconds"] for entry in report["ledger"]["entries"]}


def test_colours(tmp_path: Path) -> None:
    """They are for a terminal that has them, and for a user who wants them."""
    command = [str(headrace_command()), "audit", "--dir", str(tmp_path / "home"), "--", "true"]
    coloured = {}
    for name, more in {"wanted": {}, "not": {"NO_COLOR": "1"}, "dumb": {"TERM": "dumb"}}.items():
        with Terminal(command, tmp_path, clean_environment({"TERM": "xterm"} | more)) as terminal:
            assert terminal.end() == 0
            assert "Ledger" in terminal.shown or "Next" in terminal.shown
            coloured[name] = "\x1b[" in terminal.shown
    assert coloured == {"wanted": True, "not": False, "dumb": False}


@pytest.mark.row(TABLE, name="a progress bar on a terminal")
@pytest.mark.slow
@pytest.mark.needs("transformers")
def test_progress_bar(environment: Environment, tmp_path: Path) -> None:
    """tqdm sees a terminal and draws the same last frame."""
    shown = []
    for home in (None, tmp_path / "home"):
        with on_terminal(command_of("bar.py", home, environment.python), tmp_path) as terminal:
            assert terminal.end() == 0, terminal.shown
            shown.append(without_rates(terminal.shown))
    note(identical=shown[0] == shown[1])
    assert shown[0] == shown[1]
    assert "terminal True" in shown[1]
    assert "40/40" in shown[1]
    found = outcome(tmp_path / "home")
    assert found["logging"] > 0
    assert found["unattributed"] == 0


@pytest.mark.row(TABLE, name="a debugger's prompt")
@pytest.mark.slow
def test_debugger_prompt(tmp_path: Path) -> None:
    """breakpoint() asks, takes what is typed, and the program goes on."""
    shown = []
    for home in (None, tmp_path / "home"):
        with on_terminal(command_of("stops.py", home), tmp_path) as terminal:
            terminal.expect(r"\(Pdb\) ")
            terminal.type("answer + 1\n")
            assert "tensor(42)" in terminal.expect(r"\(Pdb\) ")
            terminal.type("where\n")
            terminal.expect(r"\(Pdb\) ")
            terminal.type("answer = answer + 2\n")
            terminal.expect(r"\(Pdb\) ")
            terminal.type("continue\n")
            terminal.expect("answer 43")
            assert terminal.end() == 0, terminal.shown
            shown.append(terminal.shown)
    note(identical=shown[0] == shown[1])
    assert shown[0] == shown[1]


@pytest.mark.row(TABLE, name="Ctrl-C")
@pytest.mark.slow
def test_interrupt(tmp_path: Path) -> None:
    """Ctrl-C goes to the program once, and it ends as ever."""
    ends = []
    for home in (None, tmp_path / "home"):
        with on_terminal(command_of("waits.py", home), tmp_path) as terminal:
            terminal.expect("ready")
            terminal.type("\x03")
            terminal.expect("KeyboardInterrupt")
            ends.append((abs(terminal.end()) % 128, terminal.shown.count("KeyboardInterrupt")))
    note(identical=ends[0] == ends[1])
    assert ends[0] == ends[1]


@pytest.mark.row(TABLE, name="Ctrl-Z and fg")
@pytest.mark.slow
def test_job_control(tmp_path: Path) -> None:
    """Ctrl-Z stops the program and gives the shell back, fg goes on, and the shell sees the program's exit code."""
    shown = []
    for home in (None, tmp_path / "home"):
        with on_terminal(SHELL, tmp_path) as shell:
            shell.expect(PROMPT)
            shell.type(shlex.join(command_of("waits.py", home)) + "\n")
            shell.expect(r"\nready")
            shell.type("\x1a")
            shell.expect("Stopped")
            shell.expect(PROMPT)
            shell.type("jobs | wc -l\n")
            shell.expect(r"\n1\r")
            shell.expect(PROMPT)
            shell.type("fg\n")
            shell.expect("foreground True turns many")
            shell.expect("ended: loss")
            shell.expect(PROMPT)
            shell.type("echo code $?\n")
            shown.append(shell.expect(r"\ncode \d+").split()[-1])
            shell.type("exit\n")
            assert shell.end() == 0
    note(identical=shown[0] == shown[1])
    assert shown == ["3", "3"]
    assert outcome(tmp_path / "home")["unattributed"] == 0
