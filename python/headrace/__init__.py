"""headrace audits a real, unmodified machine-learning program and says where its time went.

The work is done by the command: ``headrace audit -- python train.py``, also as ``python -m headrace audit -- …``.
A program may mark its steps and parts with ``headrace.step()`` and ``with headrace.phase("evaluation"):``.
"""

from __future__ import annotations

from pathlib import Path

from headrace.marker import phase, step

__all__ = ["__version__", "phase", "step"]

# The version of this package and of the command that it came with, for example ``"0.1.0"``.
__version__: str = (Path(__file__).parent / "VERSION").read_text(encoding="utf-8").strip()
