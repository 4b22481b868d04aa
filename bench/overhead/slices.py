"""Runs whole commands side by side, but only one at a time: each in turn for a fraction of a second.

Two runs one after the other meet two states of the machine, which drifts by several percent within seconds; commands
that are stopped and continued by turns meet the same one. Neither is edited: the signals of job control do it, which go
to the whole process group. The time in which a command stands still does not count.
"""

from __future__ import annotations

import os
import select
import signal
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from common import clean_environment

SLICE_SECONDS = 0.25
# After the signal to go on a shell-like parent may still see its child stopped, and stop again: it is told once more.
SECOND_SIGNAL_SECONDS = 0.005


@dataclass(frozen=True)
class Ended:
    """A command that has ended. CPU seconds are those of all its processes."""

    returncode: int
    stderr: str
    wall_seconds: float  # in which it was not stopped
    cpu_seconds: float


class Sliced:
    """One command, in a process group of its own; it begins at its first turn."""

    def __init__(self, command: Sequence[str], folder: Path) -> None:
        self.command, self.folder = list(command), folder
        self.wall_seconds = 0.0
        self.process: subprocess.Popen[bytes] | None = None
        self.descriptor = -1
        self.ended: Ended | None = None

    def turn(self) -> None:
        """Lets it run for a slice, or to its end."""
        began = time.perf_counter()
        if self.process is None:
            self._begin()
        else:
            os.killpg(self.process.pid, signal.SIGCONT)
            if not self._ends_within(SECOND_SIGNAL_SECONDS):
                os.killpg(self.process.pid, signal.SIGCONT)
        over = self._ends_within(began + SLICE_SECONDS - time.perf_counter())
        if not over:
            assert self.process is not None
            os.killpg(self.process.pid, signal.SIGSTOP)
        self.wall_seconds += time.perf_counter() - began
        if over:
            self._finish()

    def kill(self) -> None:
        """Ends it and all its processes, where it has not ended."""
        if self.process is not None and self.ended is None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
            os.close(self.descriptor)

    def _begin(self) -> None:
        with (self.folder / "stderr").open("wb") as log:
            self.process = subprocess.Popen(
                self.command,
                cwd=self.folder,
                env=clean_environment(),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=log,
                start_new_session=True,
            )
        self.descriptor = os.pidfd_open(self.process.pid)

    def _ends_within(self, seconds: float) -> bool:
        return bool(select.select([self.descriptor], [], [], max(0.0, seconds))[0])

    def _finish(self) -> None:
        assert self.process is not None
        _, status, used = os.wait4(self.process.pid, 0)
        self.process.returncode = os.waitstatus_to_exitcode(status)
        os.close(self.descriptor)
        log = (self.folder / "stderr").read_text(encoding="utf-8", errors="replace")
        self.ended = Ended(self.process.returncode, log, self.wall_seconds, used.ru_utime + used.ru_stime)


def side_by_side(commands: Sequence[tuple[Sequence[str], Path]]) -> list[Ended]:
    """Runs commands, each in a folder of its own, by turns until all have ended."""
    all_of_them = [Sliced(command, folder) for command, folder in commands]
    try:
        while waiting := [one for one in all_of_them if one.ended is None]:
            for one in waiting:
                one.turn()
    finally:
        for one in all_of_them:
            one.kill()
    return [one.ended for one in all_of_them if one.ended is not None]
