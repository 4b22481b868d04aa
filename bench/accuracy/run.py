"""How near do predictions come to runs that have the fix?

Audits each program of cases.py at each of its points, with a probe. Each finding that predicts a gain is compared with
runs without headrace at both points, by turns, right after the audit; what no argument of the program sets is tried by
`headrace try`. What was measured goes to the file --keep, one line of JSON each; a run that finds it there goes on with
what is missing. Ends with 0, with 1 when a criterion falls short.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tests" / "frameworks"))
sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tests" / "python"))

from accuracy.cases import (
    LIST,
    RESTLESS,
    Case,
    Joint,
    Measured,
    Point,
    Program,
    cases_of,
    criteria_of,
    joint_of,
    key_of,
    near_best,
    predictions,
    target,
)
from common import ROOT, Progress, clean_environment, exit_code, machine, print_markdown, print_table


class Kept:
    """What was measured, in memory and as lines of a file that a later run reads."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self.programs: dict[str, Measured] = {program.name: Measured() for program in LIST}
        self.machines: set[str] = set()
        if file.exists():
            for line in file.read_text(encoding="utf-8").splitlines():
                self._take(json.loads(line))

    def add(self, kind: str, program: Program, point: Point, value: Any, finding: str = "") -> None:
        """Keeps one thing: a report, a turn of runs (pairs of a point and a rate), a trial."""
        line = {
            "kind": kind,
            "program": program.name,
            "point": dataclasses.asdict(point),
            "finding": finding,
            "value": value,
            "cpu": machine()["cpu"],
        }
        with self.file.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")
        self._take(line)

    def _take(self, line: dict[str, Any]) -> None:
        measured, point = self.programs[line["program"]], Point(**line["point"])
        self.machines.add(line["cpu"])
        if line["kind"] == "report":
            measured.reports[point] = line["value"]
        elif line["kind"] == "turn":
            turn = {Point(**one): rate for one, rate in line["value"]}
            measured.turns.setdefault(point, []).append(turn)
        else:
            measured.trials[point, line["finding"]] = line["value"]


class Bench:
    """Runs what is missing."""

    def __init__(self, options: argparse.Namespace, place: Path, kept: Kept) -> None:
        self.options = options
        self.place = place
        self.kept = kept

    def python(self, program: Program) -> str:
        """The interpreter of a program."""
        if not program.frameworks:
            return str(ROOT / ".venv" / "bin" / "python")
        import environment

        return environment.frameworks().python

    def command(self, program: Program, point: Point, seconds: float) -> list[str]:
        """The program at a point; for so many seconds, where it has a clock of its own."""
        words = [self.python(program), *program.command(point, self.options.data, seconds)]
        return words if program.own_clock else [*words, "--out", str(self.place / "out")]

    def run(self, words: list[str]) -> str:
        """Runs a command to its end; its output, or an error with its last words."""
        done = subprocess.run(words, env=clean_environment(), capture_output=True, text=True, cwd=self.place)
        if done.returncode not in (0, 3):
            raise SystemExit(f"{' '.join(words)} ended with {done.returncode}: {done.stderr[-2000:]}")
        return done.stdout

    def home(self, program: Program, point: Point) -> list[str]:
        """The option that names where the runs of an audit are kept: its trials teach nothing about another."""
        return ["--dir", str((self.options.runs or self.place) / program.name / point.words.replace(" ", ""))]

    def audit(self, program: Program, point: Point) -> None:
        """Audits it, and tries what nothing else measures."""
        report, trial = self.place / "report.json", self.place / "trial.json"
        headrace, home = str(self.options.headrace), self.home(program, point)
        probe = [f"--probe={self.options.probe}"] if self.options.probe else []
        options = [*home, "--quiet", *probe, "--json", str(report)]
        seconds = max(self.options.seconds, 1.0 + self.options.probe)  # a probe takes no longer than its program
        self.run([headrace, "audit", *options, "--", *self.command(program, point, seconds)])
        content = json.loads(report.read_text(encoding="utf-8"))
        kept = essence(content)
        for finding in predictions(content):
            to = target(point, finding)
            if (to is not None and program.own_clock) or finding["try"] is None:
                continue
            trial.unlink(missing_ok=True)
            pairs = ["--pairs", str(max(2, self.options.repeat)), "--quiet", "--json", str(trial)]
            self.run([headrace, "try", *home, "--fix", finding["id"], *pairs])
            if trial.exists():
                measured = json.loads(trial.read_text(encoding="utf-8"))["measured"]["ratio"]
                self.kept.add("trial", program, point, measured, key_of(finding))
        self.kept.add("report", program, point, kept)  # the last, so that one which was interrupted is done again

    def predict(self, program: Program) -> None:
        """Predicts again from the kept runs, with the headrace of now."""
        for point, old in list(self.kept.programs[program.name].reports.items()):
            words = [str(self.options.headrace), "report", *self.home(program, point), old["id"], "--json", "-"]
            self.kept.add("report", program, point, essence(json.loads(self.run(words))))

    def plain(self, program: Program, point: Point) -> float:
        """Runs it without headrace; its samples a second."""
        last = self.run(self.command(program, point, self.options.seconds)).splitlines()[-1]
        told = json.loads(last)
        return float(told["samples"] / told["step_seconds"])

    def turn(self, program: Program, point: Point, others: list[Point]) -> None:
        """Runs an audited point and others, one after the other: every second time backwards."""
        points = [point, *others]
        if len(self.kept.programs[program.name].turns.get(point, [])) % 2 == 1:
            points.reverse()
        rates = [(dataclasses.asdict(one), self.plain(program, one)) for one in points]
        self.kept.add("turn", program, point, rates)

    def measure(self, program: Program) -> None:
        """All that is missing of one program: each audit, then turns of the points that its findings name."""
        measured = self.kept.programs[program.name]
        progress = Progress(program.name, len(program.points))
        for point in program.points:
            if point not in measured.reports:
                self.audit(program, point)
            if program.own_clock:
                self._compare(program, point)
            progress.advance()
        for _ in range(self.options.repeat):
            for point in program.combinations:
                if len(measured.runs.get(point, [])) < self.options.repeat:
                    self.turn(program, point, [])
        for _ in range(self.options.repeat):
            for point in near_best(program, measured):
                if len(measured.runs[point]) < 2 * self.options.repeat:
                    self.turn(program, point, [])

    def _compare(self, program: Program, point: Point) -> None:
        measured, repeat = self.kept.programs[program.name], self.options.repeat
        found = [target(point, finding) for finding in predictions(measured.reports[point])]
        others = list(dict.fromkeys(one for one in found if one is not None and one != point))

        def missing(one: Point) -> bool:
            ratios = measured.won(point, one)
            restless = ratios and max(ratios) > (1 + RESTLESS) * min(ratios)
            wanted: int = 2 * repeat if restless else repeat
            return len(ratios) < wanted

        while wanted := [one for one in others if missing(one)]:
            self.turn(program, point, wanted)
        while len(measured.turns.get(point, [])) < repeat:
            self.turn(program, point, [])


