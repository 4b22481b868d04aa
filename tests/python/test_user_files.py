"""What a user has written down about machines and models: prices.toml and slo.toml, in real audits."""

from __future__ import annotations

import re
from pathlib import Path

import jsonschema
import pytest
from harness import Audited, audit, program
from test_advice import advice, alone
from test_report_schema import schema

PRICES = """
currency = "EUR"
here = "now"
[machine.now]
per_hour = 36
cores = 2
memory_gib = 16
[machine.half]
per_hour = 18
cores = 1
memory_gib = 8
"""
THREE_PASSES = ("--samples", "160", "--epochs", "3", "--host-ms", "4")


def audited(folder: Path, *arguments: str, settings: Path | None = None) -> Audited:
    """An audit of train.py in a folder."""
    environment = {} if settings is None else {"XDG_CONFIG_HOME": str(settings)}
    done = audit(program("train.py", *arguments), home=folder / "home", cwd=folder, options=(), env=environment)
    assert done.returncode == 0, done.stderr
    jsonschema.Draft202012Validator(schema("report")).validate(done.report)
    return done


@pytest.mark.parametrize("place", ["working directory", "settings"])
def test_a_run_and_an_epoch_have_their_price(tmp_path: Path, place: str) -> None:
    settings = tmp_path / "settings"
    folder = tmp_path if place == "working directory" else settings / "headrace"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "prices.toml").write_text(PRICES)
    done = audited(tmp_path, *THREE_PASSES, settings=settings)
    report = done.report
    cost = report["cost"]
    assert (cost["file"], cost["currency"], cost["machine"]) == (str(folder / "prices.toml"), "EUR", "now")
    assert cost["per_run"] == pytest.approx(report["run"]["wall_seconds"] * 0.01)
    outside_epochs = {"startup.launch", "startup.imports", "startup.setup", "teardown"}
    entries = report["ledger"]["entries"]
    training = sum(one["seconds"] for one in entries if one["name"] not in outside_epochs)
    assert cost["per_epoch"] == pytest.approx(training * 0.01 / 3, rel=0.2)
    assert re.search(r"^Cost +[\d.]+ EUR the run, [\d.]+ an epoch \(now, 36 an hour\)$", done.stderr.decode(), re.M)


def test_without_prices_nothing_is_said_of_them(tmp_path: Path) -> None:
    report = audited(tmp_path, *THREE_PASSES, settings=tmp_path).report
    assert report["cost"] is None
    assert report["slo"] is None


@pytest.mark.parametrize(
    ("name", "content", "why"),
    [
        ("prices.toml", "currency = \n", "line 1: it is no TOML"),
        (
            "prices.toml",
            'currency = "EUR"\n[machine.a]\nper_hour = 0\ncores = 1\n',
            "machine.a.per_hour is to be",
        ),
        (
            "prices.toml",
            'currency = "EUR"\n[machine.a]\nper_hour = 1\ncores = 999\n',
            "none of its machines",
        ),
        ("slo.toml", "[serve]\nlatency = 3\n", "line 2: there is no setting serve.latency"),
        ("slo.toml", "[serve]\nmemory_mb = \xff\n", "it is no TOML"),
    ],
)
def test_a_file_that_is_wrong_is_left_out_with_a_word(tmp_path: Path, name: str, content: str, why: str) -> None:
    (tmp_path / name).write_bytes(content.encode("latin-1"))
    report = audited(tmp_path, *THREE_PASSES).report
    assert report["cost"] is None
    assert report["slo"] is None
    [limit] = [one for one in report["limits"] if name in one]
    assert why in limit


@alone
def test_cores_that_nobody_uses_are_found_with_what_they_cost(tmp_path: Path) -> None:
    """A step takes 20 ms of one core and its batch next to nothing."""
    (tmp_path / "prices.toml").write_text(PRICES)
    report = advice(tmp_path, "--samples", "640", "--host-ms", "20")
    assert report["prediction"]["valid"], report["prediction"]
    [finding] = report["findings"]
    cores = report["run"]["machine"]["cores_usable"]
    assert finding["id"] == "compute.cores"
    assert finding["title"] == f"1 of {cores:.3g} usable cores would do"
    assert (finding["area"], finding["gain"], finding["changes"], finding["try"]) == ("compute", None, "nothing", None)
    assert "EUR on now" in finding["evidence"]
    assert finding["remedy"].startswith("Run it on half, ")


@alone
def test_cores_that_the_loader_uses_are_not(tmp_path: Path) -> None:
    """A worker makes a batch in 18 ms of a core, beside steps of 20 ms of another one: there is nothing else to win."""
    report = advice(tmp_path, "--samples", "640", "--decode-ms", "2.2", "--host-ms", "20", "--workers", "1")
    assert report["prediction"]["valid"], report["prediction"]
    assert "compute.cores" not in {finding["id"] for finding in report["findings"]}
