"""How a program without torch measures itself: when it slept and when it trained, on CLOCK_MONOTONIC."""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class Parts:
    """The parts of a program, left in the folder --truth as [name, begin, end] when one is given."""

    def __init__(self) -> None:
        parser = argparse.ArgumentParser()
        parser.add_argument("--truth", type=Path, help="folder for the program's own measurements")
        self.folder: Path | None = parser.parse_args().truth
        self.parts: list[tuple[str, float, float]] = []

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        """Measures a block."""
        begin = time.perf_counter()
        yield
        self.parts.append((name, begin, time.perf_counter()))

    def wait_for_data(self) -> None:
        """Sleeps as a program does whose data comes from elsewhere."""
        with self.part("sleep"):
            time.sleep(2)

    def finish(self) -> None:
        """Leaves the measurements."""
        if self.folder:
            (self.folder / "parts.json").write_text(json.dumps({"phases": self.parts}))
