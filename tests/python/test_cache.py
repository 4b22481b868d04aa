"""The finding prep.cache on real programs, and its fix: found where work is repeated, absent where it is not."""

from __future__ import annotations

import json
import os
import shutil
from collections import defaultdict
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from harness import ROOT, Audited, audit, clean_environment, headrace_command, program, run
from test_same_behaviour import same
from test_try import needs_sandbox

ATTEMPTS = 3  # another program on the machine at the wrong moment makes a run unlike its own replay


def audited(folder: Path, *arguments: str) -> Audited:
    """An audit that predicts; the last one where none did."""
    for attempt in range(ATTEMPTS):
        home = folder / "home"
        shutil.rmtree(home, ignore_errors=True)
        done = audit(program("cached.py", *arguments), home=home, cwd=folder)
        assert done.returncode == 0, done.stderr
        if done.report["prediction"]["valid"] or attempt == ATTEMPTS - 1:
            break
    return done


def cache_finding(report: dict[str, Any]) -> dict[str, Any] | None:
    """The one finding, or none."""
    found = [finding for finding in report["findings"] if finding["id"] == "prep.cache"]
    assert len(found) <= 1
    return found[0] if found else None


def try_fix(folder: Path, *options: str) -> tuple[int, dict[str, Any], str]:
    """headrace try of the finding: its exit code, its document and what it said."""
    document = folder / "trial.json"
    line = [str(headrace_command()), "try", "--dir", str(folder / "home"), "--fix", "prep.cache", "--pairs", "2"]
    done = run([*line, "--json", str(document), *options], cwd=folder, env=clean_environment())
    return done.returncode, json.loads(document.read_text()) if document.exists() else {}, done.stderr.decode()


@pytest.mark.alone
@needs_sandbox
def test_repeated_work_is_found_predicted_and_tried(tmp_path: Path) -> None:
    """16 ms to make a batch and 9 for its step: with the cache the step is left, and a copy."""
    report = audited(tmp_path).report
    schema = json.loads((ROOT / "docs" / "formats" / "report.schema.json").read_text())
    jsonschema.Draft202012Validator(schema).validate(report)
    finding = cache_finding(report)
    assert finding is not None, report["prediction"]
    assert (finding["area"], finding["changes"], finding["fix"]["kind"]) == ("prep", "nothing", "sample_cache")
    evidence = finding["evidence"]
    assert "of 4 passes" in evidence
    assert "all 96 of them" in evidence
    assert "fits: true" in evidence
    ratio = finding["gain"]["ratio"]
    assert 1.8 < ratio["predicted"] < 3.2
    assert ratio["low"] < ratio["predicted"] < ratio["high"]
    # Three of four passes of 24 batches that take 25 ms.
    saved = finding["gain"]["seconds_per_run"]["predicted"]
    assert 0.5 * 3 * 24 * 0.016 < saved < 1.6 * 3 * 24 * 0.016
    code, trial, said = try_fix(tmp_path)
    assert code == 0, said
    schema = json.loads((ROOT / "docs" / "formats" / "trial.schema.json").read_text())
    jsonschema.Draft202012Validator(schema).validate(trial)
    assert trial["parameters"]["cache_bytes"] == finding["fix"]["parameters"]["cache_bytes"]
    assert 0.75 * ratio["predicted"] < trial["measured"]["ratio"] < 1.3 * ratio["predicted"]
    assert "after 25 of warm-up" in said


