"""A program must not be able to tell that it is audited: same results, output and exit code.

What it can still find out is listed in test_what_a_program_can_find_out, and nothing else may differ.
"""

from __future__ import annotations

import json
import re
import shlex
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from harness import PROGRAMS, Ran, audit, program, run
from rows import note_identity
from settings import FAST, INPUT, WHOLE, Setting, name

# What differs between any two runs of these programs: process ids, addresses in the repr of objects, and a warning of
# multiprocessing's resource tracker. The thread that feeds a queue of spawned workers removes the queue's semaphores
# when it ends; where the process ends between a semaphore's removal and the word to the tracker, the tracker warns
# (a program of seven lines that makes and drops four such queues showed it in 12 of 150 runs without headrace).
VOLATILE = (
    (rb"\bpid[ =:(]*\d+", b"pid N"),
    (rb"0x[0-9a-f]{6,}", b"0xN"),
    (
        rb"[^\n]*resource_tracker: (There appear to be \d+ leaked semaphore|'/mp-)[^\n]*\n  warnings\.warn\([^\n]*\n",
        b"",
    ),
)

TABLE = "Behaviour alone"

HOOKED = {
    "print",
    "torch.save",
    "autograd.backward",
    "Module.__call__",
    "Module.train",
    "DataLoader.__iter__",
    "Logger.handle",
}


def masked(text: bytes) -> bytes:
    """Output without what differs between any two runs."""
    for pattern, replacement in VOLATILE:
        text = re.sub(pattern, replacement, text)
    return text


def both(command: Sequence[str], folder: Path, env: dict[str, str] | None = None) -> tuple[Ran, Ran]:
    """Runs a command without and with headrace, each time in the same, empty working directory."""
    work = folder / "work"
    work.mkdir()
    plain = run(command, cwd=work, env=env)
    shutil.rmtree(work)
    work.mkdir()
    return plain, audit(command, home=folder / "home", cwd=work, env=env)


def same(command: Sequence[str], folder: Path, env: dict[str, str] | None = None) -> Ran:
    """Asserts that a command behaves the same with and without headrace; returns how it does."""
    plain, audited = both(command, folder, env)
    note_identity(plain, audited, masked)
    assert masked(audited.stdout).decode() == masked(plain.stdout).decode()
    assert masked(audited.stderr).decode() == masked(plain.stderr).decode()
    assert audited.returncode == plain.returncode
    return plain


def check_training(setting: Setting, folder: Path, *more: str, python: str = sys.executable) -> None:
    """Losses, final weights, the order of samples, random states, output and exit code."""
    command = program("train.py", *setting.arguments.split(), *more, python=python)
    plain = same(command, folder, setting.environment)
    assert plain.returncode == 0, plain.stderr.decode()
    assert plain.stdout.count(b"\n") == 5


@pytest.mark.parametrize("setting", [FAST[1], FAST[2], FAST[8], FAST[11]], ids=name)
def test_short_training(setting: Setting, tmp_path: Path) -> None:
    """What needs less time than the truth does."""
    check_training(setting, tmp_path, "--samples", "96")


