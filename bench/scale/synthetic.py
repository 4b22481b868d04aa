"""A made-up run whose parent was killed: a valid spool of any length, and the ledger that it must give.

The spool follows docs/formats/spool.md. All times are whole nanoseconds that follow from the number of the step alone,
so the truth is exact.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sqlite3
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Times = NDArray[np.int64]

HEADER_BYTES = 4096
MAGIC = b"HRSPOOL1"
WAIT, ITER, LOADER, WORKER, RECEIVE, FETCH, FETCH_SAMPLES, FETCH_IO, COLLATE, SAMPLE, PUT, SEND, CPU = range(4, 17)
TEXT, INTERPRETER, FORWARD, BACKWARD, OPTIMIZER, CHECKPOINT, LOGGING, TRAIN_MODE = 1, 2, 17, 18, 19, 20, 21, 22
TEARDOWN, MEMORY, RESUME, WORKER_BEGIN, THREAD_CPU, PROCESS_CPU = 27, 29, 30, 31, 37, 38
LOADER_CONFIG, FRAMEWORK = 3, 4
WAIT_ENDED = 2**64 - 1
RECORD = np.dtype([("start", "<u8"), ("duration_kind", "<u8"), ("a", "<u8"), ("b", "<u8")])

MS = 1_000_000  # nanoseconds
BATCH = 16
DEVICE_BYTES = 0  # it computes on the host: of steps that do not wait for their device nothing would be predicted
HOOKS, SELF_NS, CALL_NS, SHIM_NS = 1000, 2 * MS, 100, 5 * MS  # of every process
READ_BYTES, STORAGE_BYTES = 1_600_000, 800_000  # of each batch
ITERATOR, TRAIN_LOADER = 77, 7
EVAL_ITERATOR, EVAL_LOADER = 88, 8
LOGGED_EVERY, SAVED_EVERY = 50, 1000
SLOW_EVERY = 100  # every so many steps the forward takes long
EVALUATED_BATCHES = 3


@dataclass(frozen=True)
class Shape:
    """How large the run is."""

    steps: int
    workers: int  # 0: the training thread makes its batches, and so the replay can make the run again
    epoch: int = 5000  # steps; an evaluation follows each


def records(kind: int, start: Any, duration: Any = 0, a: Any = 0, b: Any = 0) -> NDArray[Any]:
    """Records of one kind; each argument is one number or one for each record."""
    count = np.size(start)
    out = np.zeros(count, RECORD)
    out["start"] = start
    out["duration_kind"] = (np.broadcast_to(duration, count).astype(np.uint64) << np.uint64(8)) | np.uint64(kind)
    out["a"], out["b"] = a, b
    return out


def text(kind: int, content: str, at: int) -> NDArray[Any]:
    """A text record with its bytes."""
    payload = content.encode()
    head = records(TEXT, [at], 0, len(payload), kind)
    return np.concatenate([head, np.frombuffer(payload + bytes(-len(payload) % 32), RECORD)])


def by_end(*parts: NDArray[Any]) -> NDArray[Any]:
    """All records in the order in which their intervals ended, as a spool has them; inner before outer."""
    joined = np.concatenate(parts)
    ends = joined["start"] + (joined["duration_kind"] >> np.uint64(8))
    return joined[np.argsort(ends, kind="stable")]


def header(pid: int, parent: int, began: int) -> bytes:
    """The header of a file of the main thread of a process."""
    out = bytearray(HEADER_BYTES)
    out[:8] = MAGIC
    out[8:24] = np.array([1, pid, parent, pid], "<u4").tobytes()
    out[24:40] = np.array([began, began], "<u8").tobytes()
    out[40:48] = np.array([1, 0], "<u4").tobytes()
    out[48:88] = np.array([0, HOOKS, SELF_NS, 0, CALL_NS], "<u8").tobytes()
    return bytes(out)


class Program:
    """The times of the made-up program. Arrays have one number for each step unless they say otherwise."""

    def __init__(self, shape: Shape, began: int) -> None:
        self.shape, self.began = shape, began
        number = np.arange(shape.steps, dtype=np.int64)
        first = number % shape.epoch == 0
        self.epochs = int(first.sum())
        least = (1 if shape.workers else 5) * MS  # without workers one is to be worth what a batch of it costs more
        self.wait = least + (number * 7919 % 1000) * 1000
        self.after_wait = np.full(shape.steps, 20_000, np.int64)
        self.forward = np.where(number % SLOW_EVERY == SLOW_EVERY - 1, 9 * MS, 2 * MS) + number % 97 * 1000
        self.backward = np.full(shape.steps, 3 * MS, np.int64)
        self.optimizer = np.full(shape.steps, 500_000, np.int64)
        self.logging = np.where(number % LOGGED_EVERY == LOGGED_EVERY - 1, 300_000, 0)
        self.saving = np.where(number % SAVED_EVERY == SAVED_EVERY - 1, 20 * MS, 0)
        self.rest = np.full(shape.steps, 30_000, np.int64)  # of the loop's own Python
        last = np.append(first[1:], True)
        self.last = last
        self.iter = np.where(first, 5 * MS, 0)  # __iter__ of the epoch, at its begin
        self.ending = np.where(last, 100_000, 0)  # the request that finds the epoch over
        # After it: eval(), batches of 1 ms wait and 2 ms forward, the request that finds them over, train().
        self.evaluation = np.where(last, 50_000 + EVALUATED_BATCHES * 3 * MS + 60_000, 0)
        parts = [self.iter, self.wait, self.after_wait, self.forward, self.backward, self.optimizer, self.logging]
        parts += [self.saving, self.rest, self.ending, self.evaluation]
        length = np.sum(parts, axis=0)
        self.setup = 300 * MS
        begin = began + self.setup + np.cumsum(length) - length
        self.iter_at = begin
        self.wait_at = self.iter_at + self.iter
        self.forward_at = self.wait_at + self.wait + self.after_wait
        self.backward_at = self.forward_at + self.forward
        self.optimizer_at = self.backward_at + self.backward
        self.step_end = self.optimizer_at + self.optimizer
        self.logging_at = self.step_end
        self.saving_at = self.logging_at + self.logging
        self.ending_at = self.saving_at + self.saving + self.rest
        self.evaluation_at = self.ending_at + self.ending
        self.end = int(begin[-1] + length[-1]) + 10 * MS
        # Each batch: the fetch begins in the first quarter of its wait; then samples, collate, transport.
        self.batch = number % shape.epoch + 1
        self.worker = (self.batch - 1) % max(shape.workers, 1)
        self.fetch_at = self.wait_at + self.wait // 4
        self.fetch = self.wait // 2
        if shape.workers == 0:
            self.fetch_at, self.fetch = self.wait_at + 1000, self.wait - 2000
        self.collate = self.fetch // 5
        self.fetch_cpu = self.fetch * 3 // 5  # collate included
        self.collate_cpu = self.collate

    def looks(self) -> list[NDArray[Any]]:
        """What the training thread used before and after each wait: all the time that it did not wait."""
        waits = self.wait if self.shape.workers else self.wait - self.fetch_cpu
        waited = np.cumsum(waits)
        before, after = self.wait_at - 300, self.wait_at + self.wait + 300
        used_before = before - self.began - (waited - waits)
        used_after = after - self.began - waited
        return [
            look
            for at, used in ((before, used_before), (after, used_after))
            for look in (records(THREAD_CPU, at, 0, used), records(PROCESS_CPU, at, 0, used))
        ]

    def trainer(self, pid: int, first_worker: int) -> NDArray[Any]:
        """What the training thread recorded."""
        s = self.shape
        config: dict[str, Any] = {"batch_size": BATCH, "workers": s.workers, "prefetch_factor": None}
        if s.workers:
            config |= {"prefetch_factor": 2, "persistent": True, "method": "fork"}
        prologue = np.concatenate(
            [
                records(INTERPRETER, [self.began + 20 * MS], 0, SHIM_NS),
                text(FRAMEWORK, "torch 2.13.0", self.began + 200 * MS),
            ]
        )
        begins = self.iter > 0
        starts = np.repeat(self.wait_at[begins] - 1000, s.workers)
        workers = np.tile(np.arange(s.workers, dtype=np.uint64), self.epochs)
        logs, saves, last = self.logging > 0, self.saving > 0, self.last
        evaluated = self.evaluation_at[last]
        received = [
            records(WORKER, starts, 0, ITERATOR, (workers << np.uint64(32)) | (workers + np.uint64(first_worker))),
            records(RECEIVE, self.wait_at, self.wait - 10_000, ITERATOR, self.batch),
        ]
        parts = [
            *(received if s.workers else []),
            records(ITER, self.iter_at[begins], self.iter[begins], TRAIN_LOADER, ITERATOR),
            records(WAIT, self.wait_at, self.wait, ITERATOR, self.batch),
            *self.looks(),
            records(FORWARD, self.forward_at, self.forward, 1),
            records(BACKWARD, self.backward_at, self.backward),
            records(OPTIMIZER, self.optimizer_at, self.optimizer, 2),
            records(LOGGING, self.logging_at[logs], self.logging[logs]),
            records(CHECKPOINT, self.saving_at[saves], self.saving[saves]),
            records(WAIT, self.ending_at[last], self.ending[last], ITERATOR, WAIT_ENDED),
            records(TRAIN_MODE, evaluated, 0, 1, 0),
            records(ITER, evaluated + 10_000, 40_000, EVAL_LOADER, EVAL_ITERATOR),
            records(TRAIN_MODE, evaluated + self.evaluation[last] - 1, 0, 1, 1),
            records(TEARDOWN, [self.end - 10 * MS]),
            records(MEMORY, [self.end], 0, DEVICE_BYTES),
        ]
        for batch in range(EVALUATED_BATCHES):
            at = evaluated + 50_000 + batch * 3 * MS
            parts += [records(WAIT, at, 1 * MS, EVAL_ITERATOR, 0), records(FORWARD, at + 1 * MS, 2 * MS, 1)]
        over = evaluated + 50_000 + EVALUATED_BATCHES * 3 * MS
        parts.append(records(WAIT, over, 50_000, EVAL_ITERATOR, WAIT_ENDED))
        line = json.dumps(config, separators=(",", ":"))
        joined = by_end(*parts)
        iterated = np.flatnonzero((joined["duration_kind"] & np.uint64(255) == ITER) & (joined["a"] == TRAIN_LOADER))
        described = [
            np.concatenate([records(LOADER, [at], 0, TRAIN_LOADER, BATCH), text(LOADER_CONFIG, line, at)])
            for at in (self.iter_at + self.iter)[begins]
        ]
        places = np.repeat(iterated + 1, [len(block) for block in described])
        joined = np.insert(joined, places, np.concatenate(described))
        if s.workers == 0:  # each fetch right before the end of its wait
            waits = np.flatnonzero((joined["duration_kind"] & np.uint64(255) == WAIT) & (joined["a"] == ITERATOR))
            waits = waits[joined["b"][waits] != np.uint64(WAIT_ENDED)]
            joined = np.insert(joined, np.repeat(waits, 6), self.fetched(np.ones(s.steps, bool)))
        return np.concatenate([prologue, joined])

    def fetched(self, mine: NDArray[np.bool_]) -> NDArray[Any]:
        """The six records of the fetch of each of these batches."""
        at, fetch, collate = self.fetch_at[mine], self.fetch[mine], self.collate[mine]
        samples = fetch - collate
        parts = [
            records(COLLATE, at + samples, collate, self.collate_cpu[mine], 0),
            records(FETCH, at, fetch, self.fetch_cpu[mine], BATCH),
            records(FETCH_SAMPLES, at, samples, self.fetch_cpu[mine] - self.collate_cpu[mine], 0),
            records(FETCH_IO, at + fetch, 0, READ_BYTES, STORAGE_BYTES),
            records(CPU, at + fetch, 0, 3 * (self.fetch_cpu[mine] // 4), self.fetch_cpu[mine] // 4),
            records(SAMPLE, at + 1000, 100_000, 50_000, 0),
        ]
        return np.stack(parts, axis=1).ravel()  # as it was recorded: the additions follow their fetch

    def worker_process(self, number: int) -> NDArray[Any]:
        """What one worker recorded: its batches, eight records in each of them, and a moment at each later epoch."""
        mine = self.worker == number
        at, fetch = self.fetch_at[mine], self.fetch[mine]
        sent = [
            records(PUT, at + fetch, 0, 0, self.batch[mine]),
            records(SEND, at + fetch + 1000, 50_000, 600_000, 0),
        ]
        parts = [*self.fetched(mine).reshape(-1, 6).T, *sent]
        joined = np.stack(parts, axis=1).ravel()
        begin = records(WORKER_BEGIN, [self.began + self.setup + 1 * MS], 0, number, self.shape.workers)
        epochs = records(RESUME, self.iter_at[self.iter > 0][1:])
        places = np.searchsorted(at, epochs["start"].astype(np.int64)) * len(parts)
        return np.concatenate([begin, np.insert(joined, places, epochs)])

    def ledger(self) -> dict[str, float]:
        """The seconds of each entry."""
        first_batch = int(self.wait_at[0] + self.wait[0])
        looped = slice(1, None)
        host = self.after_wait[looped].sum() + self.rest.sum() - self.rest[-1]
        nanoseconds = {
            "startup.launch": 20 * MS,
            "startup.imports": 0,
            "startup.setup": self.setup - 20 * MS,
            "startup.workers": first_batch - int(self.iter_at[0]),
            "startup.first_step": int(self.step_end[0]) - first_batch,
            "input.wait": self.iter[looped].sum() + self.wait[looped].sum() + self.ending.sum(),
            "transfer": 0,
            "compute.forward": self.forward[looped].sum(),
            "compute.backward": self.backward[looped].sum(),
            "compute.optimizer": self.optimizer[looped].sum(),
            "compute.device_wait": 0,
            "sync": 0,
            "host": host + self.rest[-1] + (self.epochs - 1),
            "evaluation": self.evaluation.sum() - self.epochs,
            "checkpoint": self.saving.sum(),
            "logging": self.logging.sum(),
            "teardown": 10 * MS + 1,
            "unattributed": 0,
        }
        return {name: float(value) * 1e-9 for name, value in nanoseconds.items()}

    def per_sample(self) -> dict[str, float]:
        """The means over all samples."""
        samples = BATCH * self.shape.steps
        wall = float((self.fetch - self.collate).sum()) * 1e-9 / samples
        cpu = float((self.fetch_cpu - self.collate_cpu).sum()) * 1e-9 / samples
        return {
            "wall_seconds": wall,
            "cpu_seconds": cpu,
            "run_queue_seconds": 0.0,
            "blocked_seconds": wall - cpu,
            "bytes_requested": READ_BYTES / BATCH,
            "bytes_from_storage": STORAGE_BYTES / BATCH,
        }

    def step_seconds(self) -> NDArray[np.float64]:
        """How long each step after the first took, without evaluation, checkpoint and logging."""
        out = self.logging + self.saving + np.where(self.last, self.evaluation - 1, 0)
        return np.asarray((np.diff(self.step_end) - out[:-1]) * 1e-9)

    def stages(self) -> dict[str, float]:
        """Where the waits of the loop went, in seconds."""
        looped = slice(1, None)
        samples = (self.fetch - self.collate)[looped]
        cpu = (self.fetch_cpu - self.collate_cpu)[looped]
        whole = self.fetch_cpu
        system = (whole // 4).sum() / ((whole // 4).sum() + (3 * (whole // 4)).sum())
        before = (self.fetch_at - self.wait_at)[looped]
        after = self.wait[looped] - before - self.fetch[looped]
        begun, ended = self.iter[looped].sum(), self.ending.sum()
        # What comes before a fetch is its worker's, where there is one.
        alone = self.shape.workers == 0
        nanoseconds = {
            "storage": (samples - cpu).sum(),
            "read": cpu.sum() * system,
            "decode": cpu.sum() * (1 - system),
            "collate": self.collate[looped].sum(),
            "transport": after.sum() + (before.sum() + ended if alone else 0),
            "workers": begun + (0 if alone else before.sum() + ended),
        }
        return {name: float(value) * 1e-9 for name, value in nanoseconds.items()}


def abandoned_run(headrace: Path, home: Path) -> tuple[Path, int, int]:
    """A run whose recording headrace was killed, with its program: folder, pid of the program, its start in ns."""
    environment = {k: v for k, v in os.environ.items() if k not in ("HEADRACE_DIR", "PYTHONPATH")}
    parent = subprocess.Popen([headrace, "audit", "--quiet", "--dir", home, "--", "sleep", "1000"], env=environment)
    deadline = time.monotonic() + 30
    child, began = 0, 0
    while child == 0:
        if time.monotonic() > deadline or parent.poll() is not None:
            parent.kill()
            raise RuntimeError("the program that stands for the audited one did not start")
        time.sleep(0.01)
        for database in home.glob("runs/*/run.db"):
            child, began = known_of(database)
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    os.kill(child, signal.SIGKILL)
    return next(home.glob("runs/*/run.db")).parent, child, began


def known_of(database: Path) -> tuple[int, int]:
    """What run.db says of the program while it is recorded: its pid, 0 until it was started, and its start in ns."""
    with contextlib.closing(sqlite3.connect(f"file:{database}?mode=ro&immutable=1", uri=True)) as connection:
        meta = dict(connection.execute("SELECT key, value FROM meta"))
    return int(meta["child_pid"]), int(meta["started_ns"])


def write_run(headrace: Path, home: Path, shape: Shape) -> tuple[Path, Program]:
    """Makes the run in an empty `home`: the folder, and the program that it is of."""
    folder, pid, began = abandoned_run(headrace, home)
    made = Program(shape, began)
    spool = folder / "spool"
    for old in spool.glob("*.spool"):
        old.unlink()
    first_worker = 2**22 + 1  # above every pid of a running system
    write_file(spool / f"{pid}-{pid}-0.spool", header(pid, 1, began), made.trainer(pid, first_worker))
    for number in range(shape.workers):
        worker = first_worker + number
        head = header(worker, pid, int(made.iter_at[0]))
        write_file(spool / f"{worker}-{worker}-0.spool", head, made.worker_process(number))
    return folder, made


def write_file(path: Path, head: bytes, content: NDArray[Any]) -> None:
    """One spool file, with the space behind the records that is reserved and not written."""
    with path.open("wb") as file:
        file.write(head)
        file.write(content.tobytes())
        file.write(bytes(256 * 1024 - file.tell() % (256 * 1024)))
