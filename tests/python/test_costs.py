"""Findings about what samples and batches cost, in programs where each is planted, and in those where it is not."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from harness import audit, program
from PIL import Image

pytestmark = pytest.mark.alone
ATTEMPTS = 3  # another program on the machine at the wrong moment makes a run unlike its own replay
PLANTED = {
    "plain": set(),
    "pictures": {"input.decode_size"},
    "files": {"input.small_files"},
    "collate": {"input.collate"},
    "sent": {"input.startup"},
}
SLOW = {"pictures", "sent"}  # they take a quarter of a minute each
OF_COSTS = set().union(*PLANTED.values())


def make_data(kind: str, folder: Path) -> None:
    """What the program of that kind reads."""
    folder.mkdir()
    generator = np.random.default_rng(0)
    for number in range(24):
        if kind == "pictures":
            small = Image.fromarray(generator.integers(0, 255, (9, 12, 3)).astype(np.uint8))
            small.resize((1200, 900), Image.Resampling.BILINEAR).save(folder / f"{number}.jpg", quality=90)
        else:
            (folder / f"{number}.bin").write_bytes(bytes(20_000 + number))


@pytest.mark.parametrize(
    "kind", [pytest.param(kind, marks=[pytest.mark.slow] if kind in SLOW else []) for kind in PLANTED]
)
def test_planted_costs_are_found_and_no_others(tmp_path: Path, kind: str) -> None:
    """Recall and precision: of the findings about costs exactly the planted one."""
    make_data(kind, tmp_path / "data")
    command = program("loop_costs.py", "--kind", kind, "--data", "data")
    report: dict[str, Any] = {}
    for attempt in range(ATTEMPTS):
        home = tmp_path / f"home{attempt}"
        audited = audit(command, home=home, cwd=tmp_path, options=("--quiet", "--probe=2"))
        assert audited.returncode == 0, audited.stderr
        report = audited.report
        if (report["prediction"]["valid"] or kind == "sent") and report["probe"]:
            break
    assert report["prediction"]["valid"] or kind == "sent", "a start needs no replay, the others do"
    assert report["probe"], report["limits"]
    found = {one["id"]: one for one in report["findings"]}
    assert set(found) & OF_COSTS == PLANTED[kind]
    for name in PLANTED[kind]:
        assert found[name]["gain"]["seconds_per_run"]["predicted"] > 0
        assert found[name]["evidence"]
        assert found[name]["try"] is None
    check_probe(kind, report)


@pytest.mark.slow
def test_start_up_work_is_found_when_a_later_run_repeats_it(tmp_path: Path) -> None:
    """The first run cannot know; a run that reads other content repeats nothing."""
    make_data("setup", tmp_path / "data")
    command = program("loop_costs.py", "--kind", "setup", "--data", "data")

    def found() -> list[dict[str, Any]]:
        audited = audit(command, home=tmp_path / "home", cwd=tmp_path, options=("--quiet", "--probe=1"))
        assert audited.returncode == 0, audited.stderr
        newest = max((tmp_path / "home" / "runs").iterdir())
        report = json.loads((newest / "report.json").read_text(encoding="utf-8"))
        assert report["probe"], report["limits"]
        startup = report["probe"]["startup"]
        assert (startup["files"], startup["folders"]) == (24, 1)
        assert startup["seconds"] > 1.5
        return [{"set_up": startup["seconds"], **one} for one in report["findings"] if one["id"] == "prep.startup"]

    assert not found()
    [finding] = found()
    gain = finding["gain"]
    low, high = (gain["seconds_per_run"][end] / finding["set_up"] for end in ("low", "high"))  # shares of the set-up
    assert gain["ratio"]["predicted"] == 1
    assert 0.2 < low < high < 1
    assert "24 files" in finding["evidence"]
    (tmp_path / "data" / "3.bin").write_bytes(bytes(20_002) + b"x")
    assert not found()
    assert found()


def check_probe(kind: str, report: dict[str, Any]) -> None:
    """What the probe saw of files, pictures and the dataset."""
    probe = report["probe"]
    reads = kind in ("pictures", "files")
    assert (probe["files"] is not None) == reads
    if reads:
        assert probe["files"]["files_per_sample"] == 1
        assert probe["files"]["files"] == 24
        assert probe["files"]["cached"]["files_per_second"] > 0
    assert ("storage" in {one["name"] for one in report["ceilings"]}) == reads
    assert (probe["decoding"] is not None) == (kind == "pictures")
    if kind == "pictures":
        assert (probe["decoding"]["width"], probe["decoding"]["height"]) == (1200, 900)
        assert (probe["decoding"]["needed_width"], probe["decoding"]["needed_height"]) == (32, 32)
        assert probe["decoding"]["scaled_seconds"] < probe["decoding"]["whole_seconds"]
    assert (probe["dataset"] is not None) == (kind == "sent")
    if kind == "sent":
        assert probe["dataset"]["bytes"] > 10_000_000