@pytest.mark.slow
@pytest.mark.parametrize("setting", WHOLE, ids=name)
def test_training(setting: Setting, tmp_path: Path) -> None:
    """Every loop whose truth is compared."""
    check_training(setting, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("setting", INPUT, ids=name)
def test_kinds_of_input(setting: Setting, tmp_path: Path) -> None:
    """Every kind of input whose truth is compared; what is the same for 24 batches is so for more."""
    check_training(setting, tmp_path, "--samples", "96")


@pytest.mark.row(TABLE, name="programs that raise")
@pytest.mark.parametrize(
    ("where", "workers"),
    [
        ("sample", "1"),
        ("collate", "0"),
        ("forward", "0"),
        ("backward", "0"),
        ("loop", "1"),
        # Of two workers that fail, chance decides whose batch comes first, and so the line of torch that raises.
        pytest.param("collate", "1", marks=pytest.mark.slow),
        *(pytest.param(where, "2", marks=pytest.mark.slow) for where in ("forward", "backward")),
        *(pytest.param(where, "0", marks=pytest.mark.slow) for where in ("sample", "loop")),
    ],
)
def test_tracebacks(where: str, workers: str, tmp_path: Path) -> None:
    """A program that raises prints the same traceback, to the byte."""
    plain = same(program("raises.py", "--where", where, "--workers", workers), tmp_path)
    assert plain.returncode == 1
    assert b"Traceback" in plain.stderr


@pytest.mark.row(TABLE, name="imports that fail")
def test_failing_imports(tmp_path: Path) -> None:
    """Missing modules, modules that raise, and what is printed of them."""
    plain = same(program("imports.py"), tmp_path)
    assert plain.returncode == 1
    assert plain.stderr.count(b"Traceback") >= 6


@pytest.mark.row(TABLE, name="printed stacks")
def test_stacks(tmp_path: Path) -> None:
    """No frame of a watcher's stands in any stack; logging and warnings name the program's own lines."""
    plain = same(program("stacks.py"), tmp_path)
    assert plain.returncode == 0
    assert plain.stderr.count(b"stack of") >= 8


@pytest.mark.row(TABLE, name="pickles")
def test_pickles(tmp_path: Path) -> None:
    """Functions, models, optimizers and loaders pickle to the same bytes and work afterwards."""
    assert same(program("pickles.py"), tmp_path).returncode == 0


@pytest.mark.row(TABLE, name="TorchScript")
def test_torchscript(tmp_path: Path) -> None:
    """Code that calls what is hooked compiles and runs."""
    assert same(program("scripted.py"), tmp_path).returncode == 0


@pytest.mark.row(TABLE, name="names, lifetimes, exceptions, fetchers")
def test_manners(tmp_path: Path) -> None:
    """What binds, what lives how long, what is raised, and what a fetcher holds."""
    plain = same(program("manners.py"), tmp_path)
    assert (plain.returncode, plain.stderr) == (0, b"")
    assert plain.stdout.count(b"closed") == 3


@pytest.mark.row(TABLE, name="a sitecustomize of the user's own")
def test_users_own_sitecustomize(tmp_path: Path) -> None:
    """It runs in every interpreter in which it runs without headrace, and is the one that they find."""
    plain = same(program("customized.py"), tmp_path, {"PYTHONPATH": str(PROGRAMS / "site")})
    assert plain.stderr.count(b"the user's sitecustomize") >= 3


@pytest.mark.parametrize(
    "arguments",
    [
        ["-c", "print(__name__, '__file__' in dir())"],
        ["-m", "timeit", "-n", "1", "-r", "1", "-h"],
        ["-X", "importtime", "-c", "pass"],
        ["-"],
        ["absent.py"],
        ["-S", "-c", "print('no site')"],
        ["-I", "-c", "print('isolated')"],
        ["-E", "-c", "print('no environment')"],
        ["-W", "error", "-c", "import warnings; warnings.warn('one')"],
        ["-c", "import sys; sys.exit('a message')"],
        ["-c", "import sys; sys.exit(258)"],
        ["-c", "import os; os.write(1, b'no newline'); os.close(2); os._exit(7)"],
    ],
    ids=" ".join,
)
def test_other_ways_to_start(arguments: list[str], tmp_path: Path) -> None:
    """Interpreters that headrace sees little or nothing of run as ever."""
    plain, audited = both([program("train.py")[0], *arguments], tmp_path)
    if "importtime" not in arguments:  # its output is timings
        assert masked(audited.stdout) == masked(plain.stdout)
        assert masked(audited.stderr) == masked(plain.stderr)
    assert audited.returncode == plain.returncode


@pytest.mark.row(TABLE, name="a shell pipeline")
def test_a_command_that_is_no_python(tmp_path: Path) -> None:
    """A shell pipeline keeps its output, its order and its exit code."""
    plain = same(["/bin/sh", "-c", "echo one; echo two >&2; printf three | tr a-z A-Z; exit 9"], tmp_path)
    assert (plain.stdout, plain.returncode) == (b"one\nTHREE", 9)


def test_input_is_the_programs(tmp_path: Path) -> None:
    """Standard input reaches the program whole."""
    text = "line\n" * 50_000
    shell = "import sys; data = sys.stdin.read(); print(len(data), data[:4])"
    source = tmp_path / "input"
    source.write_text(text)
    line = f'exec {shlex.quote(program("train.py")[0])} -c "{shell}" < {source}'
    assert same(["/bin/sh", "-c", line], tmp_path).stdout == f"{len(text)} line\n".encode()


def facts_of(ran: Ran) -> dict[str, Any]:
    """What inspects.py printed."""
    assert ran.returncode == 0, ran.stderr.decode()
    facts: dict[str, Any] = json.loads(masked(ran.stdout))
    return facts


def test_what_a_program_can_find_out(tmp_path: Path) -> None:
    """Everything that it can see of its own interpreter is the same, but for the few facts that the README names."""
    plain, audited = (facts_of(ran) for ran in both(program("inspects.py"), tmp_path))
    # What brings headrace into the children of the program.
    assert audited["environment"].pop("PYTHONPATH").endswith("/headrace/shim")
    assert audited["environment"].pop("HEADRACE_SPOOL").startswith(str(tmp_path / "home"))
    # What installs the hooks when a module is imported.
    assert audited["sys.meta_path"].pop(0) == "Finder"
    # A hooked function is no function of Python's, or it would stand in every traceback; all else about it is the same.
    hooked = {key for key, looks in audited["functions"].items() if looks["type"] == "Hook"}
    assert hooked == HOOKED
    for key in hooked:
        plain["functions"][key].pop("type")
        audited["functions"][key].pop("type")
    # That print has no source is said in words that name its type.
    assert "Hook" in audited["functions"]["print"].pop("source")
    assert "builtin_function" in plain["functions"]["print"].pop("source")
    assert sorted(set(audited.pop("sys.modules")) ^ set(plain.pop("sys.modules"))) == []
    different = {key for key in plain.keys() | audited.keys() if plain.get(key) != audited.get(key)}
    assert {key: (plain.get(key), audited.get(key)) for key in different} == {}
