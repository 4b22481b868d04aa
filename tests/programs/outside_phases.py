"""Known phases without any framework: one core, sleep, two children, files. Prints its own truth as JSON.

Nothing here knows of the tool under test. Times are time.perf_counter(), which is CLOCK_MONOTONIC on Linux.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import resource
import tempfile
import time

from work import compute

BLOCK = os.urandom(1 << 20)


def compute_until(moment: float) -> None:
    """Computes until a moment of perf_counter."""
    while time.perf_counter() < moment:
        compute(0.01)


def in_children(seconds: float) -> None:
    """Two processes compute at once."""
    moment = time.perf_counter() + seconds
    children = [multiprocessing.get_context("fork").Process(target=compute_until, args=(moment,)) for _ in range(2)]
    for child in children:
        child.start()
    for child in children:
        child.join()


def with_files(seconds: float) -> int:
    """Writes, syncs and reads again what storage has; returns the bytes written."""
    until = time.perf_counter() + seconds
    written = 0
    with tempfile.NamedTemporaryFile(dir=os.getcwd()) as file:
        while time.perf_counter() < until:
            file.seek(0)
            for _ in range(16):
                file.write(BLOCK)
            file.flush()
            os.fsync(file.fileno())
            written += 16 * len(BLOCK)
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
            file.seek(0)
            while file.read(len(BLOCK)):
                pass
    return written


def cpu_seconds() -> float:
    """Of this process and of its children that have ended."""
    whole = 0.0
    for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN):
        used = resource.getrusage(who)
        whole += used.ru_utime + used.ru_stime
    return whole


def main() -> None:
    """Runs the phases and prints [name, begin, end, CPU seconds] of each."""
    phases: list[tuple[str, float, float, float]] = []
    written = 0
    for name in ("compute", "sleep", "children", "files"):
        begin, cpu = time.perf_counter(), cpu_seconds()
        if name == "compute":
            compute_until(begin + 2)
        elif name == "sleep":
            time.sleep(2)
        elif name == "children":
            in_children(2)
        else:
            written = with_files(1.5)
        phases.append((name, begin, time.perf_counter(), cpu_seconds() - cpu))
    print(json.dumps({"phases": phases, "cpu_seconds": cpu_seconds(), "written_bytes": written}), flush=True)


if __name__ == "__main__":
    main()
