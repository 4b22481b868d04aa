"""`headrace gap`: the figures of a made-up history of 200 runs, and the history that every audit feeds."""

from __future__ import annotations

import datetime
import json
import os
import shutil
import signal
import sqlite3
import statistics
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from gap_fixture import BEGIN, LEDGER, MINUTE, SHARES, UNTIL, WEEKS, Planned, Team, make_team, newest_of
from harness import ROOT, Ran, headrace_command, run
from shared import mounted

SCHEMA = json.loads((ROOT / "docs" / "formats" / "gap.schema.json").read_text(encoding="utf-8"))
WEEK_MINUTES = 7 * 24 * 60


def gap(home: Path, *options: str, env: dict[str, str] | None = None) -> Ran:
    return run([str(headrace_command()), "gap", "--dir", str(home), *options], cwd=home.parent, env=env)


def document(home: Path, *options: str) -> dict[str, Any]:
    """The document, which must follow its schema."""
    done = gap(home, "--json", "-", *options)
    assert done.returncode == 0, done.stderr
    assert done.stderr == b""
    found: dict[str, Any] = json.loads(done.stdout)
    jsonschema.Draft202012Validator(SCHEMA).validate(found)
    return found


@pytest.fixture(scope="module")
def team(tmp_path_factory: pytest.TempPathFactory) -> Team:
    return make_team(tmp_path_factory.mktemp("gap") / "home")


@pytest.fixture(scope="module")
def account(team: Team) -> dict[str, Any]:
    return document(team.home, "--until", UNTIL)


def seconds_of(runs: list[Planned]) -> int:
    return sum(run.seconds for run in runs)


def named(entries: list[dict[str, Any]], value: str) -> dict[str, Any]:
    return {entry["name"]: entry[value] for entry in entries}


def copy_of(team: Team, folder: Path) -> Path:
    home = folder / "home"
    shutil.copytree(team.home, home)
    return home


# ---- the figures that the history was made of


def test_the_plan_has_all_that_it_should(team: Team) -> None:
    assert len(team.runs) == 200
    assert all(team.of(what) for what in ("validated", "failed", "killed", "repeated", "comparison", "interrupted"))
    overlapping = [
        (x, y) for x in team.runs for y in team.runs if x.user < y.user and x.begin < y.end and y.begin < x.end
    ]
    assert len(overlapping) > 50, "two users at once"
    retried = [run for run in team.of("validated") if any(x.experiment == run.experiment for x in team.of("failed"))]
    assert retried, "an experiment that failed first"


def test_every_run_is_in_its_class(team: Team, account: dict[str, Any]) -> None:
    assert account["runs"]["total"] == 200
    assert named(account["runs"]["classes"], "runs") == Counter(run.what for run in team.runs)
    for what, seconds in named(account["runs"]["classes"], "run_seconds").items():
        assert seconds == seconds_of(team.of(what)), what
    assert account["runs"]["code_unknown"] == account["runs"]["running"] == account["runs"]["unreadable"] == 0


def test_experiments_and_results(team: Team, account: dict[str, Any]) -> None:
    assert account["experiments"] == len({run.experiment for run in team.runs if run.what != "comparison"})
    validated = team.of("validated")
    assert account["results"]["total"] == len(validated)
    first = min(run.begin for run in team.runs)
    weeks = WEEKS - first / WEEK_MINUTES
    assert account["period"]["weeks"] == pytest.approx(weeks)
    assert account["period"]["end"] == UNTIL
    assert account["results"]["per_week"] == pytest.approx(len(validated) / weeks)


def test_the_time_to_a_result(team: Team, account: dict[str, Any]) -> None:
    own, from_first = [], []
    for run_ in team.of("validated"):
        assert run_.result_minutes is not None
        begin = min(
            other.begin for other in team.runs if other.experiment == run_.experiment and other.what != "comparison"
        )
        own.append(run_.result_minutes * MINUTE)
        from_first.append((run_.begin + run_.result_minutes - begin) * MINUTE)
    for name, expected in (("seconds_to_result", own), ("seconds_from_first_start", from_first)):
        told = account["results"][name]
        assert told["median"] == statistics.median(expected)
        assert told["low"] in expected and told["high"] in expected
        # Of 118 samples the ranks 50 and 69 hold the median with 90 %.
        assert sum(x <= told["low"] for x in expected) == pytest.approx(50, abs=2)
        assert sum(x <= told["high"] for x in expected) == pytest.approx(69, abs=2)
    assert statistics.median(from_first) >= statistics.median(own)