def essence(report: dict[str, Any]) -> dict[str, Any]:
    """What is kept of the report of an audit."""
    names = ("findings", "prediction", "ceilings", "probe", "limits", "steady")
    return {"id": report["run"]["id"]} | {name: report[name] for name in names}


def shown(case: Case) -> list[str]:
    """A row of the table."""
    head = [case.program, case.point.words]
    if not case.finding:
        return [*head, "refused" if case.refused else "nothing to win", case.refused or "", "", ""]
    predicted = f"{case.predicted:.2f} ({case.low:.2f} to {case.high:.2f})"
    if case.measured is None:
        return [*head, f"{case.finding}: {case.fix}", predicted, "not measured", ""]
    inside = "inside" if case.inside else "OUTSIDE"
    return [*head, f"{case.finding}: {case.fix}", predicted, f"{case.measured:.2f}", inside]


def shown_joint(one: Joint) -> list[str]:
    """A row of the table of joint advice."""
    return [one.program, one.point.words, one.to.words, one.best.words, f"{100 * one.off:.0f} %"]


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--programs", default=",".join(one.name for one in LIST), metavar="NAME,...")
    parser.add_argument("--repeat", type=int, default=3, help="turns, twice where they differ; pairs of a trial (3)")
    parser.add_argument("--seconds", type=float, default=5, help="of a plain run, once it is steady (5)")
    parser.add_argument("--probe", type=int, default=15, metavar="SECONDS", help="of each audit; 0: none (15)")
    parser.add_argument("--keep", type=Path, default=ROOT / "build" / "accuracy.jsonl", metavar="FILE")
    parser.add_argument("--runs", type=Path, metavar="DIR", help="keep the folders of the audited runs there")
    parser.add_argument(
        "--predict", action="store_true", help="measure nothing: predict again from the runs in --runs, and show it"
    )
    parser.add_argument("--show", action="store_true", help="measure nothing: show what is kept")
    parser.add_argument("--markdown", action="store_true", help="print the tables as the documents have them")
    parser.add_argument("--data", type=Path, default=ROOT / ".cache" / "corpus", help="the photos")
    parser.add_argument("--headrace", type=Path, default=ROOT / ".venv" / "bin" / "headrace")
    return parser.parse_args()


def main() -> int:
    """Measures, prints, and gives the exit code."""
    options = arguments()
    options.runs = options.runs and options.runs.resolve()  # programs run in another folder
    wanted = options.programs.split(",")
    unknown = set(wanted) - {one.name for one in LIST}
    if unknown:
        raise SystemExit(f"--programs: there is no {', '.join(sorted(unknown))}")
    here = machine()
    print(f"{here['cpu']}, {here['cores']} cores, kernel {here['kernel']}, headrace {here['headrace']}", flush=True)
    kept = Kept(options.keep)
    programs = [one for one in LIST if one.name in wanted]
    if options.predict:
        if options.runs is None:
            raise SystemExit("--predict needs --runs: the folder that a run with --runs has filled")
        for program in programs:
            Bench(options, options.runs, kept).predict(program)
    elif not options.show:
        with tempfile.TemporaryDirectory(prefix="headrace-accuracy-") as place:
            for program in programs:
                Bench(options, Path(place), kept).measure(program)
    cases = [case for one in programs for case in cases_of(one, kept.programs[one.name])]
    joint = [row for one in programs for row in joint_of(one, kept.programs[one.name])]
    if len(kept.machines) > 1:
        print(f"Measured on different machines: {', '.join(sorted(kept.machines))}")
    table = print_markdown if options.markdown else print_table
    table([["program", "recorded", "finding", "predicted", "measured", ""], *map(shown, cases)])
    print()
    table([["program", "recorded", "advised", "best", "slower"], *map(shown_joint, joint)])
    print("\nCriteria")
    criteria = list(criteria_of(cases, joint))
    for one in criteria:
        print(f"{one.verdict.value.upper():13} {one.text}: {one.detail}")
    return exit_code(one.verdict for one in criteria)


if __name__ == "__main__":
    sys.exit(main())
