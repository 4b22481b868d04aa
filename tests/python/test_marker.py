"""headrace.step and headrace.phase: what they say is in the report, and they do nothing when nobody listens."""

from __future__ import annotations

import json
import sys
import timeit
from pathlib import Path

import pytest
from harness import ROOT, audit, headrace_command, program, run
from rows import note, note_report, worst
from test_truth import POINTS

PACKAGE = ROOT / "python" / "headrace"


def installed() -> dict[str, str]:
    """The environment in which `import headrace` finds the package that came with the command under test."""
    found = list(headrace_command().absolute().parents[1].glob("lib*/python3*/site-packages/headrace/marker.py"))
    assert found, "the package under test has no marker"
    return {"PYTHONPATH": str(found[0].parents[1])}


@pytest.mark.alone
@pytest.mark.row("Programs without torch", name="marked by the program itself")
def test_marks_are_in_the_report(tmp_path: Path) -> None:
    """Names of entries go to the ledger, others are listed, steps give the pace."""
    audited = audit(program("marker.py"), home=tmp_path / "home", cwd=tmp_path, env=installed())
    assert audited.returncode == 0, audited.stderr.decode()
    truth = json.loads(audited.stdout.splitlines()[1])
    report = audited.report
    note_report(report)
    entries = {entry["name"]: entry["seconds"] for entry in report["ledger"]["entries"]}
    wall = report["run"]["wall_seconds"]
    marked = {phase["name"]: phase for phase in report["outside"]["marked"]}
    found = {name: entries[name] for name in ("evaluation", "checkpoint")}
    found["index \u00e9"] = marked["index \u00e9"]["seconds"]
    errors = {name: abs(seconds - truth[name]) / wall for name, seconds in found.items()}
    note(difference=worst(errors))
    assert max(errors.values()) <= POINTS, (found, truth)
    assert marked["index \u00e9"]["count"] == 2
    assert marked["fails"]["count"] == 1
    assert set(marked) == {"index \u00e9", "fails", "?", "zero ", "x" * 200}
    assert report["steady"]["steps"] == 9
    assert report["steady"]["step_seconds"]["median"] == pytest.approx(truth["step"], rel=POINTS)
    assert report["overhead"]["hooks_disabled"] == 0


def test_marks_do_nothing_without_an_audit(tmp_path: Path) -> None:
    """The same output, also where the recorder's environment was left over."""
    plain = run(program("marker.py"), cwd=tmp_path, env=installed())
    assert plain.returncode == 0, plain.stderr.decode()
    assert plain.stdout.startswith(b"passes through\n")
    left_over = run(program("marker.py"), cwd=tmp_path, env=installed() | {"HEADRACE_SPOOL": str(tmp_path)})
    assert (left_over.returncode, left_over.stderr) == (0, b"")


def test_a_copied_marker_is_heard_and_a_stranger_is_left_alone(tmp_path: Path) -> None:
    """headrace_marker.py is the same file in a project of its own; another module of that name is not touched."""
    (tmp_path / "headrace_marker.py").write_text((PACKAGE / "marker.py").read_text())
    (tmp_path / "uses.py").write_text(
        "import headrace_marker as m\nwith m.phase('part'):\n    m.step()\n    m.step()\n"
    )
    audited = audit([sys.executable, "uses.py"], home=tmp_path / "one", cwd=tmp_path)
    assert [phase["name"] for phase in audited.report["outside"]["marked"]] == ["part"]
    assert audited.report["steady"]["steps"] == 1
    (tmp_path / "headrace_marker.py").write_text("_recorder = None\n")
    (tmp_path / "uses.py").write_text("import headrace_marker as m\nassert m._recorder is None\n")
    assert audit([sys.executable, "uses.py"], home=tmp_path / "two", cwd=tmp_path).returncode == 0


def test_the_marker_can_be_imported_by_itself(tmp_path: Path) -> None:
    """It imports nothing, so that a step costs next to nothing (the figure is printed, not asserted)."""
    code = "import sys; before = set(sys.modules); import marker; print(sorted(set(sys.modules) - before))"
    ran = run([sys.executable, "-c", code], cwd=PACKAGE)
    assert json.loads(ran.stdout.decode().replace("'", '"')) == ["__future__", "marker"]
    namespace: dict[str, object] = {}
    exec((PACKAGE / "marker.py").read_text(), namespace)
    seconds = min(timeit.repeat("step()", globals=namespace, number=100_000, repeat=5)) / 100_000
    print(f"step() without an audit: {seconds * 1e9:.0f} ns")
