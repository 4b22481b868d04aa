"""How a test program measures itself: where its own time goes, read from its own clock.

Nothing here knows of the tool under test. The program says at every turn of its loop what it does now, its samples say
what they do in the worker, and both are written as raw records. tests/python/truth.py makes the truth of them.

Every time is time.perf_counter(), which is CLOCK_MONOTONIC on Linux and so comparable across processes.
"""

from __future__ import annotations

import json
import mmap
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_schedstat: dict[int, int] = {}
_pages: dict[int, mmap.mmap] = {}  # by process: a fork must not go on in its parent's file


def run_queue_seconds() -> float:
    """Seconds that this thread has waited for a core, from the kernel; 0 where the kernel does not count them."""
    pid = os.getpid()  # a descriptor of /proc/thread-self stays with the thread that opened it, so a fork needs its own
    descriptor = _schedstat.get(pid)
    if descriptor is None:
        try:
            descriptor = os.open("/proc/thread-self/schedstat", os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            descriptor = -1
        _schedstat[pid] = descriptor
    if descriptor < 0:
        return 0.0
    fields = os.pread(descriptor, 64, 0).split()
    return int(fields[1]) * 1e-9


class Stopwatch:
    """The training thread's time, charged to one entry of the ledger at any moment.

    Until the first batch arrives the wait for it is startup.workers, and from there until the first optimizer step has
    ended everything is startup.first_step, whatever the program does, but for evaluations.
    """

    def __init__(self, began: float, imported: float) -> None:
        """The program began at `began` and had its imports behind it at `imported`; what follows is set-up."""
        self.began = began
        self.seconds = {"startup.imports": imported - began}
        self.waits: list[tuple[int, float, float]] = []  # (first sample of the batch or -1, asked, received)
        self._entry = "startup.setup"
        self._since = imported
        self._asked = imported
        self._first_batch = False
        self._first_step = False

    def _charge(self, now: float) -> None:
        entry = self._entry
        if self._first_batch and not self._first_step and entry != "evaluation":
            entry = "startup.first_step"
        elif not self._first_batch and entry == "input.wait":
            entry = "startup.workers"
        self.seconds[entry] = self.seconds.get(entry, 0.0) + now - self._since
        self._since = now

    def to(self, entry: str) -> None:
        """From now on time belongs to `entry`."""
        self._charge(time.perf_counter())
        self._entry = entry

    @contextmanager
    def inside(self, entry: str) -> Iterator[None]:
        """Charges a block to `entry`, then goes on with what was charged before."""
        before = self._entry
        self.to(entry)
        try:
            yield
        finally:
            self.to(before)

    def ask(self) -> None:
        """The loop is about to ask its loader for a batch."""
        self.to("input.wait")
        self._asked = self._since

    def receive(self, first_sample: int) -> None:
        """The loop has its batch, whose first sample is number `first_sample`."""
        self.to("host")
        if self._first_batch:
            self.waits.append((first_sample, self._asked, self._since))
        self._first_batch = True

    def loop_begins(self) -> None:
        """A loop without a loader has its first batch; later calls change nothing."""
        self._charge(time.perf_counter())
        self._entry = "host"
        self._first_batch = True

    def exhausted(self) -> None:
        """The loader has ended its epoch instead of giving a batch."""
        self.to("host")
        self.waits.append((-1, self._asked, self._since))

    def stepped(self) -> None:
        """An optimizer step has ended."""
        self.to("host")
        self._first_step = True

    def write(self, folder: Path) -> None:
        """Ends the measurement and leaves it in `folder`."""
        self._charge(time.perf_counter())
        record = {"began": self.began, "ended": self._since, "seconds": self.seconds, "waits": self.waits}
        (folder / "program.json").write_text(json.dumps(record))


class FetchLog:
    """What a worker does for each batch: one line of JSON per batch in a file per process.

    A part is [stage, start, end, seconds]: `seconds` of the interval were really that stage, the rest of it the thread
    waited for a core. It travels to a worker by fork or by pickling; nothing is opened before the first sample.
    """

    def __init__(self, folder: Path) -> None:
        """Writes into `folder`."""
        self.folder = folder
        self.parts: list[tuple[str, float, float, float]] = []
        self.first_sample = -1
        self.begin = 0.0
        self.end = 0.0
        self.queued_at_begin = 0.0
        self.queued = 0.0  # waiting for a core from the begin of the first sample to the end of the last

    def sample_begins(self, index: int) -> None:
        """Sample number `index` is being made."""
        if self.first_sample < 0:
            self.first_sample = index
            self.queued_at_begin = run_queue_seconds()
            self.begin = time.perf_counter()

    def sample_ends(self) -> None:
        """The sample is made."""
        self.end = time.perf_counter()
        self.queued = run_queue_seconds() - self.queued_at_begin

    @contextmanager
    def part(self, stage: str) -> Iterator[None]:
        """A part of a sample or of the collation."""
        queued = run_queue_seconds()
        start = time.perf_counter()
        try:
            yield
        finally:
            end = time.perf_counter()
            waited = min(run_queue_seconds() - queued, end - start)
            self.parts.append((stage, start, end, end - start - waited))

    def batch_ends(self) -> None:
        """The batch is collated: writes its line.

        Into mapped memory: a write to a file can take longer than what is measured, and would be neither the collation
        that has ended nor the transport that begins. A worker that is killed later leaves its lines.
        """
        line = json.dumps([self.first_sample, self.begin, self.end, self.queued, self.parts]).encode() + b"\n"
        self.first_sample = -1
        self.parts = []
        self.pages().write(line)

    def pages(self) -> mmap.mmap:
        """This process's file, all zero behind its lines."""
        pid = os.getpid()
        if pid not in _pages:
            with open(self.folder / f"batches-{pid}.jsonl", "w+b") as file:
                file.truncate(1 << 24)
                _pages[pid] = mmap.mmap(file.fileno(), 1 << 24)
        return _pages[pid]