@pytest.mark.parametrize(
    "arguments",
    [
        ("--kind", "augmented"),
        ("--kind", "rarely"),
        ("--kind", "opaque"),
        ("--epochs", "1", "--samples", "160"),
        ("--kind", "augmented", "--workers", "1", "--method", "spawn", "--epochs", "2"),
    ],
)
def test_absent_where_nothing_is_repeated(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    assert cache_finding(audited(tmp_path, *arguments).report) is None


@pytest.mark.parametrize(
    "arguments",
    [
        ("--workers", "1", "--persistent"),
        ("--workers", "1", "--method", "spawn", "--epochs", "3"),
        ("--at-once",),
    ],
)
@pytest.mark.alone
def test_found_with_workers_too(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    finding = cache_finding(audited(tmp_path, "--make-ms", "8", "--host-ms", "4", *arguments).report)
    assert finding is not None
    assert finding["gain"]["ratio"]["predicted"] > 2


# Two workers that only computed would leave no core to the loop, and there the replay is not near enough.
SHORT = ("--samples", "80", "--make-ms", "1", "--wait-ms", "3", "--host-ms", "1", "--epochs", "3")
KINDS = [
    ("--workers", "0"),
    ("--workers", "2", "--persistent"),
    *(
        pytest.param(tuple(kind.split()), marks=pytest.mark.slow)
        for kind in (
            "--workers 2",
            "--workers 1 --at-once",
            "--workers 0 --at-once",
            "--workers 2 --method spawn --persistent",
            "--workers 2 --method forkserver",
            # A spawned worker imports torch at the begin of each pass: samples that cost as much.
            "--workers 2 --method spawn --wait-ms 40",
        )
    ),
]


@pytest.mark.alone
@pytest.mark.parametrize("arguments", KINDS)
def test_samples_are_bit_equal_and_nothing_stays(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    """In place, so that the digests of the batches of all runs are there to compare."""
    work = tmp_path / "work"
    work.mkdir()
    log = work / "log"
    report = audited(tmp_path, *SHORT, *arguments, "--log", str(log)).report
    assert cache_finding(report) is not None, report["prediction"]
    lines = log.read_text().splitlines()
    log.unlink()
    truth = {tuple(line.split()[1:3]): line.split()[3:] for line in lines}
    assert len(truth) == 60
    shared_memory = sorted(os.listdir("/dev/shm"))
    code, trial, said = try_fix(tmp_path, "--in-place")
    assert code == 0, said
    runs: dict[str, dict[tuple[str, ...], list[str]]] = defaultdict(dict)
    for line in log.read_text().splitlines():
        words = line.split()
        runs[words[0]][tuple(words[1:3])] = words[3:]
    assert len(runs) == 4
    for steps in runs.values():
        assert len(steps) > 40, "it goes on into the third pass"
        assert steps == {key: truth[key] for key in steps}, "digests, losses and the state of the generator"
    assert trial["measured"]["ratio"] > 1.1
    assert sorted(os.listdir("/dev/shm")) == shared_memory
    assert [path.name for path in work.iterdir()] == ["log"]
    assert not any((tmp_path / "home" / "trials").iterdir())


@pytest.mark.slow
@pytest.mark.alone
def test_samples_that_draw_random_numbers_cannot_be_kept(tmp_path: Path) -> None:
    """They are the same in every pass, but what follows them would draw others."""
    assert cache_finding(audited(tmp_path, "--kind", "draws").report) is not None
    code, _, said = try_fix(tmp_path, "--in-place")
    assert code == 3
    assert "not measured: the cache could keep none of" in said


@pytest.mark.alone
def test_too_few_passes_are_not_measured(tmp_path: Path) -> None:
    """Two passes of 21 steps: 22 are warm-up, and fewer than 20 are left."""
    assert cache_finding(audited(tmp_path, "--epochs", "2", "--samples", "84").report) is not None
    code, _, said = try_fix(tmp_path, "--in-place")
    assert code == 3
    assert "not measured" in said
    assert "warm-up" in said


@pytest.mark.parametrize("arguments", [(), ("--workers", "1"), ("--at-once", "--kind", "rarely"), ("--kind", "opaque")])
def test_a_program_whose_samples_are_hashed_behaves_the_same(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    plain = same(program("cached.py", "--samples", "48", "--epochs", "2", "--make-ms", "1", *arguments), tmp_path)
    assert plain.returncode == 0
    assert plain.stdout.count(b"\n") == 24
