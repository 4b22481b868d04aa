"""What does the audit of a long run take after the program's end, in time and in memory?

Finishes made-up runs of 10,000, 100,000 and 1,000,000 steps from their spools, as `headrace audit` does at the end and
`headrace report` does for a run whose headrace was killed: with 32 workers, and without any, where the loop is replayed
and what fixes would win is predicted. What they say is compared first.
Ends with 0, with 1 when a criterion falls short, with 3 when the spread is too large to say.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import shutil
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from common import ROOT, Criterion, Estimate, Progress, Verdict, at_most, estimate, exit_code, machine, print_table
from scale import measure, synthetic, truth

STEPS = (10_000, 100_000, 1_000_000)
SECONDS = {10_000: 2.0, 1_000_000: 10.0}  # the limits
PEAK_BYTES, PREDICTED_PEAK_BYTES = 300_000_000, 1_000_000_000
HEADRACE = ROOT / ".venv" / "bin" / "headrace"


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description="What does the audit of a long run take after the program's end?",
        epilog="example: bench/scale/run.py --steps 1000000 --repeat 9",
    )
    parser.add_argument("--steps", default=",".join(map(str, STEPS)), metavar="N,...", help="lengths of the runs")
    parser.add_argument("--workers", type=int, default=32, metavar="W", help="worker processes (32)")
    parser.add_argument("--repeat", type=int, default=5, help="times that each run is finished (5)")
    parser.add_argument("--quick", action="store_true", help="see that it runs; too short for a verdict")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all samples to this file as well")
    options = parser.parse_args()
    options.steps = [int(steps) for steps in options.steps.split(",")]
    if options.repeat < 1 or options.workers < 1 or min(options.steps) < 1:
        parser.error("--repeat, --workers and --steps: at least 1")
    if options.quick:
        options.steps, options.repeat = [steps for steps in options.steps if steps <= STEPS[0]], 2
    return options


def finish(original: Path, made: synthetic.Program, place: Path) -> measure.Took:
    """Finishes a copy of the run. ValueError when what it says is not the truth."""
    home = place / "home"
    shutil.copytree(original, home)
    report = place / "report.json"
    took = measure.run([HEADRACE, "report", "--quiet", "--dir", home, "--json", report], place / "took.json")
    wrong = truth.differences(made, json.loads(report.read_text(encoding="utf-8")))
    if wrong:
        raise ValueError(f"the report of {made.shape.steps} steps is wrong: " + "; ".join(wrong))
    shutil.rmtree(home)
    return took


def samples_of(shape: synthetic.Shape, repeat: int) -> list[measure.Took]:
    """Makes a run and finishes it again and again."""
    with tempfile.TemporaryDirectory(prefix="headrace-scale-") as folder:
        original = Path(folder) / "original"
        _, made = synthetic.write_run(HEADRACE, original, shape)
        progress = Progress(f"{shape.steps} steps", repeat)
        samples = []
        for _ in range(repeat):
            samples.append(finish(original, made, Path(folder)))
            progress.advance()
        return samples


def seconds_verdict(what: str, limit: float, seconds: Estimate) -> Criterion:
    """Whether the time keeps its limit."""
    detail = f"{seconds.median:.2f} s ({seconds.low:.2f} to {seconds.high:.2f})"
    return Criterion(f"{what} in under {limit:.0f} s", at_most(seconds, limit), detail)


def main() -> int:
    """Measures, prints, and gives the exit code."""
    options = arguments()
    here = machine()
    print(f"{here['cpu']}, {here['cores']} cores, kernel {here['kernel']}, headrace {here['headrace']}")
    shapes = [synthetic.Shape(steps, workers) for workers in (options.workers, 0) for steps in options.steps]
    measured = {shape: samples_of(shape, options.repeat) for shape in shapes}
    rows = [["steps", "workers", "seconds", "peak memory"]]
    criteria = []
    for shape, samples in measured.items():
        what = f"{shape.steps} steps{'' if shape.workers else ' with a prediction'}"
        seconds = estimate([sample.seconds for sample in samples])
        peak = max(sample.peak_bytes for sample in samples)
        interval = f"{seconds.median:.2f} ({seconds.low:.2f} to {seconds.high:.2f})"
        rows.append([f"{shape.steps:,}", str(shape.workers), interval, f"{peak / 1e6:.0f} MB"])
        if shape.steps in SECONDS:
            criteria.append(seconds_verdict(what, SECONDS[shape.steps], seconds))
        limit = PEAK_BYTES if shape.workers else PREDICTED_PEAK_BYTES
        verdict = Verdict.PASS if peak < limit else Verdict.FALLS_SHORT
        criteria.append(Criterion(f"{what} in under {limit / 1e6:.0f} MB", verdict, f"{peak / 1e6:.0f} MB"))
    print_table(rows)
    print("\nCriteria")
    for one in criteria:
        print(f"{one.verdict.value.upper():13} {one.text}: {one.detail}")
    if options.json:
        content = [
            dataclasses.asdict(shape) | {"samples": list(map(dataclasses.asdict, measured[shape]))} for shape in shapes
        ]
        options.json.write_text(json.dumps({"machine": here, "runs": content}, indent=1), encoding="utf-8")
    return exit_code(one.verdict for one in criteria)


if __name__ == "__main__":
    sys.exit(main())
