"""The one installed headrace audits programs of every Python found, in environments that know nothing of it."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from audited import audit, make_environment, run, seconds
from pythons import Python, find_absent, find_others, find_pythons


def text(python: Python) -> str:
    """The test's id."""
    return f"{python.text}-{python.executable}"


@pytest.mark.parametrize("python", find_pythons(), ids=text)
def test_every_python_is_audited(python: Python, installed: Path, tmp_path: Path) -> None:
    interpreter = make_environment(python.executable, tmp_path / "venv")
    assert run([str(interpreter), "-c", "import headrace"], tmp_path).returncode == 1, "the environment knows headrace"
    document = audit([str(installed / "bin" / "headrace")], interpreter, tmp_path / "here")
    assert seconds(document, "startup.imports") > 0, document["limits"]
    assert seconds(document, "logging") > 0, document["limits"]
    assert document["overhead"]["hooks_disabled"] == 0, document["limits"]


@pytest.mark.parametrize("version", find_absent())
def test_a_version_that_is_absent(version: str) -> None:
    pytest.skip(f"Python {version} is not on this machine and was not tested")


@pytest.mark.parametrize("python", find_others(), ids=text)
def test_other_pythons_run_unharmed(python: Python, installed: Path, tmp_path: Path) -> None:
    document = audit([str(installed / "bin" / "headrace")], Path(python.executable), tmp_path / "here", code=4)
    assert document["limits"], "nothing was recorded inside, and the report does not say so"


def test_a_program_that_is_not_python_runs_unharmed(installed: Path, tmp_path: Path) -> None:
    command = [
        str(installed / "bin" / "headrace"),
        "audit",
        "--quiet",
        "--",
        "sh",
        "-c",
        "echo out; echo err >&2; exit 9",
    ]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (9, "out\n", "err\n")
