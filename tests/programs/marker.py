"""Marks its own steps and parts, and prints its truth as JSON. Works the same when nobody listens."""

from __future__ import annotations

import json
import statistics
import time

import headrace


def main() -> None:
    """Ten steps with an evaluation, a checkpoint and a part of another name."""
    seconds: dict[str, float] = {}
    steps: list[float] = []
    stepped = time.perf_counter()
    for number in range(10):
        time.sleep(0.05)
        steps.append(time.perf_counter() - stepped)
        headrace.step()
        stepped = time.perf_counter()
        if number % 5 == 4:
            for name in ("evaluation", "checkpoint", "index \u00e9"):
                begin = time.perf_counter()
                with headrace.phase(name):
                    time.sleep(0.1)
                seconds[name] = seconds.get(name, 0.0) + time.perf_counter() - begin
                if name in ("evaluation", "checkpoint"):  # what a step's pace does not hold
                    stepped += time.perf_counter() - begin
    for odd in ("\ud800", "zero \0 byte", "x" * 5000, "", 7):
        with headrace.phase(odd):  # type: ignore[arg-type]
            pass
    try:
        with headrace.phase("fails"):
            raise ValueError("passes through")
    except ValueError as error:
        print(error)
    print(json.dumps(seconds | {"step": statistics.median(steps[1:])}), flush=True)


if __name__ == "__main__":
    main()
