"""Runs a command and says what it took: wall seconds and the peak of its resident memory."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

# A process begins with the peak of the one that started it, so a small one stands between.
STARTER = """
import json, os, sys, time
began = time.monotonic()
pid = os.posix_spawn(sys.argv[2], sys.argv[2:], os.environ)
_, status, usage = os.wait4(pid, 0)
took = {"seconds": time.monotonic() - began, "peak_bytes": usage.ru_maxrss * 1024, "status": status}
with open(sys.argv[1], "w") as file:
    json.dump(took, file)
"""


@dataclass(frozen=True)
class Took:
    """What a command took."""

    seconds: float
    peak_bytes: int


def run(command: Sequence[str | Path], result: Path) -> Took:
    """Runs it to its end; `result` is a file to write to. RuntimeError when it fails."""
    starter = [sys.executable, "-I", "-S", "-c", STARTER, str(result), *map(str, command)]
    subprocess.run(starter, check=True)
    took = json.loads(result.read_text(encoding="utf-8"))
    if took["status"] != 0:
        raise RuntimeError(f"{command[0]} ended with the status {took['status']}")
    return Took(float(took["seconds"]), int(took["peak_bytes"]))