def test_where_the_hours_went(team: Team, account: dict[str, Any]) -> None:
    hours = account["hours"]
    assert hours["run_seconds"] == seconds_of(team.runs)
    minutes: set[int] = set()
    for one in team.runs:
        minutes.update(range(one.begin, one.end))
    assert hours["busy_seconds"] == len(minutes) * MINUTE
    whole = [one for one in team.runs if one.what in ("validated", "unvalidated", "unseen", "untrained")]
    expected = {entry: seconds_of(whole) * SHARES.get(entry, 0) / 1000 for entry in LEDGER}
    expected["unattributed"] = seconds_of(whole) * (1000 - sum(SHARES.values())) / 1000
    for what in ("failed", "killed", "interrupted", "repeated", "comparison"):
        expected[what] = seconds_of(team.of(what))
    assert named(hours["entries"], "seconds") == pytest.approx(expected)
    shares = named(hours["entries"], "share")
    assert shares == pytest.approx({entry: seconds / seconds_of(team.runs) for entry, seconds in expected.items()})
    assert sum(shares.values()) == pytest.approx(1)


def test_the_weeks(team: Team, account: dict[str, Any]) -> None:
    weeks = account["trend"]["weeks"]
    assert len(weeks) == WEEKS
    assert weeks[-1]["end"] == UNTIL
    results = []
    for number, week in enumerate(weeks):
        ended = [one for one in team.runs if number * WEEK_MINUTES < one.end <= (number + 1) * WEEK_MINUTES]
        assert week["runs"] == len(ended)
        assert week["run_seconds"] == seconds_of(ended)
        results.append(sum(one.what == "validated" for one in ended))
        failed = seconds_of([one for one in ended if one.what == "failed"])
        assert named(week["entries"], "seconds")["failed"] == failed
    assert [week["results"] for week in weeks] == results
    # The first week is not whole: it begins with the first run.
    whole = results[1:]
    slope, _ = statistics.linear_regression(range(len(whole)), whole)
    change = account["trend"]["change_per_week"]
    assert change["value"] == pytest.approx(slope)
    left = sum((count - statistics.mean(whole) - slope * (place - 3)) ** 2 for place, count in enumerate(whole))
    variance = max(left / 5, statistics.mean(whole))
    half = 2.015048373 * (variance / 28) ** 0.5  # Student's quantile of 0.95 with 5 degrees of freedom
    assert change["low"] == pytest.approx(slope - half)
    assert change["high"] == pytest.approx(slope + half)
    expected = "rising" if slope > half else "falling" if slope < -half else "not_told"
    assert account["trend"]["verdict"] == expected


def test_the_users(team: Team, account: dict[str, Any]) -> None:
    assert {user["user"] for user in account["users"]} == {"ada", "ben"}
    for user in account["users"]:
        own = [one for one in team.runs if one.user == user["user"]]
        assert user["runs"] == len(own)
        assert user["results"] == sum(one.what == "validated" for one in own)
        assert user["experiments"] == len({one.experiment for one in own if one.what != "comparison"})
        assert user["run_seconds"] == seconds_of(own)
        lost = [one for one in own if one.what in ("failed", "killed", "interrupted", "repeated")]
        assert user["lost_seconds"] == seconds_of(lost)


