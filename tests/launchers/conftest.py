"""The environment with the frameworks is that of tests/frameworks; what is fast here needs only the checkout's own."""

from __future__ import annotations

import sys
from pathlib import Path

TESTS = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(TESTS / "python"), str(TESTS / "frameworks")]

from fixtures import environment, packages  # noqa: E402

__all__ = ["environment", "packages"]
