"""What keeps a loader busy beside the steps of a probe."""

from __future__ import annotations

import math
import os
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
from test_probe_conditions import shim

probe = shim("probe")
WORK = 2e-3  # seconds of CPU time that a made-up batch takes


class Worker:
    """Stands for a process of a loader."""

    pid = os.getpid()


class Batches:
    """An iterator that has a worker and computes for each batch."""

    _workers = (Worker(),)

    def __init__(self, count: int, fails_at: int = -1) -> None:
        self._numbers = iter(range(count))
        self._fails_at = fails_at

    def __iter__(self) -> Iterator[int]:
        return self

    def __next__(self) -> int:
        number = next(self._numbers)
        if number == self._fails_at:
            raise RuntimeError("made by another thread")
        begin = time.thread_time()
        while time.thread_time() < begin + WORK:
            pass
        return number


def puller(*iterators: Any) -> Any:
    """One that goes through these iterators."""
    left = iter(iterators)
    return probe.Puller(None, lambda _: next(left))


def test_cpu_time_is_that_of_all_threads() -> None:
    before = probe.cpu_of(os.getpid())

    def compute() -> None:
        begin = time.thread_time()
        while time.thread_time() < begin + planted:
            pass
        used.append(probe.cpu_of(os.getpid()) - before)

    planted = 0.05
    used: list[float] = []
    thread = threading.Thread(target=compute)
    thread.start()
    thread.join()
    assert used[0] / planted > 0.8
    assert math.isnan(probe.cpu_of(0))


@pytest.mark.parametrize(("batches", "known"), [(5, False), (40, True)])
def test_a_batch_costs_what_its_worker_used_between_arrivals(batches: int, known: bool) -> None:
    one = puller(Batches(batches))
    one._thread.join(10)
    assert one.works is False, "there was no second iterator"
    cost = one.cpu_of_a_batch()
    assert (cost is not None) == known
    if known:
        assert 1 < cost / WORK < 50


def test_data_that_fail_end_it_without_a_word(capfd: pytest.CaptureFixture[str]) -> None:
    one = puller(Batches(10, fails_at=3))
    assert one.came.wait(10)
    one._thread.join(10)
    assert not one.works
    assert one.stop()
    assert capfd.readouterr().err == ""


def test_no_batch_at_all_ends_it() -> None:
    one = puller(Batches(0))
    assert one.came.wait(10)
    assert not one.works
    assert one.stop()


def test_a_pause_waits_until_workers_are_idle_and_takes_no_batches() -> None:
    one = puller(Batches(1_000_000))
    assert one.came.wait(10)
    assert one.pause()
    taken = one._batches
    time.sleep(0.1)
    assert one._batches == taken
    one.resume()
    end = time.perf_counter() + 10
    while one._batches == taken and time.perf_counter() < end:
        time.sleep(0.01)
    assert one._batches > taken
    assert one.pause()
    assert one.stop(), "also out of a pause"


def test_a_pause_says_when_workers_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probe, "MOST_TO_PAUSE", 0.3)
    one = puller(Batches(1_000_000))
    assert one.came.wait(10)
    done = threading.Event()

    def compute() -> None:
        while not done.is_set():
            pass

    busy = threading.Thread(target=compute)
    busy.start()
    try:
        assert not one.pause()
    finally:
        done.set()
        busy.join()
    assert one.stop()
