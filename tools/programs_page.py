"""Makes docs/programs.md of what the tests measured: `programs_page.py ROWS` prints the page. See `make programs`.

ROWS is the file of tests/python/rows.py. Every figure comes from it. Ends with 1 when a row fails or was not run.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

Facts = dict[str, Any]
ABSENT = "not measured"
INTRODUCTION = """# Programs: what the audit says beside what they know of themselves

`make programs` runs everything below anew and writes this page; nothing here is typed by hand. {machine}.
Measured on {date} with headrace {headrace}, Python {python} and {frameworks}.{runs}

Each program measures itself (tests/programs); the harness measures its launch and its end. A row is the last of at most
three runs: a run counts when it keeps every limit. The limits: an entry of the ledger differs from the truth by at most
2 % of the wall time, `unattributed` is under 3 %, a stage of input.wait differs by at most 5 % of the wait (not
measured where the wait is under 5 % of the time). For programs that are seen from outside only: where they compute,
sleep or use files differs by at most 5 % of the wall time, the CPU time by at most 5 %.

*Identical*: output, errors and exit code, and what is printed of losses, weights, order and random numbers, are those
of a run without headrace, but for times, dates, addresses, ports and process ids. *Overhead* is the audit's own figure,
of the thread that trains; [bench/overhead](../bench/README.md) measures it from outside, by turns, for two programs.
*Not seen* are the sentences of the report's `limits`, at the end of this page.
"""


def share(value: float) -> str:
    """0.012 as 1.20 %."""
    return f"{100 * value:.2f} %"


def named(value: list[Any]) -> str:
    """A difference and whose it is."""
    return f"{share(value[0])} {value[1]}"


@dataclass(frozen=True)
class Column:
    """A heading, the fact below it, and how it is written."""

    heading: str
    fact: str
    text: Callable[[Any], str]


WALL = Column("wall time", "wall_seconds", lambda value: f"{value:.1f} s")
RANKS = Column("ledgers", "ranks", str)
DIFFERENCE = Column("largest difference of an entry", "difference", named)
UNATTRIBUTED = Column("unattributed", "unattributed", share)
STAGE = Column("of a stage", "stage_difference", named)
PHASES = Column("largest difference of a phase", "phase_difference", named)
CPU = Column("of the CPU time", "cpu_difference", named)
IDENTICAL = Column("identical", "identical", lambda value: "yes" if value else "**no**")
OVERHEAD = Column("overhead", "overhead", share)
NOT_SEEN = Column("not seen", "limits", lambda value: ", ".join(value) or "nothing is named")
LAST = (IDENTICAL, OVERHEAD, NOT_SEEN)

INSIDE = (WALL, DIFFERENCE, UNATTRIBUTED, STAGE, *LAST)
TABLES: dict[str, tuple[str, tuple[Column, ...]]] = {
    "The plain loop": ("Settings of tests/programs/train.py (tests/python/settings.py has their arguments).", INSIDE),
    "Other loops": ("tests/programs/loop_\\*.py.", INSIDE),
    "An older torch": ("tests/programs/train.py on the oldest torch that is tested.", INSIDE),
    "Frameworks": (
        "The real packages (tools/versions-frameworks.txt); of several ledgers the worst. A program sees only a part of"
        " what a framework does: what it sees is compared, several entries joined where it sees their sum.",
        (RANKS, WALL, DIFFERENCE, UNATTRIBUTED, *LAST),
    ),
    "Programs without torch": ("Seen from outside.", (WALL, PHASES, CPU, DIFFERENCE, UNATTRIBUTED, *LAST)),
    "Launchers": ("Ways to start a small training that does not measure itself.", (RANKS, WALL, UNATTRIBUTED, *LAST)),
    "Behaviour alone": ("Programs that show what a watcher might change.", (IDENTICAL,)),
}


@dataclass
class Test:
    """One test of a row and what it noted in its last attempt."""

    facts: Facts = field(default_factory=dict)
    attempts: int = 1
    outcome: str = "not run"
    reason: str = ""


@dataclass
class Measured:
    """The whole file: the session, and the tests of each row under (table, name)."""

    session: Facts = field(default_factory=dict)  # the last one
    runs: set[tuple[object, object]] = field(default_factory=set)  # the date and the process of each
    rows: dict[tuple[str, str], list[Test]] = field(default_factory=dict)


def merge(facts: Facts, more: Facts) -> None:
    """Adds facts to others: of two figures the larger one, of two lists all, identical only where both are."""
    for key, value in more.items():
        if key not in facts:
            facts[key] = value
        elif key == "limits":
            facts[key] = list(dict.fromkeys([*facts[key], *value]))
        elif isinstance(value, bool):
            facts[key] = value and facts[key]
        elif isinstance(value, (int, float, list)):
            facts[key] = max(value, facts[key])


def read(lines: Iterable[str]) -> Measured:
    """The rows in the order in which their tests were found."""
    measured = Measured()
    tests: dict[str, Test] = {}
    for line in map(json.loads, lines):
        if "session" in line:
            measured.session = line["session"]
            measured.runs.add((measured.session.get("date"), measured.session.get("parent")))
        elif "row" in line and line["test"] not in tests:
            test = tests[line["test"]] = Test()
            measured.rows.setdefault((line["row"][0], line["row"][1]), []).append(test)
        elif "row" not in line and line["test"] in tests:
            add(tests[line["test"]], line)
    return measured


def add(test: Test, line: Facts) -> None:
    """Adds what a line says of a test."""
    if "outcome" in line:
        test.outcome, test.reason = line["outcome"], line["reason"]
    elif "attempt" in line["facts"]:
        test.attempts = line["facts"]["attempt"]
        test.facts = {}
    else:
        merge(test.facts, line["facts"])


def result(tests: list[Test]) -> str:
    """How the tests of a row ended: the worst of them."""
    for outcome, text in (("failed", "**fails**: "), ("skipped", "not run: "), ("not run", "not run")):
        for test in tests:
            if test.outcome == outcome:
                return text + test.reason.replace("|", "\\|")
    attempts = max(test.attempts for test in tests)
    return "ok" if attempts == 1 else f"ok, run {attempts} of 3"


class Notes:
    """The sentences on what could not be seen, numbered in the order of their first appearance."""

    def __init__(self) -> None:
        self.numbers: dict[str, int] = {}

    def number(self, sentence: str) -> str:
        """The number of a sentence."""
        return str(self.numbers.setdefault(sentence, len(self.numbers) + 1))


def table_row(name: str, tests: list[Test], columns: tuple[Column, ...], notes: Notes) -> list[str]:
    """The cells of a row."""
    facts: Facts = {}
    for test in tests:
        merge(facts, test.facts)
    if "limits" in facts:
        facts["limits"] = [notes.number(sentence) for sentence in facts["limits"]]
    cells = [column.text(facts[column.fact]) if column.fact in facts else ABSENT for column in columns]
    return [name.replace("|", "\\|"), *cells, result(tests)]


def markdown(cells: Iterable[str]) -> str:
    """A line of a table."""
    return f"| {' | '.join(cells)} |"


def page(measured: Measured) -> str:
    """The whole document."""
    all_facts = [test.facts for tests in measured.rows.values() for test in tests]
    machine = next((facts["machine"] for facts in all_facts if "machine" in facts), None)
    text = "The machine is not known"
    if machine:
        text = f"The machine: {machine['cores_usable']:.3g} cores, {machine['cpu']}"
    frameworks = sorted({facts["framework"] for facts in all_facts if facts.get("framework")})
    known = {"date": "?", "headrace": "?", "python": "?"} | measured.session
    known["runs"] = ""
    if len(measured.runs) > 1:
        known["runs"] = f"\nThis page is put together from {len(measured.runs)} runs, not from one run of the command."
    parts = [INTRODUCTION.format(machine=text, frameworks=" and ".join(frameworks) or "no torch", **known)]
    notes = Notes()
    for table, (what, columns) in TABLES.items():
        rows = {name: tests for (of_table, name), tests in measured.rows.items() if of_table == table}
        if rows:
            heading = ["program", *(column.heading for column in columns), "result"]
            lines = [table_row(name, tests, columns, notes) for name, tests in rows.items()]
            parts += [f"## {table}\n{what}\n", markdown(heading), markdown(["---"] * len(heading))]
            parts += [*map(markdown, lines), ""]
    parts.append("## Not seen")
    parts += [f"{number}. {sentence}" for sentence, number in notes.numbers.items()]
    return "\n".join(parts) + "\n"


def main() -> int:
    """Prints the page."""
    measured = read(Path(sys.argv[1]).read_text(encoding="utf-8").splitlines())
    unknown = {table for table, _ in measured.rows} - TABLES.keys()
    if unknown:
        sys.exit(f"programs_page.py: no table of that name: {', '.join(sorted(unknown))}")
    sys.stdout.write(page(measured))
    return 0 if all(result(tests).startswith("ok") for tests in measured.rows.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
