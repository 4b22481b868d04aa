"""The plain loop on the oldest torch that is tested: the same truth, and the same behaviour."""

from __future__ import annotations

from pathlib import Path

import pytest
from environment import Environment
from settings import FAST, Setting, name
from test_same_behaviour import check_training
from test_truth import best_of, check_setting

NAMES = (
    "storage-2-workers",
    "storage-and-decode-in-the-loop",
    "transport-of-tensors",
    "compute",
    "evaluation-checkpoints-logging",
    "forkserver-workers",
    "spawned-workers",
)
SETTINGS = [setting for setting in FAST if setting.name in NAMES]
pytestmark = [pytest.mark.slow, pytest.mark.row("An older torch")]


@pytest.mark.alone
@pytest.mark.parametrize("setting", SETTINGS, ids=name)
def test_ledger_is_the_truth(setting: Setting, older: Environment, tmp_path: Path) -> None:
    """As with the torch of today; no hook is switched off."""
    best_of(lambda folder: check_setting(setting, folder, older.python), tmp_path)


@pytest.mark.parametrize("setting", SETTINGS, ids=name)
def test_behaviour_is_the_same(setting: Setting, older: Environment, tmp_path: Path) -> None:
    """Losses, weights, order, random states, output and exit code."""
    check_training(setting, tmp_path, python=older.python)
