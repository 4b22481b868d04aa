"""A command on a terminal of its own: what is typed, what is shown."""

from __future__ import annotations

import errno
import fcntl
import os
import pty
import re
import select
import signal
import struct
import termios
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType

TIMEOUT_SECONDS = 60.0


class Terminal:
    """Runs a command with a new pseudo-terminal as its controlling terminal, like a terminal window does."""

    def __init__(self, command: Sequence[str], cwd: Path, env: Mapping[str, str]) -> None:
        """Starts the command."""
        self.shown = ""
        self._seen = 0
        self.pid, self.descriptor = pty.fork()
        if self.pid == 0:
            try:
                fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
                os.chdir(cwd)
                os.execvpe(command[0], list(command), dict(env))
            finally:
                os._exit(127)

    def __enter__(self) -> Terminal:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, at: TracebackType | None) -> None:
        try:
            os.killpg(self.pid, signal.SIGKILL)
        except OSError:
            pass
        os.close(self.descriptor)

    def _read(self, seconds: float) -> bool:
        if not select.select([self.descriptor], [], [], seconds)[0]:
            return True
        try:
            text = os.read(self.descriptor, 65536)
        except OSError as error:
            if error.errno != errno.EIO:  # what Linux says once nobody has the other side open
                raise
            return False
        self.shown += text.decode(errors="replace")
        return bool(text)

    def expect(self, pattern: str) -> str:
        """Waits until `pattern` is shown after what was expected before; returns what is shown up to its end."""
        until = time.monotonic() + TIMEOUT_SECONDS
        while time.monotonic() < until:
            found = re.search(pattern, self.shown[self._seen :])
            if found:
                begin, self._seen = self._seen, self._seen + found.end()
                return self.shown[begin : self._seen]
            if not self._read(0.1):
                break
        raise AssertionError(f"{pattern!r} was not shown; shown was:\n{self.shown}")

    def type(self, text: str) -> None:
        """Types `text`; "\\x1a" is Ctrl-Z, "\\x03" is Ctrl-C."""
        os.write(self.descriptor, text.encode())

    def end(self) -> int:
        """Reads to the end; the exit code, negative for a signal."""
        until = time.monotonic() + TIMEOUT_SECONDS
        while time.monotonic() < until and self._read(0.1):
            pass
        while time.monotonic() < until:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                return os.waitstatus_to_exitcode(status)
            time.sleep(0.02)
        raise AssertionError(f"it did not end; shown was:\n{self.shown}")
