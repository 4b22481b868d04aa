"""Programs that a signal interrupts in the middle of headrace's own work."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from harness import audit

# Raises from a handler when a function of the shim is called, as an alarm may at that very moment.
INTERRUPTED = """
import signal, sys, torch
from torch.utils.data import DataLoader
class Timeout(Exception): pass
def handler(number, frame): raise Timeout
def method(*arguments): raise Timeout
signal.signal(signal.SIGALRM, {handler})
def profile(frame, event, argument):
    code = frame.f_code
    if event == "call" and code.co_name == {function!r} and "headrace" in code.co_filename:
        sys.setprofile(None)
        signal.raise_signal(signal.SIGALRM)
for attempt in range(2):
    try:
        if attempt == 0:
            sys.setprofile(profile)
        {statement}
        print("done")
    except Timeout:
        print("interrupted")
"""


@pytest.mark.parametrize("handler", ["handler", "method"])
@pytest.mark.parametrize(
    ("function", "statement"),
    [
        ("iterated", "iter(DataLoader([1, 2]))"),
        ("_find", "import wave"),
        ("hook_queue", "import concurrent.futures, queue; del sys.modules['queue']; import queue"),
    ],
)
def test_what_a_handler_raises_reaches_the_program(function: str, statement: str, handler: str, tmp_path: Path) -> None:
    """It interrupts the program, once, and what was interrupted works at the next attempt."""
    code = INTERRUPTED.format(function=function, statement=statement, handler=handler)
    ended = audit([sys.executable, "-c", code], home=tmp_path / "home", cwd=tmp_path)
    assert ended.returncode == 0, ended.stderr.decode()
    assert ended.stdout.decode().split() == ["interrupted", "done"]
    assert ended.report["overhead"]["hooks_disabled"] == 0
