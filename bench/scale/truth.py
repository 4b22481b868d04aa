"""What a report of a made-up run must say, compared with what it says."""

from __future__ import annotations

from typing import Any

import numpy as np
from scale import synthetic

CLOSE = 1e-9  # of the greater one: sums of as many numbers in another order


def differences(made: synthetic.Program, report: dict[str, Any]) -> list[str]:
    """Every figure of the report that is not the truth; none when all are."""
    steps = made.step_seconds()
    steady = report["steady"]
    overhead_ns = synthetic.SELF_NS + synthetic.CALL_NS * synthetic.HOOKS + synthetic.SHIM_NS
    expected = [
        *((f"ledger.{name}", value) for name, value in made.ledger().items()),
        *((f"input.wait.{name}", value) for name, value in made.stages().items()),
        ("steady.steps", len(steps)),
        ("steady.step_seconds.median", float(np.median(steps))),
        ("steady.step_seconds.p95", float(np.quantile(steps, 0.95))),
        ("steady.samples_per_second", synthetic.BATCH * len(steps) / float(steps.sum())),
        ("steady.batch_size", synthetic.BATCH),
        *((f"input.per_sample.{name}", value) for name, value in made.per_sample().items()),
        ("memory.device_peak_bytes", synthetic.DEVICE_BYTES),
        ("overhead.seconds", overhead_ns * 1e-9),
    ]
    found = {
        **{f"ledger.{entry['name']}": entry["seconds"] for entry in report["ledger"]["entries"]},
        **{f"input.wait.{stage['stage']}": stage["seconds"] for stage in report["input"]["wait"]},
        **{f"input.per_sample.{name}": value for name, value in report["input"]["per_sample"].items()},
        **{f"steady.step_seconds.{name}": value for name, value in steady["step_seconds"].items()},
        **{f"steady.{name}": steady[name] for name in ("steps", "samples_per_second", "batch_size")},
        "memory.device_peak_bytes": report["memory"]["device_peak_bytes"],
        "overhead.seconds": report["overhead"]["seconds"],
    }
    wrong = [
        f"{name} is {found[name]}, not {value}"
        for name, value in expected
        if abs(found[name] - value) > CLOSE * max(1.0, abs(value))
    ]
    loader = report["input"]["loaders"][0]
    several = made.shape.workers > 0
    how = (made.shape.workers, several, "fork" if several else None)
    if (loader["workers"], loader["persistent"], loader["method"]) != how:
        wrong.append(f"the loader is {loader}")
    if made.shape.workers == 0:
        wrong += prediction_differences(report)
    return wrong


def prediction_differences(report: dict[str, Any]) -> list[str]:
    """What is wrong with the prediction of a loop that makes its own batches: an exact replay, and a worker wins."""
    prediction = report["prediction"]
    if not prediction["valid"] or abs(prediction["reproduction"]["mean_error"]) > CLOSE:
        return [f"the prediction is {prediction}"]
    return [] if any(one["id"] == "input.workers" for one in report["findings"]) else ["input.workers is missing"]
