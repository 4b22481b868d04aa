"""Runs the cases of one round side by side, but only one at a time: each in turn for a block of steps.

A machine drifts by several percent within seconds, and a hook costs less than one. Programs that run one after the
other would compare two states of the machine; programs that hand over after each pass, of half a second, meet nearly
the same one, and what is left of the difference evens out over the rounds. While a program waits, its loop stands still
and its clock does not count.
"""

from __future__ import annotations

import json
import socket
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from common import busy_seconds, clean_environment
from overhead.cases import Case
from overhead.peers import Environment

PATIENCE_SECONDS = 120.0
ANSWER = "answer "


class Failed(Exception):
    """A case that did not run to its end, with the reason."""

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(f"{name} {reason}")
        self.name, self.reason = name, reason


@dataclass(frozen=True)
class Ran:
    """A program that has ended: its answer, and for each of its turns the median step and all steps together.

    CPU seconds are those of the thread that trains.
    """

    answer: str
    median_step_seconds: list[float]
    seconds: list[float]
    cpu_seconds: list[float]
    spool_bytes: int | None
    stated_step_seconds: float | None  # what headrace says of itself


@dataclass(frozen=True)
class Round:
    """Every case once, and how many cores were busy meanwhile: the program in turn, the tools' helpers, strangers."""

    ran: dict[str, Ran]
    busy_cores: float


class Player:
    """One case of a round: the process, and the connection on which its program waits for its turn."""

    def __init__(self, case: Case, environment: Environment, folder: Path, arguments: Sequence[str]) -> None:
        self.case, self.folder = case, folder
        folder.mkdir(parents=True)
        command = case.command(environment, folder, ["--out", str(folder / "out.json"), *arguments])
        with (folder / "stdout").open("wb") as out, (folder / "stderr").open("wb") as err:
            self.process = subprocess.Popen(
                command,
                cwd=folder,
                env=clean_environment({"OMP_NUM_THREADS": "1"}),
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
            )
        self.connection: socket.socket | None = None

    def connect(self, door: socket.socket) -> None:
        """Waits until the program stands before its first step."""
        door.settimeout(0.1)
        for _ in range(int(PATIENCE_SECONDS / 0.1)):
            try:
                self.connection = door.accept()[0]
            except TimeoutError:
                if self.process.poll() is not None:
                    raise self.failed("ended before its first step") from None
                continue
            self.connection.settimeout(PATIENCE_SECONDS)
            self._has_handed_over()
            return
        raise self.failed("did not come to its first step")

    def turn(self) -> None:
        """Lets it run a block of steps."""
        self.release()
        self._has_handed_over()

    def release(self) -> None:
        """Lets it run on."""
        assert self.connection
        try:
            self.connection.sendall(b"g")
        except OSError as error:
            raise self.failed(f"did not wait for its turn ({error})") from None

    def _has_handed_over(self) -> None:
        assert self.connection
        try:
            done = self.connection.recv(1)
        except OSError as error:
            raise self.failed(f"did not come to the end of its turn ({error})") from None
        if not done:
            raise self.failed("ended in the middle of its steps")

    def result(self) -> Ran:
        """Waits for the end and reads what the program has left."""
        try:
            code = self.process.wait(PATIENCE_SECONDS)
        except subprocess.TimeoutExpired:
            raise self.failed("did not end") from None
        answers = [line for line in self._text("stdout").splitlines() if line.startswith(ANSWER)]
        if code != 0 or len(answers) != 1:
            raise self.failed(f"ended with {code} and {len(answers)} answers")
        found = json.loads((self.folder / "out.json").read_text(encoding="utf-8"))
        return Ran(answers[0].removeprefix(ANSWER), **found, stated_step_seconds=stated(self.folder))

    def failed(self, what: str) -> Failed:
        """The reason, with the last line that the command has written to its standard error."""
        lines = self._text("stderr").strip().splitlines() or ["it wrote nothing to its standard error"]
        return Failed(self.case.name, f"{what}: {lines[-1]}")

    def _text(self, name: str) -> str:
        return (self.folder / name).read_text(encoding="utf-8", errors="replace")

    def end(self) -> None:
        """Gives the process no more time than it needs to see that the benchmark has gone away."""
        if self.connection:
            self.connection.close()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.terminate()
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()


def stated(folder: Path) -> float | None:
    """The cost of a step that headrace itself states, in seconds; None where it has not run."""
    reports = list((folder / "headrace" / "runs").glob("*/report.json"))
    if not reports:
        return None
    report: dict[str, Any] = json.loads(reports[0].read_text(encoding="utf-8"))
    seconds = report["overhead"]["per_step_seconds"]
    return None if seconds is None else float(seconds)


def order(count: int, cycle: int) -> list[int]:
    """Who goes when in a cycle: another one first each time, and every second time backwards."""
    first = [(cycle // 2 + place) % count for place in range(count)]
    return first if cycle % 2 == 0 else first[::-1]


def play(cases: Sequence[Case], environment: Environment, folder: Path, arguments: Sequence[str], turns: int) -> Round:
    """Runs a round: every case once, in turns. Failed when one of them does not run to its end."""
    door = socket.socket(socket.AF_UNIX)
    door.bind(str(folder / "turns"))
    door.listen()
    players: list[Player] = []
    try:
        for case in cases:
            players.append(
                Player(case, environment, folder / case.name, [*arguments, "--turns", str(folder / "turns")])
            )
            players[-1].connect(door)
        began, busy = time.monotonic(), busy_seconds()
        for cycle in range(turns):
            for place in order(len(players), cycle):
                players[place].turn()
        cores = (busy_seconds() - busy) / (time.monotonic() - began)
        found = {}
        for player in players:
            player.release()
            found[player.case.name] = player.result()
        return Round(found, cores)
    finally:
        door.close()
        for player in players:
            player.end()
