"""The ways in which the program with steps of 2 ms is run: plainly, under headrace, under each peer."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from common import ROOT
from overhead.peers import Environment

PROGRAMS = Path(__file__).with_name("programs")
PLAIN = "plain"
CONTROL = "plain again"
HEADRACE = "headrace"


@dataclass(frozen=True)
class Case:
    """One way of running the program.

    `command` gives the arguments for an environment, a folder for what the tool writes, and the program's arguments.
    """

    name: str
    mode: str
    command: Callable[[Environment, Path, Sequence[str]], list[str]]


def headrace_command() -> str:
    """The command that is measured: HEADRACE of the environment, else the one of the build."""
    path = Path(os.environ.get("HEADRACE") or ROOT / ".venv" / "bin" / "headrace")
    if not os.access(path, os.X_OK):
        raise SystemExit(
            f"{path} is not there or cannot be executed: build it with `make build`, or name it in HEADRACE"
        )
    return str(path)


def program(name: str) -> str:
    """The path of a variant of the program."""
    return str(PROGRAMS / name)


def free_port() -> str:
    """A TCP port that nothing listened on just now."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return str(one.getsockname()[1])


def plain(environment: Environment, folder: Path, arguments: Sequence[str]) -> list[str]:
    """The program alone."""
    return [str(environment.python), program("step_2ms.py"), *arguments]


def headrace(environment: Environment, folder: Path, arguments: Sequence[str]) -> list[str]:
    """The same command under headrace."""
    audit = [headrace_command(), "audit", "--dir", str(folder / "headrace"), "--quiet", "--"]
    return [*audit, *plain(environment, folder, arguments)]


def traceml(environment: Environment, folder: Path, arguments: Sequence[str]) -> list[str]:
    """TraceML starts the program itself, through torchrun, and listens on a port in a process of its own."""
    run = [environment.command("traceml"), "run", program("step_2ms_traceml.py"), "--mode", "summary"]
    run += ["--logs-dir", str(folder / "traceml"), "--run-name", "run", "--no-save-training-output"]
    run += ["--aggregator-port", free_port(), "--master-port", free_port()]
    return [*run, "--args", *arguments]


def gpuprof(environment: Environment, folder: Path, arguments: Sequence[str]) -> list[str]:
    """Gpuprof needs no command of its own; it writes gpuprof.db into the working directory."""
    return [str(environment.python), program("step_2ms_gpuprof.py"), *arguments]


def pyinstrument(environment: Environment, folder: Path, arguments: Sequence[str]) -> list[str]:
    """Pyinstrument as its user starts it."""
    run = [str(environment.python), "-m", "pyinstrument", "-o", str(folder / "pyinstrument.txt")]
    return [*run, program("step_2ms.py"), *arguments]


def py_spy(environment: Environment, folder: Path, arguments: Sequence[str]) -> list[str]:
    """py-spy as its user starts it."""
    run = [environment.command("py-spy"), "record", "-o", str(folder / "py-spy.svg"), "--"]
    return [*run, *plain(environment, folder, arguments)]


CASES = (
    Case(PLAIN, "python step_2ms.py", plain),
    Case(CONTROL, "the same once more: how far from 0 a cost of nothing comes out", plain),
    Case(HEADRACE, "headrace audit --quiet, program unedited", headrace),
    Case("traceml", "trace_step in the program; traceml run --mode summary: no terminal or browser view", traceml),
    Case("gpuprof", "profile() in the program, its defaults; without a GPU it samples a made-up one", gpuprof),
    Case("pyinstrument", "python -m pyinstrument, program unedited, a look every 1 ms", pyinstrument),
    Case("py-spy", "py-spy record, program unedited, 100 looks a second from outside, not native", py_spy),
)
PEERS = tuple(case.name for case in CASES if case.name not in (PLAIN, CONTROL, HEADRACE))