def test_what_open_findings_would_give_back(team: Team, account: dict[str, Any]) -> None:
    train, finetune = newest_of(team.runs, "train.py"), newest_of(team.runs, "finetune.py")
    # A tenth of a run by a ratio of 1.25 is half of it in the loop; measured were 1.3 and, at the least, 1.2.
    proven = (0.5 * (1 - 1 / 1.3), 0.5 * (1 - 1 / 1.2))
    expected = {
        "/team/train.py": (train, "input.workers", "untried", (0.20, 0.10)),
        "/team/finetune.py": (finetune, "input.workers", "proven", proven),
    }
    saved = [0.0, 0.0]
    findings = {one["program"]: one for one in account["open"]["findings"]}
    assert findings.keys() == expected.keys()
    for program, (newest, kind, state, shares) in expected.items():
        one = findings[program]
        finished = [other for other in team.runs if other.finished and f"/team/{other.program}" == program]
        assert (one["run"], one["finding"], one["state"]) == (newest.id, kind, state)
        assert one["runs"] == len(finished)
        for place, name in enumerate(("likely", "low")):
            assert one["seconds_per_run"][name] == pytest.approx(shares[place] * newest.seconds)
            assert one["run_seconds"][name] == pytest.approx(shares[place] * seconds_of(finished))
            saved[place] += shares[place] * seconds_of(finished)
    hours = seconds_of(team.runs)
    for place, name in enumerate(("likely", "low")):
        more = account["results"]["per_week"] * (hours / (hours - saved[place]) - 1)
        assert account["open"]["results_per_week"][name] == pytest.approx(more)


def test_every_fix_that_was_tried(team: Team, account: dict[str, Any]) -> None:
    assert [fix["trial"] for fix in account["fixes"]] == [trial["id"] for trial in team.trials]
    for fix, trial in zip(account["fixes"], team.trials, strict=True):
        for key in ("run", "started", "fix", "predicted", "measured", "inside", "machine"):
            assert fix[key] == trial[key], key
        assert fix["arguments"] == "num_workers=4"


def test_the_next_command_is_that_of_the_best_open_finding(team: Team, account: dict[str, Any]) -> None:
    best = account["open"]["findings"][0]
    if best["state"] == "proven":
        assert account["next"] == f"headrace report --dir {team.home} {best['run']}"
    else:
        assert account["next"] == f"headrace try --dir {team.home} --fix {best['finding']} {best['run']}"


# ---- the history itself


def test_the_same_history_gives_the_same_bytes(team: Team, account: dict[str, Any]) -> None:
    first, second = (gap(team.home, "--json", "-", "--until", UNTIL).stdout for _ in range(2))
    assert first == second
    assert json.loads(first) == account, "taken in by the first look, read by the second"


def test_no_run_folder_is_needed_again(team: Team, account: dict[str, Any], tmp_path: Path) -> None:
    home = copy_of(team, tmp_path)
    shutil.rmtree(home / "runs")
    found = document(home, "--until", UNTIL)
    assert found["next"] == f"headrace report --dir {home} --list", "their runs cannot be tried any more"
    assert found | {"next": "", "home": ""} == account | {"next": "", "home": ""}


@pytest.mark.parametrize("damage", ["missing", "empty", "no database", "in the middle"])
def test_a_missing_or_damaged_history_is_made_anew(
    team: Team, account: dict[str, Any], tmp_path: Path, damage: str
) -> None:
    home = copy_of(team, tmp_path)
    history = home / "history.db"
    before = history.read_bytes()
    if damage == "missing":
        history.unlink()
    elif damage == "empty":
        history.write_bytes(b"")
    elif damage == "no database":
        history.write_bytes(b"no database, however one looks at it" * 100)
    else:
        history.write_bytes(before[:5000] + b"\xff" * (len(before) - 10000) + before[-5000:])
    found = document(home, "--until", UNTIL)
    names = ("home", "next")
    assert {key: found[key] for key in found if key not in names} == {
        key: account[key] for key in account if key not in names
    }
    aside = list(home.glob("history.db.damaged-*"))
    assert len(aside) == (1 if damage in ("no database", "in the middle") else 0)


def test_the_first_version_is_brought_to_this_one(team: Team, account: dict[str, Any], tmp_path: Path) -> None:
    home = copy_of(team, tmp_path)
    with sqlite3.connect(home / "history.db") as history:
        history.executescript("DROP TABLE run; PRAGMA user_version = 1")
    history.close()
    found = document(home, "--until", UNTIL)
    assert found["results"] == account["results"]
    assert found["fixes"] == account["fixes"]
    history = sqlite3.connect(home / "history.db")
    assert history.execute("PRAGMA user_version").fetchone() == (2,)
    assert history.execute("SELECT count(*) FROM run").fetchone() == (200,)
    assert history.execute("SELECT count(*) FROM trial").fetchone() == (3,)
    history.close()


