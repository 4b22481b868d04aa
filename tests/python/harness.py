"""How the Python tests run a program, with and without headrace, and load what an audit left."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
PROGRAMS = ROOT / "tests" / "programs"
TIMEOUT_SECONDS = 240.0


def headrace_command() -> Path:
    """The command under test: HEADRACE of the environment, else the one of the build."""
    path = Path(os.environ.get("HEADRACE") or ROOT / ".venv" / "bin" / "headrace")
    if not os.access(path, os.X_OK):
        pytest.fail(f"{path} is not there or cannot be executed: build it with `make`, or name one in HEADRACE")
    return path


def clean_environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """The environment for programs: this one without what would make two runs differ."""
    environment = dict(os.environ)
    names = ("PYTHONPATH", "HEADRACE_DIR", "PYTHONHASHSEED", "COVERAGE_PROCESS_START", "NO_COLOR", "FORCE_COLOR")
    for name in names:
        environment.pop(name, None)
    environment["PATH"] += f":{headrace_command().parent}"  # found by its name, as where it is installed
    environment["OMP_NUM_THREADS"] = "1"  # the tests run on machines with few cores, beside each other
    environment.update(extra or {})
    return environment


@dataclass
class Watched:
    """One process of a command, as somebody outside sees it."""

    command: Sequence[str]  # its arguments; headrace's own differ, and a worker that it forks comes later
    pid: int = 0
    started: float = 0.0  # perf_counter, to 10 ms
    exited: float = 0.0  # perf_counter
    _stop: threading.Event = field(default_factory=threading.Event)

    def follow(self, parent: int) -> None:
        """Looks for the process at or below `parent`, then waits for its end."""
        while not self._stop.is_set():
            for pid in [parent, *descendants(parent)]:
                if command_line(pid) == list(self.command) and self._wait_for(pid):
                    return
            time.sleep(0.002)

    def _wait_for(self, pid: int) -> bool:
        try:
            self.started = started_at(pid)
            descriptor = os.pidfd_open(pid)
        except (FileNotFoundError, ProcessLookupError):  # a child that was at its end
            return False
        self.pid = pid
        try:
            select.select([descriptor], [], [], TIMEOUT_SECONDS)
            self.exited = time.perf_counter()
        finally:
            os.close(descriptor)
        return True

    def stop(self) -> None:
        """Gives up the search."""
        self._stop.set()


def started_at(pid: int) -> float:
    """When a process began, on perf_counter's clock, to 10 ms."""
    stat = Path(f"/proc/{pid}/stat").read_text()
    ticks = int(stat.rsplit(")", 1)[1].split()[19])
    since_boot = ticks / os.sysconf("SC_CLK_TCK")
    return since_boot - (time.clock_gettime(time.CLOCK_BOOTTIME) - time.clock_gettime(time.CLOCK_MONOTONIC))


def children(pid: int) -> set[int]:
    """The processes that `pid` started and that still run."""
    found: set[int] = set()
    try:
        for task in Path(f"/proc/{pid}/task").iterdir():
            found.update(int(child) for child in (task / "children").read_text().split())
    except OSError:
        pass
    return found


def descendants(pid: int) -> set[int]:
    """Every process below `pid`."""
    below = children(pid)
    for child in list(below):
        below |= descendants(child)
    return below


def command_line(pid: int) -> list[str]:
    """The arguments of a process, none when it has ended."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace").split("\0")[:-1]
    except OSError:
        return []


@dataclass
class Ran:
    """A command that has ended."""

    returncode: int
    stdout: bytes
    stderr: bytes
    watched: Watched | None = None


@dataclass
class Audited(Ran):
    """An audit that has ended, and the folder it recorded into."""

    home: Path = Path()

    @property
    def folder(self) -> Path:
        """The run's own folder; there must be one and only one."""
        runs = sorted(path for path in (self.home / "runs").iterdir() if path.is_dir())
        assert len(runs) == 1, f"{self.home} holds {len(runs)} runs"
        return runs[0]

    @property
    def report(self) -> dict[str, Any]:
        """What the audit found, as stored."""
        document: dict[str, Any] = json.loads((self.folder / "report.json").read_text())
        return document


def run(
    command: Sequence[str],
    *,
    cwd: Path,
    env: Mapping[str, str] | None = None,
    watch: Sequence[str] | None = None,
    while_running: Callable[[subprocess.Popen[bytes]], None] | None = None,
) -> Ran:
    """Runs a command to its end, with nothing on its input; `watch` is the command whose begin and end are wanted."""
    process = subprocess.Popen(
        list(command),
        cwd=cwd,
        env=clean_environment(env),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    watched = Watched(watch) if watch else None
    threads = [threading.Thread(target=watched.follow, args=(process.pid,))] if watched else []
    if while_running:
        threads.append(threading.Thread(target=while_running, args=(process,)))
    for thread in threads:
        thread.start()
    try:
        stdout, stderr = process.communicate(timeout=TIMEOUT_SECONDS)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        raise
    finally:
        if watched:
            watched.stop()
        for thread in threads:
            thread.join()
    return Ran(process.returncode, stdout, stderr, watched)


def audit(
    command: Sequence[str],
    *,
    home: Path,
    cwd: Path,
    options: Sequence[str] = ("--quiet",),
    env: Mapping[str, str] | None = None,
    while_running: Callable[[subprocess.Popen[bytes]], None] | None = None,
) -> Audited:
    """Runs a command under `headrace audit`, recorded into `home`."""
    line = [str(headrace_command()), "audit", "--dir", str(home), *options, "--", *command]
    ran = run(line, cwd=cwd, env=env, watch=command, while_running=while_running)
    return Audited(ran.returncode, ran.stdout, ran.stderr, ran.watched, home)


def report_again(home: Path, cwd: Path) -> Ran:
    """`headrace report` of the newest run, as JSON."""
    return run([str(headrace_command()), "report", "--dir", str(home), "--json", "-"], cwd=cwd)


def program(name: str, *args: str, python: str = sys.executable) -> list[str]:
    """The command that runs one of tests/programs."""
    return [python, str(PROGRAMS / name), *args]
