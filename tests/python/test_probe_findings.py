"""Findings that come from `headrace audit --probe`, of real programs in which they are planted or not."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from harness import ROOT, Audited, audit, headrace_command, program, run

ATTEMPTS = 3  # another program on the machine at the wrong moment makes a run unlike its own replay
SCHEMA = json.loads((ROOT / "docs" / "formats" / "report.schema.json").read_text())


def allowed() -> bool:
    """Whether this machine has namespaces, by headrace's own word."""
    done = run([str(headrace_command()), "doctor", "--json", "-"], cwd=ROOT)
    checks = json.loads(done.stdout)["checks"]
    return all(check["works"] for check in checks if check["name"] == "namespaces")


pytestmark = [pytest.mark.alone, pytest.mark.skipif(not allowed(), reason="this machine allows no namespaces")]


def probed(folder: Path, *arguments: str) -> Audited:
    """A probed run of loop_probe.py that predicts; the last one where none did."""
    done: Audited | None = None
    for attempt in range(ATTEMPTS):
        command = program("loop_probe.py", *arguments)
        done = audit(command, home=folder / f"home{attempt}", cwd=folder, options=("--quiet", "--probe=4"))
        assert done.returncode == 0, done.stderr
        jsonschema.Draft202012Validator(SCHEMA).validate(done.report)
        assert done.report["probe"] is not None, done.report["limits"]
        if done.report["prediction"]["valid"]:
            break
    assert done is not None
    return done