def test_a_history_of_a_newer_headrace_is_left_alone(team: Team, tmp_path: Path) -> None:
    home = copy_of(team, tmp_path)
    with sqlite3.connect(home / "history.db") as history:
        history.execute("PRAGMA user_version = 9")
    history.close()
    before = (home / "history.db").read_bytes()
    done = gap(home)
    assert done.returncode == 2
    assert b"newer headrace (version 9)" in done.stderr and done.stderr.count(b"\n") == 1
    assert (home / "history.db").read_bytes() == before


def test_a_history_that_cannot_be_written_is_counted_all_the_same(
    team: Team, account: dict[str, Any], tmp_path: Path
) -> None:
    with mounted(tmp_path / "disk", "size=64m") as disk:
        home = copy_of(team, disk)
        (home / "history.db").unlink()
        subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
        done = gap(home, "--json", "-", "--until", UNTIL)
    assert done.returncode == 0
    assert json.loads(done.stdout)["results"] == account["results"]
    assert b"the figures are whole all the same" in done.stderr and done.stderr.count(b"\n") == 1


def test_a_history_that_is_a_folder_is_refused(team: Team, tmp_path: Path) -> None:
    (tmp_path / "home" / "history.db").mkdir(parents=True)
    done = gap(tmp_path / "home")
    assert done.returncode == 2
    assert done.stderr.startswith(b"headrace: cannot read ") and done.stderr.count(b"\n") == 1


def test_several_at_once_take_in_the_same(team: Team, account: dict[str, Any], tmp_path: Path) -> None:
    home = copy_of(team, tmp_path)
    (home / "history.db").unlink()
    command = [str(headrace_command()), "gap", "--dir", str(home), "--until", UNTIL, "--json", "-"]
    started = [subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) for _ in range(4)]
    for process in started:
        out, err = process.communicate(timeout=240)
        assert process.returncode == 0 and err == b"", err
        assert json.loads(out)["runs"] == account["runs"]
    history = sqlite3.connect(home / "history.db")
    assert history.execute("SELECT count(*) FROM run").fetchone() == (200,)
    assert history.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    history.close()


# ---- which runs count


def test_runs_of_a_period_and_of_a_user(team: Team) -> None:
    since = BEGIN + datetime.timedelta(weeks=2)
    found = document(team.home, "--since", since.strftime("%Y-%m-%d"), "--until", "2026-08-30", "--user", "ben")
    assert found["period"]["begin"] == "2026-08-17T00:00:00Z"
    assert found["period"]["end"] == "2026-08-31T00:00:00Z", "the last day is counted whole"
    assert found["user"] == "ben"
    own = [one for one in team.runs if one.user == "ben" and 2 * WEEK_MINUTES <= one.end <= 4 * WEEK_MINUTES]
    assert found["runs"]["total"] == len(own)
    assert named(found["runs"]["classes"], "runs") == {
        entry["name"]: sum(one.what == entry["name"] for one in own) for entry in found["runs"]["classes"]
    }
    assert found["period"]["weeks"] == 2
    assert found["results"]["per_week"] == sum(one.what == "validated" for one in own) / 2


@pytest.mark.parametrize(
    ("since", "begin"),
    [
        ("2026-09-01", "2026-09-01T00:00:00Z"),
        ("2026-09-01T06:07:08Z", "2026-09-01T06:07:08Z"),
    ],
)
def test_since_a_date(team: Team, since: str, begin: str) -> None:
    assert document(team.home, "--since", since, "--until", UNTIL)["period"]["begin"] == begin


@pytest.mark.parametrize(("age", "days"), [("48h", 2), ("3d", 3), ("2w", 14)])
def test_since_an_age(tmp_path: Path, age: str, days: int) -> None:
    home = tmp_path / "home"
    run([str(headrace_command()), "audit", "--quiet", "--dir", str(home), "--", "true"], cwd=tmp_path)
    before = datetime.datetime.now(datetime.timezone.utc).replace(microsecond=0)  # as exact as the document
    found = document(home, "--since", age)
    after = datetime.datetime.now(datetime.timezone.utc)
    begin = datetime.datetime.fromisoformat(found["period"]["begin"].replace("Z", "+00:00"))
    assert before <= begin + datetime.timedelta(days=days) <= after
    assert found["period"]["weeks"] == pytest.approx(days / 7, abs=0.01)


