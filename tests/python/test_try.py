"""`headrace try`: real programs run with and without a fix, and nothing of it stays but the trial."""

from __future__ import annotations

import http.server
import json
import os
import shutil
import signal
import sqlite3
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from harness import ROOT, audit, clean_environment, headrace_command, program, report_again, run
from shared import digest_of, fill_up, mounted

ATTEMPTS = 3  # another program on the machine at the wrong moment makes a run unlike its own replay
pytestmark = pytest.mark.alone
SOURCE = (ROOT / "tests" / "programs" / "leaves_traces.py").read_text(encoding="utf-8").splitlines()


@dataclass
class Place:
    """Where the program was audited: its working directory with all that it may touch."""

    folder: Path
    home: Path
    work: Path
    environment: dict[str, str]
    report: dict[str, Any]
    visits: list[str]

    def run(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[bytes]:
        """headrace try with these arguments."""
        command = [str(headrace_command()), "try", "--dir", str(self.home), *arguments]
        env = clean_environment(self.environment | environment)
        return subprocess.run(command, cwd=self.work, env=env, capture_output=True, check=False, timeout=240)

    def tree(self) -> dict[str, str]:
        """All files below the folder but headrace's own, with their content and modes."""
        found = {}
        for path in sorted(self.folder.rglob("*")):
            if self.home in (path, *path.parents):
                continue
            found[str(path)] = f"{path.lstat().st_mode} {path.lstat().st_mtime_ns} {digest_of(path)}"
        return found


def audited_with_finding(
    command: list[str], home: Path, work: Path, env: dict[str, str], undo: Callable[[], object]
) -> dict[str, Any]:
    """The report of an audit that found input.workers, kept in `home`."""
    report: dict[str, Any] = {}
    for _ in range(ATTEMPTS):
        shutil.rmtree(home, ignore_errors=True)
        audited = audit(command, home=home, cwd=work, env=env)
        assert audited.returncode == 0, audited.stderr
        report = audited.report
        undo()
        if report["findings"]:
            break
    assert [finding["id"] for finding in report["findings"]] == ["input.workers"], report["prediction"]
    return report


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    folder = tmp_path_factory.mktemp("try")
    work, users_home, home = folder / "work", folder / "user", folder / "home"
    for one in (work, users_home, work / "old"):
        one.mkdir()
    (work / "old" / "file").write_text("a file that was there before")
    visits: list[str] = []

    class Tracker(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            visits.append(self.path)
            self.send_response(200)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            """Silent."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Tracker)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    environment = {"HOME": str(users_home), "TRACKER": f"http://127.0.0.1:{server.server_port}/"}
    try:
        command = program("leaves_traces.py", "--out", str(work), "--steps", "200")
        report = audited_with_finding(command, home, work, environment, lambda: (work / "older").rename(work / "old"))
        assert visits, "the program tells the tracker when it is audited"
        yield Place(folder, home, work, environment, report, visits)
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def allowed() -> bool:
    """Whether this machine has namespaces, by headrace's own word."""
    done = run([str(headrace_command()), "doctor", "--json", "-"], cwd=ROOT)
    checks = json.loads(done.stdout)["checks"]
    return all(check["works"] for check in checks if check["name"] == "namespaces")


needs_sandbox = pytest.mark.skipif(not allowed(), reason="this machine allows no namespaces")


def test_a_finding_names_the_line_that_makes_the_loader(place: Place) -> None:
    [finding] = place.report["findings"]
    line = next(number for number, text in enumerate(SOURCE, 1) if "loader = DataLoader(" in text)
    assert finding["call_site"]["line"] == line
    assert finding["call_site"]["file"].endswith("leaves_traces.py")
    run_id = place.report["run"]["id"]
    assert finding["try"] == f"headrace try --dir {place.home} --fix input.workers {run_id}"
    assert place.report["next"] == finding["try"]
    assert finding["measured"] is None


@pytest.mark.parametrize("workers", ["0", "1"])
def test_the_line_is_that_of_the_constructor_with_workers_too(tmp_path: Path, workers: str) -> None:
    arguments = ("--samples", "640", "--sleep-ms", "3", "--epochs", "1", "--workers", workers)
    command = program("train.py", *arguments)
    [finding] = audited_with_finding(command, tmp_path / "home", tmp_path, {}, lambda: None)["findings"]
    text = (ROOT / "tests" / "programs" / "train.py").read_text(encoding="utf-8").splitlines()
    assert text[finding["call_site"]["line"] - 1].strip() == "return DataLoader("


@needs_sandbox
def test_a_trial_measures_and_nothing_else_changes(place: Place) -> None:
    before, visits = place.tree(), len(place.visits)
    document = place.folder / "home" / "trial.json"
    done = place.run("--fix", "input.workers", "--pairs", "2", "--steps", "60", "--json", str(document))
    assert done.returncode == 0, done.stderr
    assert place.tree() == before
    assert len(place.visits) == visits, "the tracker heard of the trial"
    trial = json.loads(document.read_text())
    schema = json.loads((ROOT / "docs" / "formats" / "trial.schema.json").read_text())
    jsonschema.Draft202012Validator(schema).validate(trial)
    [finding] = place.report["findings"]
    assert trial["run"] == place.report["run"]["id"]
    assert trial["fix"] == "input.workers"
    others = {"cache_bytes": None, "precision": None}  # fixes of other kinds
    assert trial["parameters"] == finding["fix"]["parameters"] | others
    gain = finding["gain"]["ratio"]
    assert trial["predicted"] == {"ratio": gain["predicted"], "low": gain["low"], "high": gain["high"]}
    # A batch waits 12 ms and a step computes less than one: so many workers, so much faster.
    workers = finding["fix"]["parameters"]["workers"]
    measured = trial["measured"]
    assert 0.6 * workers < measured["ratio"] < 1.3 * workers
    assert measured["low"] <= measured["ratio"] <= measured["high"]
    assert trial["inside"] == (gain["low"] <= measured["ratio"] <= gain["high"])
    assert len(trial["pairs"]) == 2
    for pair in trial["pairs"]:
        assert pair["without_step_seconds"] > 0.012
        assert pair["with_step_seconds"] < pair["without_step_seconds"]
    assert b"2 pairs of runs" in done.stderr
    assert b"pair 2:" in done.stderr
    shown = done.stdout.decode()
    assert "measured" in shown
    assert f"headrace report --dir {place.home}" in shown
    # It is kept: in the run, in the history, and in the report.
    kept = place.home / "runs" / trial["run"] / "trials" / f"{trial['id']}.json"
    assert json.loads(kept.read_text()) == trial
    with sqlite3.connect(place.home / "history.db") as history:
        assert history.execute("SELECT id, kind FROM trial").fetchall() == [(trial["id"], "input.workers")]
    report = report_again(place.home, place.work)
    [finding] = json.loads(report.stdout)["findings"]
    assert finding["measured"] == measured
    assert not any((place.home / "trials").iterdir())


@needs_sandbox
def test_a_program_that_fails_is_not_measured(place: Place) -> None:
    before = place.tree()
    done = place.run("--fix", "input.workers", "--steps", "20", FAIL_AT="7")
    assert done.returncode == 3
    assert b"not measured: the program ended with exit code 1 after 7 steps" in done.stderr
    assert b"RuntimeError: cannot go on" in done.stderr
    assert place.tree() == before


@needs_sandbox
def test_a_fix_that_does_not_reach_its_loader_is_not_measured(place: Place) -> None:
    done = place.run("--fix", "input.workers", "--steps", "20", MOVED="1")
    assert done.returncode == 3
    assert b"the fix did not reach the program's training loader" in done.stderr


@needs_sandbox
@pytest.mark.parametrize(
    "number",
    [
        signal.SIGINT,
        pytest.param(signal.SIGTERM, marks=pytest.mark.slow),
        pytest.param(signal.SIGKILL, marks=pytest.mark.slow),
    ],
)
def test_a_trial_that_is_ended_leaves_nothing(place: Place, number: signal.Signals) -> None:
    before, visits = place.tree(), len(place.visits)
    command = [str(headrace_command()), "try", "--dir", str(place.home), "--fix", "input.workers"]
    process = subprocess.Popen(
        command,
        cwd=place.work,
        env=clean_environment(place.environment),
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    time.sleep(5)  # the program is in its first run
    os.killpg(process.pid, number)
    _, said = process.communicate(timeout=30)
    assert process.returncode == (-number if number == signal.SIGKILL else 128 + number)
    if number != signal.SIGKILL:
        assert b"interrupted: the trial was ended and nothing of it was kept" in said
    deadline = time.monotonic() + 20
    while programs_of(place) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert programs_of(place) == []
    assert place.tree() == before
    assert len(place.visits) == visits


@needs_sandbox
def test_a_probe_measures_steps_and_changes_nothing(place: Place, tmp_path: Path) -> None:
    """The loop waits for its loader and computes next to nothing: with batches in memory its step is short."""
    command = program("leaves_traces.py", "--out", str(place.work), "--steps", "300")
    plain = audit(command, home=tmp_path / "plain", cwd=place.work, env=place.environment)
    (place.work / "older").rename(place.work / "old")
    after_plain = {path: text for path, text in place.tree().items() if "checkpoints" not in path}
    visits = len(place.visits)
    options = ("--quiet", "--probe=2")
    probed = audit(command, home=tmp_path / "probed", cwd=place.work, env=place.environment, options=options)
    (place.work / "older").rename(place.work / "old")
    assert probed.returncode == plain.returncode == 0
    assert probed.stdout == plain.stdout
    assert probed.stderr == plain.stderr
    assert len(place.visits) - visits == 32, "one for the begin and one for each tenth step, none of the probe"
    after_probe = {path: text for path, text in place.tree().items() if "checkpoints" not in path}
    assert after_probe.keys() == after_plain.keys()
    assert len((place.work / "exit").read_text().splitlines()) >= 2
    assert plain.report["probe"] is None
    probe = probed.report["probe"]
    assert probe is not None, probed.report["limits"]
    assert probe["batch_size"] == 4
    assert probe["threads"] == 1
    [alone] = [one for one in probe["cases"] if not one["loader_running"] and one["batch_size"] == 4][:1]
    step = probed.report["steady"]["step_seconds"]["median"]
    assert 0 < alone["step_seconds"]["median"] < step / 2, "the program's step is nearly all waiting for its batch"
    assert alone["step_seconds"]["low"] <= alone["step_seconds"]["median"] <= alone["step_seconds"]["high"]
    assert any(one["loader_running"] for one in probe["cases"])
    assert {one["batch_size"] for one in probe["cases"]} == {2, 4, 8}
    assert 0 < probe["single_sample_seconds"] < step / 2
    [compute] = [one for one in probed.report["ceilings"] if one["name"] == "compute"]
    assert compute["basis"] == "measured"
    assert compute["samples_per_second"] == pytest.approx(4 / alone["step_seconds"]["median"])
    schema = json.loads((ROOT / "docs" / "formats" / "report.schema.json").read_text())
    jsonschema.Draft202012Validator(schema).validate(probed.report)
    again = report_again(probed.home, place.work)
    assert json.loads(again.stdout)["probe"] == probe


@needs_sandbox
def test_a_program_that_cannot_be_probed_gets_the_reason(place: Place, tmp_path: Path) -> None:
    done = audit(["true"], home=tmp_path / "home", cwd=tmp_path, options=("--quiet", "--probe"))
    assert done.returncode == 0
    [limit] = [text for text in done.report["limits"] if "not probed" in text]
    assert "no loader was seen" in limit
    assert done.report["probe"] is None


def programs_of(place: Place) -> list[str]:
    """The command lines of processes that still run the program here."""
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            line = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if "leaves_traces.py" in line and str(place.work) in line:
            found.append(line)
    return found


@needs_sandbox
def test_the_program_finds_its_files_once_and_no_descriptor_of_ours(place: Place) -> None:
    """What walks over its folder must not find what other runs wrote; what the shell has open stays outside."""
    log = place.folder / "home" / "descriptor"
    with log.open("ab") as file:
        os.set_inheritable(file.fileno(), True)
        command = [str(headrace_command()), "try", "--dir", str(place.home), "--fix", "input.workers"]
        environment = clean_environment(place.environment | {"DESCRIPTOR": str(file.fileno()), "WALK": "1"})
        done = subprocess.run(
            [*command, "--pairs", "2", "--steps", "20"],
            cwd=place.work,
            env=environment,
            capture_output=True,
            check=False,
            timeout=240,
            pass_fds=[file.fileno()],
        )
    assert done.returncode == 0, done.stderr
    assert log.read_bytes() == b""


@needs_sandbox
def test_a_full_disk_is_named(tmp_path: Path) -> None:
    """A trial measures nothing there and says why; what was kept stays."""
    with mounted(tmp_path / "disk", "size=3000k") as disk:
        command = program("train.py", "--samples", "640", "--sleep-ms", "3", "--epochs", "1")
        audited_with_finding(command, disk / "home", tmp_path, {}, lambda: None)
        runs = sorted((disk / "home" / "runs").iterdir())
        fill_up(disk)
        line = [str(headrace_command()), "try", "--dir", str(disk / "home"), "--fix", "input.workers"]
        tried = run([*line, "--pairs", "2", "--steps", "20"], cwd=tmp_path)
        assert tried.returncode == 3
        assert f"the file system of {disk}/home is full".encode() in tried.stderr
        assert sorted((disk / "home" / "runs").iterdir()) == runs
        assert not any((disk / "home" / "trials").iterdir())


def test_in_place_the_programs_files_are_real(place: Place) -> None:
    log = Path(place.environment["HOME"]) / "runs.log"
    lines = len(log.read_text().splitlines())
    done = place.run("--fix", "input.workers", "--pairs", "2", "--steps", "20", "--in-place", "--quiet")
    assert done.returncode == 0, done.stderr
    assert len(log.read_text().splitlines()) == lines + 4
    assert not (place.work / "old").exists()
    (place.work / "older").rename(place.work / "old")
