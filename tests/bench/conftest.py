"""The benchmarks are no package: their tests find them in bench/, as each run.py does."""

from __future__ import annotations

import sys
from pathlib import Path

BENCH = Path(__file__).resolve().parents[2] / "bench"
sys.path[:0] = [str(BENCH), str(BENCH / "overhead" / "programs")]
