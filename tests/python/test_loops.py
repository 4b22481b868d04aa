"""Every kind of training loop: its ledger against what the program measured of itself, and its behaviour."""

from __future__ import annotations

from pathlib import Path

import pytest
from harness import audit, program
from test_same_behaviour import same
from test_truth import best_of, check_ledger, check_stages
from truth import load

slow = pytest.mark.slow
row = pytest.mark.row("Other loops")
FAST = ["accumulation", "lbfgs", "arrays", "several_loaders", "background"]
SLOW = ["executor", "gan", "by_hand", "stream", "getitems", "evaluation_inside", "forces"]


def check_truth(loop: str, folder: Path, env: dict[str, str] | None = None) -> None:
    """Audits a loop and compares."""
    records = folder / "truth"
    records.mkdir()
    command = program(f"loop_{loop}.py", "--truth", str(records))
    audited = audit(command, home=folder / "home", cwd=folder, env=env)
    assert audited.returncode == 0, audited.stderr.decode()
    assert audited.watched is not None
    truth = load(records, audited.watched)
    assert audited.report["overhead"]["hooks_disabled"] == 0
    check_ledger(audited.report, truth)
    if loop != "executor":  # its wait is not divided, as the README says
        check_stages(audited.report, truth)


@row
@pytest.mark.alone
@pytest.mark.parametrize("loop", [*FAST, *(pytest.param(loop, marks=slow) for loop in SLOW)])
def test_the_ledger_of_a_loop_is_the_truth(loop: str, tmp_path: Path) -> None:
    best_of(lambda folder: check_truth(loop, folder), tmp_path)


@slow
@pytest.mark.alone
@pytest.mark.parametrize(
    "fullgraph",
    [
        pytest.param("", marks=pytest.mark.row("Other loops", name="compiled")),
        pytest.param("1", marks=pytest.mark.row("Other loops", name="compiled, one whole graph")),
    ],
)
def test_the_ledger_of_a_compiled_loop_is_the_truth(fullgraph: str, tmp_path: Path) -> None:
    env = {"LOOP_FULLGRAPH": fullgraph, "TORCHINDUCTOR_CACHE_DIR": str(tmp_path / "inductor")}
    best_of(lambda folder: check_truth("compiled", folder, env), tmp_path)


@row
@slow
@pytest.mark.parametrize("loop", [*FAST, *SLOW, "compiled"])
def test_a_loop_behaves_the_same(loop: str, tmp_path: Path) -> None:
    env = {"TORCHINDUCTOR_CACHE_DIR": str(tmp_path / "inductor")}
    assert same(program(f"loop_{loop}.py"), tmp_path, env).returncode == 0
