"""``python -m headrace`` finds the command that the package came with."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import headrace


def test_a_target_near_the_root_of_the_file_system() -> None:
    """As `pip install --target /deps` leaves it: the package has few folders above it."""
    with tempfile.TemporaryDirectory(dir="/tmp") as name:
        target = Path(name)
        shutil.copytree(Path(headrace.__file__).parent, target / "headrace")
        (target / "bin").mkdir()
        command = target / "bin" / "headrace"
        command.write_text('#!/bin/sh\necho the command "$@"\n')
        command.chmod(0o755)
        ended = subprocess.run(
            [sys.executable, "-m", "headrace", "one", "two"],
            env=os.environ | {"PYTHONPATH": name},
            cwd="/",
            capture_output=True,
            text=True,
        )
    assert (ended.stdout, ended.stderr) == ("the command one two\n", "")
