"""The settings of tests/programs/train.py whose truth is compared and whose behaviour must not change."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest


@dataclass(frozen=True)
class Setting:
    """One way to run the program."""

    name: str
    arguments: str
    environment: dict[str, str] = field(default_factory=dict)


FAST = (
    Setting("storage-2-workers", "--workers 2 --sleep-ms 6 --samples 384"),
    Setting("decode-2-workers", "--workers 2 --decode-ms 4 --samples 384 --shuffle"),
    Setting("storage-and-decode-in-the-loop", "--workers 0 --sleep-ms 2 --decode-ms 2 --samples 256"),
    Setting("collate-1-worker", "--workers 1 --collate-ms 30 --samples 256 --criterion module"),
    Setting("transport-of-arrays", "--workers 1 --batch-mb 40 --samples 96 --ballast numpy"),
    Setting("transport-of-tensors", "--workers 1 --batch-mb 40 --samples 256"),
    Setting("too-few-workers", "--workers 1 --sleep-ms 2 --decode-ms 2 --samples 320 --width 1024 --layers 2"),
    Setting("compute", "--batch 64 --samples 4096 --width 1024 --layers 4 --criterion module --optimizer adam"),
    Setting(
        "evaluation-checkpoints-logging",
        "--workers 2 --sleep-ms 1 --evaluate 64 --evaluate-sleep-ms 8 --save-mb 60 --save-every 20"
        " --log-ms 20 --print-ms 20",
    ),
    Setting("start-up", "--setup-ms 900 --workers 2 --decode-ms 1 --host-ms 3", {"HEAVY_LIBRARY_SECONDS": "1"}),
    Setting(
        "forkserver-workers", "--method forkserver --workers 1 --sleep-ms 4 --decode-ms 2 --samples 128 --persistent"
    ),
    Setting("spawned-workers", "--method spawn --workers 1 --sleep-ms 4 --decode-ms 2 --samples 128 --persistent"),
)

INPUTS = {
    "storage": "--sleep-ms 6",
    "read": "--read-mb 160",
    "decode": "--decode-ms 4",
    "collate": "--collate-ms 25",
    "tensors": "--batch-mb 40 --samples 192",
    "arrays": "--batch-mb 40 --samples 96 --ballast numpy",
    "mixture": "--sleep-ms 3 --decode-ms 3 --read-mb 40 --collate-ms 8",
}

LOOPS = (
    Setting("evaluation", "--workers 2 --sleep-ms 1 --evaluate 256 --evaluate-sleep-ms 6"),
    Setting("evaluation-without-modes", "--sleep-ms 1 --evaluate 192 --evaluate-sleep-ms 8 --no-eval-mode"),
    Setting("checkpoints-each-epoch", "--workers 2 --decode-ms 1 --epochs 6 --samples 128 --save-mb 200"),
    Setting("checkpoints-in-the-loop", "--decode-ms 1 --save-mb 80 --save-every 10"),
    Setting("logging", "--workers 2 --sleep-ms 1 --log-ms 25 --log-every 2"),
    Setting("printing", "--sleep-ms 1 --print-ms 25 --log-every 2"),
    Setting("imports", "--sleep-ms 2", {"HEAVY_LIBRARY_SECONDS": "3"}),
    Setting("imports-in-spawned-workers", "--method spawn --workers 2 --sleep-ms 4", {"HEAVY_LIBRARY_SECONDS": "1"}),
    Setting("loads-for-2-seconds", "--setup-ms 2000 --workers 1 --sleep-ms 4 --samples 128"),
    Setting("loads-for-a-minute", "--setup-ms 60000 --workers 1 --sleep-ms 2"),
    Setting("host", "--workers 2 --sleep-ms 1 --host-ms 20"),
    Setting("compute-with-workers", "--workers 2 --decode-ms 0.5 --batch 64 --samples 4096 --width 1024 --layers 4"),
    Setting("compute-adam", "--batch 32 --samples 2048 --width 1024 --layers 4 --criterion module --optimizer adam"),
    Setting("one-epoch-of-everything", "--epochs 1 --samples 800 --workers 4 --sleep-ms 3 --decode-ms 3 --host-ms 2"),
    Setting(
        "many-epochs-of-everything",
        "--epochs 8 --samples 96 --workers 2 --sleep-ms 3 --decode-ms 1 --collate-ms 4 --evaluate 48"
        " --evaluate-sleep-ms 4 --save-mb 40 --log-ms 10 --print-ms 10 --log-every 4 --width 512 --layers 2",
    ),
)


def inputs() -> Iterator[Setting]:
    """Every kind of input cost with 0, 1, 2 and 4 workers, forked and spawned, persistent or not."""
    for (kind, cost), workers in itertools.product(INPUTS.items(), (0, 1, 2, 4)):
        for method in ("fork", "spawn") if workers else ("fork",):
            persistent = " --persistent" if method == "spawn" and workers > 1 else ""
            arguments = f"--samples 384 --workers {workers} --method {method}{persistent} {cost}"
            yield Setting(f"{kind}-{workers}-{method}", arguments)


ROW = pytest.mark.row("The plain loop")
WHOLE = [
    *(pytest.param(setting, marks=ROW) for setting in FAST),
    *(pytest.param(setting, marks=[ROW, pytest.mark.slow]) for setting in LOOPS),
]
INPUT = [pytest.param(setting, marks=pytest.mark.slow) for setting in inputs()]


def name(setting: object) -> str:
    """The test's id."""
    return setting.name if isinstance(setting, Setting) else str(setting)
