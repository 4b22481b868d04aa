"""What an audit predicts of real programs whose costs are known by construction, and where it predicts nothing."""

from __future__ import annotations

import re
import time
from pathlib import Path
from typing import Any

import pytest
from harness import audit, program

ATTEMPTS = 3  # another program on the machine at the wrong moment makes a run unlike its own replay
BATCH = 8

alone = pytest.mark.alone


def advice(tmp_path: Path, *arguments: str) -> dict[str, Any]:
    """That of train.py."""
    return predicted(tmp_path, program("train.py", "--batch", str(BATCH), "--epochs", "1", *arguments))


def predicted(tmp_path: Path, command: list[str]) -> dict[str, Any]:
    """The report of an audit that predicts; the last one where none did."""
    report: dict[str, Any] = {}
    for attempt in range(ATTEMPTS):
        audited = audit(command, home=tmp_path / f"home{attempt}", cwd=tmp_path)
        assert audited.returncode == 0, audited.stderr
        report = audited.report
        if report["prediction"]["valid"]:
            break
    return report


@alone
@pytest.mark.parametrize("workers", [0, 1])
def test_samples_that_wait_are_worth_workers(tmp_path: Path, workers: int) -> None:
    """Each batch waits 24 ms and a step takes less than 2: workers win as much as there are of them."""
    report = advice(tmp_path, "--samples", "640", "--sleep-ms", "3", "--workers", str(workers))
    assert report["prediction"]["valid"], report["prediction"]
    [finding] = report["findings"]
    assert (finding["id"], finding["area"], finding["changes"]) == ("input.workers", "input", "random_streams")
    advised = finding["fix"]["parameters"]["workers"]
    assert advised >= 2
    ratio = finding["gain"]["ratio"]
    assert ratio["low"] < ratio["predicted"] < ratio["high"]
    assert 0.75 * advised / max(workers, 1) < ratio["predicted"] < 1.15 * advised / max(workers, 1)
    assert f"num_workers={advised}" in finding["remedy"]
    loop = report["run"]["wall_seconds"]
    assert 0 < finding["gain"]["seconds_per_run"]["predicted"] < loop


@alone
def test_steps_that_compute_have_nothing_to_win(tmp_path: Path) -> None:
    """A step takes 20 ms of a core and its batch next to nothing: only the other cores are too many."""
    report = advice(tmp_path, "--samples", "640", "--host-ms", "20")
    assert report["prediction"]["valid"], report["prediction"]
    several = report["run"]["machine"]["cores_usable"] >= 2
    assert [one["id"] for one in report["findings"]] == (["compute.cores"] if several else [])
    [compute] = [one for one in report["ceilings"] if one["name"] == "compute"]
    assert report["ceilings"][0] == compute
    assert BATCH / 0.025 < compute["samples_per_second"] < BATCH / 0.020
    assert [one["basis"] for one in report["ceilings"]] == ["derived"] * len(report["ceilings"])


@pytest.mark.parametrize(
    ("command", "why"),
    [
        (program("loop_background.py"), "loads batches ahead"),
        (program("loop_arrays.py"), "no DataLoader"),
        (program("loop_stream.py", "1"), "IterableDataset"),
        (program("train.py", "--samples", "64", "--host-ms", "6"), "fewer than 20 steps"),
    ],
)
def test_what_the_replay_does_not_know_gets_the_reason(tmp_path: Path, command: list[str], why: str) -> None:
    audited = audit(command, home=tmp_path / "home", cwd=tmp_path, options=())
    report = audited.report
    assert not report["prediction"]["valid"]
    assert why in report["prediction"]["reason"]
    # What starting workers again costs was measured, whatever the replay knows: on a busy machine it is worth a line.
    assert {one["id"] for one in report["findings"]} <= {"input.persistent_workers"}
    shown = re.sub(r"\s+", " ", audited.stderr.decode())
    assert report["prediction"]["reason"] in shown


@alone
def test_a_stream_is_predicted_where_workers_divide_it_already(tmp_path: Path) -> None:
    """An IterableDataset with two workers; see above for one."""
    report = predicted(tmp_path, program("loop_stream.py"))
    assert report["prediction"]["valid"], report["prediction"]["reason"]
    [finding] = [one for one in report["findings"] if one["id"] == "input.workers"]
    assert finding["fix"]["parameters"]["workers"] > 2
    assert "a part for each of them" in finding["remedy"]


