"""Marks for programs whose steps and parts headrace does not recognise by itself. Free when not audited.

Needs nothing but Python 3.10, and may be copied into a project as ``headrace_marker.py``.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__ = ["phase", "step"]

MARKER_PROTOCOL = 1  # what the shim of ``headrace audit`` looks for before it sets _recorder
_recorder: Any = None  # of the audited process; None everywhere else


def step() -> None:
    """Say that a step has just ended. The report shows how many there were and how long they took.

    Where PyTorch's steps are seen, those count and not these.
    """
    if _recorder is not None:
        _recorder.mark_step()


class phase:
    """Name a part of the program: ``with headrace.phase("evaluation"): ...``.

    The names ``evaluation``, ``checkpoint``, ``logging``, ``setup`` and ``input`` give the time to that entry of the
    ledger; every other name is listed as it is. Phases may be nested. Begin and end must be on one thread, which is
    the program's main thread or the one that trains. An exception passes through unchanged.
    """

    __slots__ = ("_name", "_token")

    def __init__(self, name: str) -> None:
        """``name`` is cut after 200 bytes of UTF-8."""
        self._name = name
        self._token = -1

    def __enter__(self) -> None:
        if _recorder is not None:
            self._token = _recorder.phase_begin()

    def __exit__(self, *_: object) -> None:
        if _recorder is not None:
            _recorder.phase_end(self._name, self._token)
