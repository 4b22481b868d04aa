"""What a test measured, for docs/programs.md: `make programs` names a file in HEADRACE_ROWS, without one nothing is.

The file holds one JSON object a line, in the order in which things happened. tests/conftest.py writes the session, the
tests that give a row, and how each ended; what is here adds to the test that runs. tools/programs_page.py reads it.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from typing import Any

from harness import Ran


def write(line: Mapping[str, object]) -> None:
    """Appends a line to the file, if there is one."""
    file = os.environ.get("HEADRACE_ROWS")
    if file:
        with open(file, "a", encoding="utf-8") as stream:
            stream.write(json.dumps(line) + "\n")


def note(**facts: object) -> None:
    """Adds facts to the row of the test that runs. Noted again, a [figure, name] stays where it is the larger one."""
    write({"test": os.environ["PYTEST_CURRENT_TEST"].rsplit(" ", 1)[0], "facts": facts})


def note_report(report: dict[str, Any]) -> None:
    """What the audit says of itself, and the worst of its ledgers' unattributed shares."""
    unattributed = max(ledger["entries"][-1]["share"] for ledger in report["ranks"])
    note(
        wall_seconds=report["run"]["wall_seconds"],
        ranks=len(report["ranks"]),
        unattributed=unattributed,
        overhead=report["overhead"]["share"],
        hooks_disabled=report["overhead"]["hooks_disabled"],
        limits=report["limits"],
        machine=report["run"]["machine"],
        framework=report["run"]["framework"],
    )


def note_identity(plain: Ran, audited: Ran, masked: Callable[[bytes], object]) -> None:
    """Whether a program printed the same and ended the same with and without an audit."""
    same = all(masked(getattr(plain, name)) == masked(getattr(audited, name)) for name in ("stdout", "stderr"))
    note(identical=same and plain.returncode == audited.returncode)


def worst(errors: Mapping[str, float]) -> list[object]:
    """The greatest of some differences and whose it is."""
    name = max(errors, key=lambda key: errors[key])
    return [errors[name], name]