def findings_of(report: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {finding["id"]: finding for finding in report["findings"]}


def case(report: dict[str, Any], **wanted: object) -> dict[str, Any] | None:
    """The first case of the probe with these conditions, the loader stopped."""
    conditions = {"loader_running": False, "precision": "float32", "channels_last": False} | wanted
    for one in report["probe"]["cases"]:
        if all(one[name] == value for name, value in conditions.items()):
            found: dict[str, Any] = one
            return found
    return None


def test_a_batch_below_the_knee_and_a_model_without_an_slo(tmp_path: Path) -> None:
    """A step takes 8 ms and next to nothing for each of its four samples."""
    report = probed(tmp_path, "--fixed-ms", "8").report
    assert report["prediction"]["valid"], report["prediction"]
    found = findings_of(report)
    batch = found["compute.batch"]
    assert (batch["area"], batch["changes"], batch["fix"]["kind"]) == ("compute", "semantics", "loader")
    assert batch["fix"]["parameters"]["batch_size"] == 8
    assert batch["call_site"]["file"].endswith("loop_probe.py")
    assert batch["try"].startswith("headrace try")
    ratio = batch["gain"]["ratio"]
    assert 1.6 < ratio["predicted"] < 2.05
    assert ratio["low"] < ratio["predicted"] < ratio["high"]
    twice = case(report, batch_size=8)
    assert twice is not None
    assert twice["host_peak_bytes"] is None or twice["host_peak_bytes"] > 50e6, "torch alone is that large"
    slo = found["serve.slo"]
    own = report["probe"]["cases"][0]["step_seconds"]["median"]
    assert 0 < report["probe"]["worker_cpu_seconds"] / own < 2, "next to a step that is fixed; it has no workers itself"
    assert all(0 < one["cpu_seconds"] < 1.05 * one["step_seconds"]["high"] for one in report["probe"]["cases"])
    assert (slo["area"], slo["gain"], slo["try"], slo["changes"]) == ("serve", None, None, "nothing")
    assert slo["remedy"].splitlines()[1] == "[serve]"
    probe = report["probe"]
    assert probe["model_parameters"] == 16 * 144 * 16 + 16 + 16 * 10 + 10
    assert probe["model_bytes"] == 4 * probe["model_parameters"]
    assert 0 < probe["single_sample_seconds"] <= probe["single_sample_p95_seconds"]
    assert "compute.channels_last" not in found
    assert case(report, channels_last=True) is None, "it has no convolutions"
    assert "compute.threads" not in found


def test_a_batch_above_the_knee_and_an_slo(tmp_path: Path) -> None:
    """Each sample costs 2 ms of the step: a larger batch wins nothing."""
    (tmp_path / "slo.toml").write_text("[serve]\nlatency_p95_ms = 5\nmemory_mb = 1\n")
    report = probed(tmp_path, "--sample-ms", "2", "--batch", "24", "--steps", "100").report
    assert report["prediction"]["valid"], report["prediction"]
    assert not {"compute.batch", "serve.slo", "compute.channels_last"} & findings_of(report).keys()


def test_convolutions_are_measured_in_channels_last(tmp_path: Path) -> None:
    """What that wins differs between machines: the finding is there where the probe has measured it."""
    report = probed(tmp_path, "--convolutions", "--batch", "16", "--steps", "300").report
    own, other = case(report, batch_size=16), case(report, channels_last=True)
    assert own is not None
    assert other is not None
    assert other["steps"] >= 2
    assert report["prediction"]["valid"], report["prediction"]
    speed = own["step_seconds"]["median"] / other["step_seconds"]["median"]
    finding = findings_of(report).get("compute.channels_last")
    if speed < 1:
        assert finding is None
    if speed > 1.15:  # a step is nearly all of this loop
        assert finding is not None
        assert finding["fix"] == {"kind": "by_hand", "parameters": {}}
        assert finding["changes"] == "rounding"
        assert finding["gain"]["ratio"]["predicted"] == pytest.approx(speed, rel=0.2)


def test_precision_is_measured_where_the_processor_has_it(tmp_path: Path) -> None:
    flags = (Path("/proc/cpuinfo").read_text().partition("\nflags")[2]).partition("\n")[0].split()
    has_it = bool({"avx512_bf16", "amx_bf16"} & set(flags))
    report = probed(tmp_path, "--width", "256").report
    assert (case(report, precision="bfloat16") is not None) == has_it
    if not has_it:
        assert "compute.precision" not in findings_of(report)


AUTOCAST = ("--steps", "30", "--width", "64")


@pytest.mark.parametrize("more", [(), ("--teacher",), ("--convolutions",)])
def test_injected_autocast_is_that_of_a_user(tmp_path: Path, more: tuple[str, ...]) -> None:
    """Bit by bit: the same losses and weights as with torch.autocast around the forward and the loss."""
    by_hand = run(program("loop_probe.py", *AUTOCAST, *more, "--autocast"), cwd=tmp_path)
    plain = run(program("loop_probe.py", *AUTOCAST, *more), cwd=tmp_path)
    reached = tmp_path / "reached"
    inject = ["env", f"HEADRACE_INJECT=precision=bfloat16\nreached={reached}\n"]  # below headrace, which takes it out
    command = [*inject, *program("loop_probe.py", *AUTOCAST, *more)]
    injected = audit(command, home=tmp_path / "home", cwd=tmp_path)
    assert by_hand.returncode == plain.returncode == injected.returncode == 0, injected.stderr
    assert by_hand.stdout != plain.stdout
    assert injected.stdout == by_hand.stdout
    assert reached.read_text() == "precision\n"
    assert injected.report["overhead"]["hooks_disabled"] == 0


@pytest.fixture(scope="module")
def with_precision(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a run whose probe says that bfloat16 is twice as fast: no machine has to be good at it."""
    folder = tmp_path_factory.mktemp("precision")
    done = probed(folder, "--steps", "80", "--fixed-ms", "4")
    assert done.report["prediction"]["valid"], done.report["prediction"]
    (folder / "home").mkdir()
    shutil.move(str(done.home / "runs"), folder / "home" / "runs")
    [file] = (folder / "home" / "runs").glob("*/probe.json")
    probe = json.loads(file.read_text())
    faster = json.loads(json.dumps(probe["cases"][0])) | {"precision": "bfloat16"}
    faster["step_seconds"] = {name: value / 2 for name, value in faster["step_seconds"].items()}
    measured = [one for one in probe["cases"] if one["precision"] != "bfloat16"]  # on a machine that is good at it
    probe["cases"] = [*measured, faster]
    file.write_text(json.dumps(probe))
    return folder


def tried(folder: Path, *arguments: str) -> tuple[int, bytes, Path]:
    document = folder / "trial.json"
    document.unlink(missing_ok=True)
    command = [str(headrace_command()), "try", "--dir", str(folder / "home"), "--fix", "compute.precision", *arguments]
    done = run([*command, "--json", str(document)], cwd=folder)
    return done.returncode, done.stderr, document


def test_a_trial_of_autocast_measures(with_precision: Path) -> None:
    code, said, document = tried(with_precision, "--pairs", "2", "--steps", "20")
    assert code == 0, said
    trial = json.loads(document.read_text())
    jsonschema.Draft202012Validator(json.loads((ROOT / "docs/formats/trial.schema.json").read_text())).validate(trial)
    assert trial["parameters"]["precision"] == "bfloat16"
    assert trial["measured"]["ratio"] > 0


def test_autocast_that_reaches_no_module_in_training_is_not_measured(with_precision: Path) -> None:
    """The program is another one now: its model trains in eval mode."""
    [database] = (with_precision / "home" / "runs").glob("*/run.db")
    with sqlite3.connect(database) as connection:
        [[last]] = connection.execute("SELECT max(position) FROM meta_list WHERE key = 'command'")
        connection.execute("INSERT INTO meta_list VALUES ('command', ?, '--eval-mode')", (last + 1,))
    try:
        code, said, document = tried(with_precision, "--pairs", "2", "--steps", "20")
        assert code == 3
        assert b"none of its modules was called from Python in training mode" in said
        assert not document.exists()
    finally:
        with sqlite3.connect(database) as connection:
            connection.execute("DELETE FROM meta_list WHERE key = 'command' AND position = ?", (last + 1,))


def test_more_threads_than_cores_are_found_without_a_probe_and_can_be_tried(tmp_path: Path) -> None:
    """Eight times as many threads as cores, in steps that all of them compute."""
    threads = 8 * len(os.sched_getaffinity(0))
    arguments = ("--threads", str(threads), "--width", "1024", "--batch", "64", "--steps", "60")
    done = audit(program("loop_probe.py", *arguments), home=tmp_path / "home", cwd=tmp_path)
    finding = findings_of(done.report)["compute.threads"]
    cores = int(done.report["run"]["machine"]["cores_usable"])
    assert finding["fix"]["parameters"]["threads"] == max(1, cores)
    assert finding["gain"] is None
    assert f"{threads} intra-op threads" in finding["evidence"]
    assert "headrace audit --probe" in finding["remedy"]
    assert finding["try"] is not None
    document = tmp_path / "trial.json"
    command = [*finding["try"].split(), "--pairs", "2", "--steps", "20", "--json", str(document)]
    trial = run([str(headrace_command()), *command[1:]], cwd=tmp_path)
    assert trial.returncode == 0, trial.stderr
    assert json.loads(document.read_text())["measured"]["ratio"] > 1


def test_as_many_threads_as_cores_are_no_finding(tmp_path: Path) -> None:
    command = program("loop_probe.py", "--width", "1024", "--batch", "64", "--steps", "60")
    done = audit(command, home=tmp_path / "home", cwd=tmp_path)
    assert "compute.threads" not in findings_of(done.report)