@alone
def test_ranks_that_wait_for_each_other_are_predicted(tmp_path: Path) -> None:
    """Each waits for the slower of two batches; what it waits for the other is no part of its step."""
    report = predicted(tmp_path, program("loop_ranks.py"))
    assert [ledger["rank"] for ledger in report["ranks"]] == [0, 1]
    assert report["prediction"]["valid"], report["prediction"]
    [finding] = [one for one in report["findings"] if one["id"] == "input.workers"]
    advised = finding["fix"]["parameters"]["workers"]
    assert advised >= 2
    # Also what the other rank is late for becomes less: a little more than the number of workers.
    assert 0.75 * advised < finding["gain"]["ratio"]["predicted"] < 1.3 * advised


def findings(tmp_path: Path, *arguments: str) -> dict[str, dict[str, Any]]:
    """The findings of an audit of train.py, by id."""
    audited = audit(program("train.py", *arguments), home=tmp_path / "home", cwd=tmp_path)
    assert audited.returncode == 0, audited.stderr
    return {finding["id"]: finding for finding in audited.report["findings"]}


SPAWNED = ("--method", "spawn", "--samples", "64", "--epochs", "3", "--host-ms", "4")


@pytest.mark.parametrize(
    ("id", "restarted", "stay"),
    [
        ("input.persistent_workers", ("--workers", "1"), ("--persistent",)),
        ("evaluate.persistent_workers", ("--evaluate", "32", "--evaluate-workers", "1"), ("--evaluate-persistent",)),
    ],
)
def test_workers_that_are_started_again_are_found(
    tmp_path: Path, id: str, restarted: tuple[str, ...], stay: tuple[str, ...]
) -> None:
    """A spawned worker imports torch: two more starts are a large part of this run."""
    for folder in ("restarted", "stay"):
        (tmp_path / folder).mkdir()
    found = findings(tmp_path / "restarted", *SPAWNED, *restarted)
    finding = found[id]
    assert finding["fix"]["parameters"]["persistent_workers"] is True
    assert finding["gain"]["ratio"] == {"predicted": 1, "low": 1, "high": 1}
    assert "2 more times" in finding["evidence"]
    assert finding["try"] is None
    saved = finding["gain"]["seconds_per_run"]
    assert 0 < saved["low"] < saved["predicted"] < saved["high"]
    began = time.monotonic()
    kept = findings(tmp_path / "stay", *SPAWNED, *restarted, *stay)
    assert id not in kept
    assert saved["low"] < time.monotonic() - began


def test_a_loader_that_is_made_anew_has_to_be_made_once(tmp_path: Path) -> None:
    found = findings(tmp_path, *SPAWNED, "--workers", "1", "--make-anew")
    assert "make it once, before the epochs" in found["input.persistent_workers"]["remedy"]


@pytest.mark.slow
@alone
def test_a_loader_that_is_made_anew_is_one_to_the_replay(tmp_path: Path) -> None:
    report = advice(
        tmp_path,
        "--samples",
        "320",
        "--epochs",
        "3",
        "--sleep-ms",
        "3",
        "--workers",
        "1",
        "--make-anew",
        "--evaluate",
        "32",
    )
    assert [loader["batch_size"] for loader in report["input"]["loaders"]] == [BATCH, 16]
    assert report["prediction"]["valid"], report["prediction"]
    assert "input.workers" in [finding["id"] for finding in report["findings"]]


def test_full_evaluations_are_found_where_a_sample_would_decide(tmp_path: Path) -> None:
    for folder in ("many", "few"):
        (tmp_path / folder).mkdir()
    shape = ("--samples", "64", "--epochs", "3", "--evaluate-sleep-ms", "0.3")
    finding = findings(tmp_path / "many", *shape, "--evaluate", "4000")["evaluate.sample"]
    assert finding["area"] == "evaluate"
    assert finding["changes"] == "semantics"
    assert finding["fix"] == {"kind": "evaluation", "parameters": {"rows": 1000}}
    assert "3 evaluations of 4000 rows" in finding["evidence"]
    # Two of three evaluations of 4,000 rows that sleep 0.3 ms each and a little more, three quarters of them.
    saved = finding["gain"]["seconds_per_run"]
    assert 0.95 * 2 * 1.2 * 0.75 < saved["predicted"] < 2 * 2 * 1.2 * 0.75
    assert "evaluate.sample" not in findings(tmp_path / "few", *shape, "--evaluate", "1000")


def test_a_program_without_training_gets_no_word_of_predictions(tmp_path: Path) -> None:
    audited = audit(["true"], home=tmp_path / "home", cwd=tmp_path, options=())
    assert audited.report["prediction"]["reason"] == "Nothing is predicted: no training step was seen."
    assert b"Findings" not in audited.stderr
