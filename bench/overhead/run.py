"""What does headrace's audit cost the audited program, and is it less than the peers?

Two programs answer. A is a training loop with steps of about 2 ms, run plainly, under headrace and under each peer,
in turns. B is the demo program as a whole command, plain and audited by turns. The answers are compared first.
Ends with 0, with 1 when a criterion falls short, with 3 when the spread is too large to say.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from common import Criterion, exit_code, machine
from overhead import demo, steps
from overhead.cases import HEADRACE, PEERS

DEMO = "resnet"
NAMES = (HEADRACE, *PEERS, DEMO)


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description="What does headrace's audit cost the audited program, and is it less than the peers?",
        epilog="example: bench/overhead/run.py --only headrace,py-spy --pairs 20 --json overhead.json",
    )
    parser.add_argument("--pairs", type=int, default=40, help="rounds of program A and pairs of program B (40)")
    parser.add_argument("--quick", action="store_true", help="see that all runs; too short for a verdict")
    parser.add_argument("--only", metavar="NAME,...", default=",".join(NAMES), help=f"of {', '.join(NAMES)}")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all samples to this file as well")
    options = parser.parse_args()
    options.only = options.only.split(",")
    unknown = [name for name in options.only if name not in NAMES]
    if unknown:
        parser.error(f"--only: {', '.join(unknown)} is not one of {', '.join(NAMES)}")
    if options.pairs < 1:
        parser.error("--pairs: at least 1")
    options.step_epochs, options.demo_epochs = (3, 1) if options.quick else (4, 3)
    if options.quick:
        options.pairs = min(options.pairs, 2)
    return options


def tell(criteria: list[Criterion]) -> None:
    """Prints the verdicts."""
    print("\nCriteria")
    for one in criteria:
        print(f"{one.verdict.value.upper():13} {one.text}: {one.detail}")


def main() -> int:
    """Measures, prints, and gives the exit code."""
    options = arguments()
    if DEMO in options.only:
        demo.require_corpus()
    document: dict[str, Any] = {
        "schema": "headrace.bench.overhead/1",
        "machine": machine(),
        "steps": None,
        "demo": None,
    }
    print(", ".join(f"{name} {value}" for name, value in document["machine"].items()))
    criteria: list[Criterion] = []
    if options.only != [DEMO]:
        found = steps.measure(options.only, options.pairs, options.step_epochs)
        criteria += steps.criteria(found, options.only)
        document["steps"] = dataclasses.asdict(found)
        if not found.different:
            print()
            steps.show(found)
    if DEMO in options.only:
        result = demo.measure(options.pairs, options.demo_epochs)
        criteria += demo.criteria(result)
        document["demo"] = dataclasses.asdict(result)
        if not result.different:
            print()
            demo.show(result)
    tell(criteria)
    document["criteria"] = [{"text": one.text, "verdict": one.verdict.value, "detail": one.detail} for one in criteria]
    if options.json:
        options.json.write_text(json.dumps(document, indent=1), encoding="utf-8")
    return exit_code(one.verdict for one in criteria)


if __name__ == "__main__":
    sys.exit(main())
