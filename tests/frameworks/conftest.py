"""The tests of this folder run programs of other packages, in environments of their own."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "python"))  # harness.py, also where it is not collected

from fixtures import environment, older, packages

__all__ = ["environment", "older", "packages"]
