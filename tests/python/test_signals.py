"""A signal reaches the program as often as without headrace, whoever of its process group it was sent to."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from harness import audit, clean_environment, command_line, descendants, headrace_command, run

COUNTS = """
import os, signal, sys, time
got = []
for number in (signal.SIGUSR1, signal.SIGUSR2, signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCONT):
    signal.signal(number, lambda number, frame: got.append(int(number)))
with open("ready.new", "w") as file:
    file.write(str(os.getpid()))
os.rename("ready.new", "ready")
until = time.monotonic() + 60
while not os.path.exists("enough") and not (len(sys.argv) > 1 and got) and time.monotonic() < until:
    time.sleep(0.01)
time.sleep(0.4)  # what comes twice comes now
print(got)
"""
LEAVES = COUNTS.replace("got = []", "got = []; os.setpgid(0, 0)", 1)
Send = Callable[[subprocess.Popen[bytes]], None]


def got(cwd: Path, send: Send, audited: bool) -> str:
    """Which signals the program says that it got."""
    command = [sys.executable, "-c", COUNTS]

    def interrupt(process: subprocess.Popen[bytes]) -> None:
        while not (cwd / "ready").exists() and process.poll() is None:
            time.sleep(0.01)
        send(process)
        time.sleep(0.2)
        (cwd / "enough").touch()

    cwd.mkdir()
    if audited:
        ended = audit(command, home=cwd / "home", cwd=cwd, while_running=interrupt)
        return ended.stdout.decode()
    return run(command, cwd=cwd, while_running=interrupt).stdout.decode()


def to_group(*numbers: int) -> Send:
    """Sends signals to the whole process group, some time apart."""

    def send(process: subprocess.Popen[bytes]) -> None:
        for number in numbers:
            os.killpg(process.pid, number)
            time.sleep(0.1)

    return send


def to_headrace(*numbers: int) -> Send:
    """Sends signals to the one process that whoever started it knows, some time apart."""

    def send(process: subprocess.Popen[bytes]) -> None:
        for number in numbers:
            os.kill(process.pid, number)
            time.sleep(0.1)

    return send


def to_both(number: int) -> Send:
    """Sends to the one and to the group at once, as timeout(1) does, and later to the one again."""

    def send(process: subprocess.Popen[bytes]) -> None:
        os.kill(process.pid, number)
        os.killpg(process.pid, number)
        time.sleep(0.2)
        os.kill(process.pid, number)

    return send


def stopped(continued: Send) -> Send:
    """Stops the group, goes on as told, and sends a signal to the one."""

    def send(process: subprocess.Popen[bytes]) -> None:
        os.killpg(process.pid, signal.SIGSTOP)
        time.sleep(0.1)
        continued(process)
        time.sleep(0.1)
        os.kill(process.pid, signal.SIGUSR1)

    return send


@pytest.mark.parametrize(
    ("send", "expected"),
    [
        (to_group(signal.SIGUSR1), [10]),
        (to_group(signal.SIGTERM, signal.SIGUSR2, signal.SIGTERM, signal.SIGHUP), [15, 12, 15, 1]),
        (to_headrace(signal.SIGTERM), [15]),
        (to_headrace(signal.SIGUSR1, signal.SIGUSR1, signal.SIGUSR2), [10, 10, 12]),
        (stopped(to_group(signal.SIGCONT)), [18, 10]),
        (stopped(to_headrace(signal.SIGCONT)), None),
    ],
    ids=["group", "group-often", "alone", "alone-often", "stopped", "stopped-and-continued-alone"],
)
def test_a_signal_is_got_as_often_as_without_headrace(send: Send, expected: list[int] | None, tmp_path: Path) -> None:
    """Once each; where only headrace is told to go on, the program is handed that too."""
    audited = got(tmp_path / "audited", send, audited=True)
    if expected is None:  # the kernel keeps the program stopped where nobody tells it to go on
        expected = [18, 10]
    else:
        assert got(tmp_path / "plain", send, audited=False) == f"{expected}\n"
    assert audited == f"{expected}\n"


def found_by(pattern: str, number: int) -> Send:
    """Sends to each process of the session whose name or command line has the pattern, as pkill does."""

    def send(process: subprocess.Popen[bytes]) -> None:
        found = []
        for pid in (process.pid, *descendants(process.pid)):
            name = Path(f"/proc/{pid}/comm").read_text()
            if re.search(pattern, name) or re.search(pattern, " ".join(command_line(pid))):
                found.append(pid)
        for pid in found:
            os.kill(pid, number)

    return send


@pytest.mark.parametrize(
    "pattern", ["^headrace", "headrace audit", "headrace audit .*python", "-c .*import os, signal"]
)
def test_a_signal_to_what_a_pattern_finds(pattern: str, tmp_path: Path) -> None:
    """Of headrace's name or command line, or of the program's: it is one signal."""
    pattern = pattern.replace(" .*", "(.|\\n)*")
    assert got(tmp_path / "audited", found_by(pattern, signal.SIGUSR1), audited=True) == "[10]\n"


def test_one_signal_to_headrace_and_to_the_group(tmp_path: Path) -> None:
    """Both at once are one, as a signal that is sent twice at once is; the next one is another."""
    assert got(tmp_path / "audited", to_both(signal.SIGUSR1), audited=True) == "[10, 10]\n"


def test_a_program_that_left_the_group(tmp_path: Path) -> None:
    """It gets what is sent to headrace, alone or with the group.

    What is sent to the group that it left it would not get without headrace. But timeout(1) sends to headrace and to
    the group at once, which are one to us, and where nothing was handed on the program would never end. One signal too
    many is the lesser harm.
    """

    def interrupt(process: subprocess.Popen[bytes]) -> None:
        while not (tmp_path / "ready").exists() and process.poll() is None:
            time.sleep(0.01)
        to_group(signal.SIGUSR1)(process)
        to_headrace(signal.SIGUSR2)(process)
        (tmp_path / "enough").touch()

    ended = audit([sys.executable, "-c", LEAVES], home=tmp_path / "home", cwd=tmp_path, while_running=interrupt)
    assert ended.stdout == b"[10, 12]\n"


@pytest.mark.parametrize("program", [COUNTS, LEAVES], ids=["stays", "leaves"])
@pytest.mark.parametrize("name", ["INT", "TERM"])
def test_timeout(name: str, program: str, tmp_path: Path) -> None:
    """timeout(1) sends its signal and SIGCONT to the command, then to its whole group: what plainly comes, comes.

    Each of them comes once or twice, also without headrace: the kernel merges the second with a first that the program
    has not taken yet. So what is compared is which came, and that none came oftener than it was sent.
    """
    number = int(signal.Signals[f"SIG{name}"])
    shown = []
    headrace = [str(headrace_command()), "audit", "--quiet", "--dir", str(tmp_path / "home"), "--"]
    for prefix in ([], headrace):
        command = ["timeout", "-s", name, "2", *prefix, sys.executable, "-c", program, "until-a-signal"]
        ran = subprocess.run(
            command, cwd=tmp_path, env=clean_environment(), capture_output=True, timeout=60, check=False
        )
        assert ran.returncode == 124
        came = json.loads(ran.stdout)
        assert came[0] == number
        assert all(came.count(one) <= 2 for one in came)
        shown.append(set(came))
    assert shown[0] == shown[1]


def test_nothing_is_left_behind(tmp_path: Path) -> None:
    """Not by headrace's death either; and the process that watches the group is none of the program's."""
    beside: list[int] = []

    def kill(process: subprocess.Popen[bytes]) -> None:
        while not (tmp_path / "ready").exists() and process.poll() is None:
            time.sleep(0.01)
        program = int((tmp_path / "ready").read_text())
        beside.extend(descendants(process.pid) - {program})
        assert not descendants(program)
        process.kill()
        (tmp_path / "enough").touch()

    audit([sys.executable, "-c", COUNTS], home=tmp_path / "home", cwd=tmp_path, while_running=kill)
    assert len(beside) == 1
    until = time.monotonic() + 60
    while Path(f"/proc/{beside[0]}").exists() and time.monotonic() < until:
        time.sleep(0.01)
    assert not Path(f"/proc/{beside[0]}").exists()
