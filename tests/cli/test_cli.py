"""Runs the cases of the *.test files beside this one: what a command prints, how it ends, what it leaves behind.

A file holds cases, each of lines that begin with one of these words; an empty line or a line of # means nothing.

    case TITLE      begins a case, in an empty folder of its own; the title is unique in its file
    needs COMMAND   leaves the case out when this shell command fails
    given COMMAND   a shell command that makes the folder ready; it has to succeed
    run COMMAND     the shell command that is tested; `headrace` is the one under test, standard input is empty
    exit NUMBER     its exit code; 0 when the line is left out
    out PATTERN     the next line of its standard output, a regular expression for the whole line
    err PATTERN     the same for standard error
    leaves PATTERN  what it may make, change or remove: a path in the folder, where * stands for any characters

`out ...` and `err ...` stand for any number of lines, also for none. Without an `out` (or `err`) line nothing may be
written there. Whatever no `leaves` allows must be the same before and after: names, contents, permissions, times.
"""

from __future__ import annotations

import fnmatch
import os
import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from _pytest.mark import ParameterSet

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
TIMEOUT_SECONDS = 120
ANY_LINES = "..."


@dataclass
class Case:
    """One case of a file."""

    title: str
    needs: list[str] = field(default_factory=list)
    given: list[str] = field(default_factory=list)
    run: str = ""
    exit: int = 0
    out: list[str] = field(default_factory=list)
    err: list[str] = field(default_factory=list)
    leaves: list[str] = field(default_factory=list)

    def take(self, word: str, text: str) -> None:
        """Reads one line of the case."""
        if word == "run" and not self.run:
            self.run = text
        elif word == "exit":
            self.exit = int(text)
        elif word in ("needs", "given", "out", "err", "leaves"):
            getattr(self, word).append(text)
        else:
            raise ValueError(f"case {self.title!r} cannot have the line {word!r} here")


def read_cases(path: Path) -> Iterator[Case]:
    """The cases of a file in their order."""
    case: Case | None = None
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        word, _, text = line.partition(" ")
        if word == "case":
            if case is not None:
                yield case
            case = Case(text)
        elif case is None:
            raise ValueError(f"{path.name}:{number}: a line before the first case")
        else:
            case.take(word, text)
    if case is not None:
        yield case


def all_cases() -> list[ParameterSet]:
    """Every case, named by its file and title."""
    found: list[ParameterSet] = []
    for path in sorted(HERE.glob("*.test")):
        seen: set[str] = set()
        for case in read_cases(path):
            assert case.run, f"{path.name}: case {case.title!r} runs nothing"
            assert case.title not in seen, f"{path.name}: case {case.title!r} stands there twice"
            seen.add(case.title)
            found.append(pytest.param(case, id=f"{path.stem}: {case.title}"))
    return found


def headrace() -> Path:
    """The command under test: HEADRACE of the environment, else the one of the build."""
    path = Path(os.environ.get("HEADRACE") or ROOT / ".venv" / "bin" / "headrace").absolute()
    if not os.access(path, os.X_OK):
        pytest.fail(f"{path} is not there or cannot be executed: build it with `make`, or name one in HEADRACE")
    return path


def environment(bin_folder: Path) -> dict[str, str]:
    """The same for every developer: nothing of theirs decides what headrace prints or where it writes."""
    kept = {name: os.environ[name] for name in ("HOME", "HEADRACE_SHIM") if name in os.environ}
    path = f"{bin_folder}:{os.environ.get('PATH', '/usr/bin:/bin')}"
    return kept | {"PATH": path, "LANG": "C.UTF-8", "TERM": "xterm"}


def snapshot(folder: Path) -> dict[str, tuple[object, ...]]:
    """All that can be seen of what is in a folder."""
    seen: dict[str, tuple[object, ...]] = {}
    for path in sorted(folder.rglob("*")):
        status = path.lstat()
        content = path.read_bytes() if path.is_file() else b""
        seen[str(path.relative_to(folder))] = (status.st_mode, status.st_size, status.st_mtime_ns, content)
    return seen


def changed(before: dict[str, tuple[object, ...]], after: dict[str, tuple[object, ...]]) -> list[str]:
    """The paths that differ between two snapshots."""
    return sorted(path for path in before.keys() | after.keys() if before.get(path) != after.get(path))


def matches(patterns: list[str], lines: list[str]) -> bool:
    """Whether the patterns describe the lines, all of them, in their order."""
    if not patterns:
        return not lines
    if patterns[0] == ANY_LINES:
        return any(matches(patterns[1:], lines[skipped:]) for skipped in range(len(lines) + 1))
    return bool(lines) and re.fullmatch(patterns[0], lines[0]) is not None and matches(patterns[1:], lines[1:])


def shell(command: str, folder: Path, variables: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["bash", "-c", command],
        cwd=folder,
        env=variables,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="surrogateescape",
        timeout=TIMEOUT_SECONDS,
        check=False,
    )


@pytest.mark.parametrize("case", all_cases())
def test_case(case: Case, tmp_path: Path) -> None:
    bin_folder = tmp_path / "bin"
    bin_folder.mkdir()
    # A wrapper and not a link: the command finds its own files beside where it really lies.
    (bin_folder / "headrace").write_text(f'#!/bin/sh\nexec "{headrace()}" "$@"\n')
    (bin_folder / "headrace").chmod(0o755)
    variables = environment(bin_folder)
    folder = tmp_path / "folder"
    folder.mkdir()
    for command in case.needs:
        if shell(command, folder, variables).returncode != 0:
            pytest.skip(f"this machine does not do: {command}")
    for command in case.given:
        done = shell(command, folder, variables)
        assert done.returncode == 0, f"given {command}\n{done.stdout}{done.stderr}"

    before = snapshot(folder)
    ran = shell(case.run, folder, variables)
    told = f"run {case.run}\nexit {ran.returncode}\n--- out\n{ran.stdout}--- err\n{ran.stderr}"
    assert ran.returncode == case.exit, told
    assert matches(case.out, ran.stdout.splitlines()), f"standard output is not as described\n{told}"
    assert matches(case.err, ran.stderr.splitlines()), f"standard error is not as described\n{told}"
    strays = [
        path
        for path in changed(before, snapshot(folder))
        if not any(fnmatch.fnmatchcase(path, pattern) for pattern in case.leaves)
    ]
    assert not strays, f"it changed {strays}\n{told}"


@pytest.mark.parametrize(
    ("patterns", "lines", "expected"),
    [
        ([], [], True),
        ([], ["a"], False),
        (["a"], [], False),
        (["a."], ["ab"], True),
        (["a."], ["abc"], False),
        (["a"], ["a", "b"], False),
        (["a", "..."], ["a", "b", "c"], True),
        (["...", "c"], ["a", "b", "c"], True),
        (["...", "c"], ["a", "b"], False),
    ],
)
def test_the_runner_matches_all_lines(patterns: list[str], lines: list[str], expected: bool) -> None:
    assert matches(patterns, lines) is expected


def test_the_runner_sees_every_change(tmp_path: Path) -> None:
    (tmp_path / "kept").write_text("1")
    (tmp_path / "rewritten").write_text("1")
    (tmp_path / "removed").write_text("1")
    before = snapshot(tmp_path)
    (tmp_path / "rewritten").write_text("2")
    (tmp_path / "removed").unlink()
    (tmp_path / "made").mkdir()
    assert changed(before, snapshot(tmp_path)) == ["made", "removed", "rewritten"]