def test_a_period_without_runs(team: Team) -> None:
    done = gap(team.home, "--since", "2027-01-01", "--until", "2027-02-01")
    assert done.returncode == 3
    assert b"no run ended between 2027-01-01T00:00:00Z and 2027-02-02T00:00:00Z" in done.stderr
    assert done.stdout == b""


def test_a_user_that_there_is_not(team: Team) -> None:
    done = gap(team.home, "--user", "eve")
    assert done.returncode == 2
    assert b"has no run of that user, but of ada, ben" in done.stderr


# ---- what is shown


def test_the_text_fits_a_terminal_and_says_the_figures(team: Team, account: dict[str, Any]) -> None:
    done = gap(team.home, "--until", UNTIL)
    lines = done.stdout.decode().splitlines()
    assert done.returncode == 0
    # The next command is one line, however long: it can be pasted.
    assert max(map(len, lines[:-1])) <= 80, max(lines[:-1], key=len)
    assert len(lines) <= 50
    text = "\n".join(lines)
    assert f"118 validated results of {account['experiments']} experiments" in text
    assert f"{account['results']['per_week']:.1f} results a week" in text
    for words in (
        "input.wait",
        "failed",
        "repeated",
        "Users",
        "ada: ",
        "an upper view",
        "Tried",
        "200 runs of 2 users",
    ):
        assert words in text, words
    assert lines[-1].split(maxsplit=1) == ["Next", account["next"]]
    assert "\x1b" not in text


def test_quiet_and_a_file(team: Team, account: dict[str, Any], tmp_path: Path) -> None:
    done = gap(team.home, "--quiet", "--json", str(tmp_path / "gap.json"), "--until", UNTIL)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
    assert json.loads((tmp_path / "gap.json").read_text()) == account


# ---- real audits

TRAINING = """
import json, sys, time
import torch
from torch.utils.data import DataLoader

torch.manual_seed(int(sys.argv[1]))
data = DataLoader(torch.utils.data.TensorDataset(torch.randn(160, 8), torch.randn(160, 1)), batch_size=8)
model = torch.nn.Linear(8, 1)
optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
for epoch in range(2):
    model.train()
    for x, y in data:
        optimizer.zero_grad()
        torch.nn.functional.mse_loss(model(x), y).backward()
        optimizer.step()
if "fail" in sys.argv:
    sys.exit(7)
if "evaluate" in sys.argv:
    model.eval()
    with torch.no_grad():
        for x, y in data:
            model(x)
            time.sleep(0.005)
if "stay" in sys.argv:
    open("ready", "w").close()
    time.sleep(600)
"""


