"""A long run is audited in little memory, and says the same right after its end, later, and as the truth is."""

from __future__ import annotations

import json
import os
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from scale import measure, synthetic, truth

ROOT = Path(__file__).resolve().parents[2]
HEADRACE = Path(os.environ.get("HEADRACE") or ROOT / ".venv" / "bin" / "headrace")
PEAK_BYTES = 300_000_000


def report(home: Path, file: Path) -> tuple[dict[str, Any], measure.Took]:
    """What `headrace report` says of the only run, and what it took."""
    took = measure.run([HEADRACE, "report", "--quiet", "--dir", home, "--json", file], file.with_suffix(".took"))
    return json.loads(file.read_text(encoding="utf-8")), took


def spans(folder: Path) -> tuple[int, int]:
    """How many spans run.db holds, and how many were recorded."""
    with closing(sqlite3.connect(folder / "run.db")) as database:
        kept, recorded = database.execute("SELECT sum(spans), sum(recorded) FROM thread").fetchone()
        assert database.execute("SELECT count(*) FROM span").fetchone()[0] == kept
    return int(kept), int(recorded)


def check(tmp_path: Path, shape: synthetic.Shape) -> tuple[measure.Took, int, int]:
    """Finishes a made-up run, compares it with the truth, and reads it again."""
    folder, made = synthetic.write_run(HEADRACE, tmp_path / "home", shape)
    first, took = report(tmp_path / "home", tmp_path / "first.json")
    assert truth.differences(made, first) == []
    assert not (folder / "spool").exists()
    again, _ = report(tmp_path / "home", tmp_path / "again.json")
    assert again == first
    return took, *spans(folder)


@pytest.mark.parametrize(
    "shape",
    [
        synthetic.Shape(2, 1),
        synthetic.Shape(300, 1, epoch=300),
        synthetic.Shape(3000, 4, epoch=700),
        synthetic.Shape(3000, 0, epoch=700),
    ],
    ids=lambda shape: f"{shape.steps}-steps-{shape.workers}-workers",
)
def test_a_short_run_is_kept_whole(tmp_path: Path, shape: synthetic.Shape) -> None:
    _, kept, recorded = check(tmp_path, shape)
    assert kept == recorded


def test_of_a_long_run_a_part_is_kept_and_every_figure(tmp_path: Path) -> None:
    _, kept, recorded = check(tmp_path, synthetic.Shape(45_000, 3))
    assert recorded > 500_000
    assert 100_000 < kept < 300_000
    with closing(sqlite3.connect(next((tmp_path / "home" / "runs").iterdir()) / "run.db")) as database:
        # Of a step that was kept, the fetch of its batch was too; the last step is one of those far apart or not.
        waits = database.execute("SELECT count(*) FROM interval WHERE kind = 'wait' AND seq > 50000").fetchone()[0]
        fetches = database.execute("SELECT count(*) FROM interval WHERE kind = 'fetch'").fetchone()[0]
        evaluations = database.execute("SELECT count(*) FROM interval WHERE kind = 'train_mode'").fetchone()[0]
    assert waits > 3000
    assert fetches > waits
    assert evaluations == 2 * 9


@pytest.mark.slow
def test_a_million_steps_are_predicted_in_less_than_a_gigabyte(tmp_path: Path) -> None:
    took, _, _ = check(tmp_path, synthetic.Shape(1_000_000, 0))
    assert took.peak_bytes < 1_000_000_000


@pytest.mark.slow
def test_a_million_steps_with_32_workers_take_less_than_300_mb(tmp_path: Path) -> None:
    took, kept, recorded = check(tmp_path, synthetic.Shape(1_000_000, 32))
    assert recorded > 13_000_000
    assert kept < 500_000
    assert took.peak_bytes < PEAK_BYTES
