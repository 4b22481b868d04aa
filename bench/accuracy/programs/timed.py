"""The arguments that every program of this benchmark takes, and its own clock."""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any

FEWEST = 70  # steps that are timed; a probe needs 60


def arguments(parser: argparse.ArgumentParser) -> argparse.Namespace:
    """The command line."""
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--workers", type=int, default=0)
    parser.add_argument("--prefetch", type=int, default=2)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--persistent", action="store_true", help="workers that stay for all passes")
    parser.add_argument("--seconds", type=float, default=5)
    return parser.parse_args()


def loader_arguments(options: argparse.Namespace) -> dict[str, Any]:
    """Those of the loader that depend on the workers."""
    if options.workers == 0:
        return {"num_workers": 0}
    return {
        "num_workers": options.workers,
        "prefetch_factor": options.prefetch,
        "persistent_workers": options.persistent,
    }


class Steps:
    """Counts steps and times those after the second filling of the loader's queues."""

    def __init__(self, options: argparse.Namespace) -> None:
        self._seconds: float = options.seconds
        self._batch = options.batch
        self._fill: int = 2 * options.workers * options.prefetch + 1
        self._count = 0
        self._begin = 0.0

    def stepped(self) -> bool:
        """To be called after each step; whether it is time to end."""
        self._count += 1
        if self._count == self._fill:
            self._begin = time.perf_counter()
        return self._count >= self._fill + FEWEST and time.perf_counter() - self._begin > self._seconds

    def tell(self, **more: float) -> None:
        """Prints what it saw as a line of JSON."""
        took = (time.perf_counter() - self._begin) / (self._count - self._fill)
        print(json.dumps({"step_seconds": took, "samples": self._batch, **more}))