class Project:
    """A folder with a training program, and the audits of it."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.home = folder, folder / "home"
        (folder / "code").mkdir()
        self.script = folder / "code" / "train.py"
        self.script.write_text(TRAINING)

    def command(self, *arguments: str, options: tuple[str, ...] = ()) -> list[str]:
        audit = [str(headrace_command()), "audit", "--quiet", "--dir", str(self.home), *options, "--"]
        return [*audit, sys.executable, "train.py", *arguments]

    def audit(self, *arguments: str, options: tuple[str, ...] = ()) -> Ran:
        return run(self.command(*arguments, options=options), cwd=self.script.parent)

    def rows(self) -> list[tuple[Any, ...]]:
        history = sqlite3.connect(self.home / "history.db")
        rows = history.execute("SELECT outcome, validated, experiment FROM run ORDER BY started, id").fetchall()
        history.close()
        return rows


def test_every_audit_feeds_the_history(tmp_path: Path) -> None:
    project = Project(tmp_path)
    assert project.audit("1", "evaluate").returncode == 0
    assert project.audit("1", "evaluate").returncode == 0  # repeats it
    assert project.audit("2", "evaluate").returncode == 0  # another seed
    assert project.audit("3").returncode == 0  # evaluates nothing
    assert project.audit("4", "fail").returncode == 7
    project.script.write_text(TRAINING.replace("lr=0.01", "lr=0.02"))
    assert project.audit("1", "evaluate").returncode == 0  # other code
    assert project.audit("5", "evaluate", options=("--max-steps", "5")).returncode == 0
    rows = project.rows()
    assert [row[:2] for row in rows] == [
        ("finished", 1),
        ("finished", 1),
        ("finished", 1),
        ("finished", 0),
        ("failed", 0),
        ("finished", 1),
        ("finished", None),
    ]
    keys = [row[2] for row in rows]
    assert keys[0] == keys[1]
    assert len(set(keys)) == 6 and None not in keys
    shutil.move(project.home / "runs", project.home / "moved")
    found = document(project.home)
    assert found["experiments"] == 6
    classes = named(found["runs"]["classes"], "runs")
    assert {what: count for what, count in classes.items() if count} == {
        "validated": 3,
        "unvalidated": 1,
        "unseen": 1,
        "repeated": 1,
        "failed": 1,
    }
    # The folders alone give the same account.
    shutil.move(project.home / "moved", project.home / "runs")
    (project.home / "history.db").unlink()
    again = document(project.home, "--until", found["period"]["end"])
    for one in (found, again):
        one["next"] = ""
    assert again == found
    assert found["users"][0]["user"] == subprocess.check_output(["id", "-un"], text=True).strip()


def test_configuration_that_an_argument_names_is_part_of_the_experiment(tmp_path: Path) -> None:
    command = [str(headrace_command()), "audit", "--quiet", "--dir", "home", "--", "cat", "train.yaml"]
    keys = []
    for content in ("rate: 1", "rate: 2", "rate: 1"):
        (tmp_path / "train.yaml").write_text(content)
        assert run(command, cwd=tmp_path).returncode == 0
        history = sqlite3.connect(tmp_path / "home" / "history.db")
        keys.append(history.execute("SELECT experiment FROM run ORDER BY id DESC LIMIT 1").fetchone()[0])
        history.close()
    assert keys[0] != keys[1] and keys[0] == keys[2]


def test_a_history_that_cannot_be_fed_does_not_change_how_the_program_ends(tmp_path: Path) -> None:
    home = tmp_path / "home"
    (home / "history.db").mkdir(parents=True)
    done = run(
        [str(headrace_command()), "audit", "--quiet", "--dir", str(home), "--", "sh", "-c", "exit 9"], cwd=tmp_path
    )
    assert done.returncode == 9
    assert done.stderr.startswith(b"headrace: cannot write ") and done.stderr.count(b"\n") == 1
    assert b"headrace gap takes it in later" in done.stderr


@pytest.mark.parametrize("by", ["report", "gap"])
def test_a_run_that_was_killed_with_headrace_comes_in_later(tmp_path: Path, by: str) -> None:
    project = Project(tmp_path)
    process = subprocess.Popen(
        project.command("1", "evaluate", "stay"), cwd=project.script.parent, start_new_session=True
    )
    deadline = time.monotonic() + 120
    while not (project.script.parent / "ready").exists():
        assert time.monotonic() < deadline and process.poll() is None
        time.sleep(0.05)
    going_on = gap(project.home)
    assert going_on.returncode == 3, "the only run still goes on"
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    assert not (project.home / "history.db").exists()
    while_it_ends = time.monotonic() + 60
    found = None
    while found is None:
        if by == "report":
            assert run([str(headrace_command()), "report", "--dir", str(project.home)], cwd=tmp_path).returncode == 0
            found = True if (project.home / "history.db").exists() else None
        else:
            done = gap(project.home, "--json", "-")
            found = True if done.returncode == 0 else None
        assert time.monotonic() < while_it_ends
    [(outcome, validated, experiment)] = project.rows()
    assert outcome == "killed" and validated == 0 and experiment
    assert named(document(project.home)["runs"]["classes"], "runs")["killed"] == 1


def test_trials_and_probes_are_no_runs_of_the_history(tmp_path: Path) -> None:
    project = Project(tmp_path)
    project.audit("1", "evaluate", options=("--probe=1",))
    assert len(project.rows()) == 1
