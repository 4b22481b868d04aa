"""Programs of the real frameworks under a probe and a trial: both reach their loaders, and nothing of them stays."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from environment import Environment
from harness import Audited, Ran, audit, headrace_command, run
from shared import digest_of
from test_frameworks import INSIDE, Program, in_empty_folder, masked, surroundings

pytestmark = [pytest.mark.slow, pytest.mark.alone]
ATTEMPTS = 3  # another program on the machine at the wrong moment makes a run unlike its own replay
# Their samples sleep, so that workers win; the least ratio that two of them bring.
PROGRAMS = {"hf-trainer": 1.15, "lightning-trainer": 1.5, "lightning-fabric": 1.3}


def tree(folder: Path) -> dict[str, str]:
    """All files with their content."""
    return {str(path.relative_to(folder)): digest_of(path) for path in sorted(folder.rglob("*"))}


def probed(tested: Program, python: str, folder: Path) -> tuple[Ran, Audited]:
    """The program by itself, and audited with a probe until its replay is near enough."""
    command, env = tested.command(python, None), surroundings(tested, folder)
    work, home = folder / "work", folder / "home"
    plain = run(command, cwd=in_empty_folder(work), env=env)
    for _ in range(ATTEMPTS):
        shutil.rmtree(home, ignore_errors=True)
        audited = audit(command, home=home, cwd=in_empty_folder(work), env=env, options=("--quiet", "--probe=6"))
        if audited.report["prediction"]["valid"]:
            break
    return plain, audited


@pytest.mark.parametrize(
    ("tested", "least"),
    [
        pytest.param(INSIDE[name], least, id=name, marks=pytest.mark.needs(*INSIDE[name].needs))
        for name, least in PROGRAMS.items()
    ],
)
def test_the_fix_of_a_probed_program_is_tried(
    tested: Program, least: float, environment: Environment, tmp_path: Path
) -> None:
    plain, audited = probed(tested, environment.python, tmp_path)
    assert (masked(audited.stdout), audited.returncode) == (masked(plain.stdout), plain.returncode)
    report = audited.report
    assert report["prediction"]["valid"], report["prediction"]
    assert len(report["probe"]["cases"]) > 2
    finding = next(one for one in report["findings"] if one["id"] == "input.workers")
    before = tree(tmp_path / "work")
    document = tmp_path / "trial.json"
    command = [str(headrace_command()), "try", "--dir", str(audited.home), "--fix", "input.workers"]
    options = ["--pairs", "2", "--steps", "60", "--json", str(document)]
    tried = run([*command, *options], cwd=tmp_path / "work", env=surroundings(tested, tmp_path))
    assert tried.returncode == 0, tried.stderr.decode()
    assert tree(tmp_path / "work") == before
    trial = json.loads(document.read_text())
    assert trial["predicted"]["ratio"] == finding["gain"]["ratio"]["predicted"]
    assert trial["measured"]["ratio"] > least
