"""Work of a known kind: time a program can spend without any doubt about what it was."""

from __future__ import annotations

import hashlib
import os
import time

_BLOCK = bytes(1 << 17)
_BUFFER = memoryview(bytearray(1 << 24))  # made once, and large: making it, and the calls, would be user CPU time


def compute(seconds: float) -> None:
    """Uses `seconds` of this thread's CPU, all of it in user mode but for looking at the clock now and then."""
    until = time.thread_time() + seconds
    while time.thread_time() < until:
        hashlib.sha256(_BLOCK).digest()


def wait(seconds: float) -> None:
    """Sleeps, as a thread does that waits for a disk or a network."""
    time.sleep(seconds)


def read_zeros(mebibytes: float) -> None:
    """Reads from /dev/zero: the kernel clears pages, nothing is waited for, so all of it is system CPU time."""
    descriptor = os.open("/dev/zero", os.O_RDONLY)
    try:
        left = int(mebibytes * (1 << 20))
        while left > 0:
            left -= os.readv(descriptor, [_BUFFER[: min(left, len(_BUFFER))]])
    finally:
        os.close(descriptor)


class SlowStream:
    """A text stream whose every write takes a while, like a terminal over a bad line."""

    def __init__(self, seconds: float) -> None:
        """Each write sleeps `seconds`."""
        self.seconds = seconds
        self.lines = 0

    def write(self, text: str) -> int:
        """Takes the text and its time."""
        if text.strip():
            self.lines += 1
            time.sleep(self.seconds)
        return len(text)

    def flush(self) -> None:
        """Nothing is held back."""
