"""Measures a program's own training step under other conditions, for `headrace audit --probe`. Only in its sandbox.

What stands here for the iterator of the training loader gives the program batches that are already in memory, and takes
the time from when it hands one over to when the next one is asked for: all of the program's step. Conditions take turns
in short blocks, so that a drift of the machine favours none. A program may count its steps and end after so many: no
more are taken than the audited run had. Each block is one line of JSON:

    {"loader": false, "threads": 2, "batch": 32, "precision": "float32", "channels_last": false, "steps": [0.0121, ...],
     "cpu": [0.0119, ...], "host_peak": 120000000}

`loader` is whether the loader ran meanwhile, its batches dropped; `cpu` what each step took of the training thread's
CPU time; `channels_last` whether the model's convolutions were brought into that memory format; `host_peak` and
`device_peak` are the most bytes in use, where that could be measured. The first step of a block does not count. At the
end come {"latency": [...], "parameters": 100, "bytes": 400}, seconds of the model in eval mode for one sample, where it
takes one, with its size, and {"done": true}; then the program waits to be killed. Of a loader without workers there is
also {"worker_cpu": 0.02}: CPU seconds for a batch of a worker that it was given, beside the steps.
"""

import importlib
import itertools
import json
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

CACHED = 4  # batches
BLOCK_SECONDS = 0.2
MOST_IN_BLOCK = 64
MOST_BEFORE_A_STEP = 256  # batches, of a program that accumulates gradients
ROUNDS = 3  # of blocks, for which the steps are to be enough
FEWEST_BATCHES = 8  # of a worker beside the steps, to tell what one costs it
LOOK_SECONDS = 0.03  # apart, at workers that are to be idle
IDLE_CPU = 1e-3  # seconds, of all of them from look to look
MOST_TO_PAUSE = 1.0  # seconds
PARTS = (0.25, 0.4, 0.35)  # of the time and the steps: alone, beside the loader, other batches and ways to compute


class Condition:
    """What one block of steps runs under."""

    def __init__(
        self,
        threads: int,
        batch: int,
        precision: str = "float32",
        loader: bool = False,
        channels_last: "Any" = None,  # what brings the model into that format
    ) -> None:
        self.threads = threads
        self.batch = batch
        self.precision = precision
        self.loader = loader
        self.channels_last = channels_last

    def line(self) -> dict[str, Any]:
        """How it is written."""
        return {
            "loader": self.loader,
            "threads": self.threads,
            "batch": self.batch,
            "precision": self.precision,
            "channels_last": self.channels_last is not None,
        }


class Puller:
    """Keeps a loader busy on a thread of its own, its batches dropped; pauses so that the program is alone."""

    def __init__(self, loader: Any, iterate: Callable[[Any], Iterator[Any]]) -> None:
        self._loader = loader
        self._iterate = iterate
        self._stop = threading.Event()
        self._go = threading.Event()
        self._go.set()
        self._last: tuple[list[int], float] = ([], 0.0)  # the workers, and what they had used when a batch arrived
        self._used = 0.0  # by workers from one's arrival to another's
        self._batches = 0  # that came in between
        self.came = threading.Event()  # a batch, or the end
        self.works = False
        self._thread = threading.Thread(target=self._pull, daemon=True)
        self._thread.start()

    def _pull(self) -> None:
        try:
            while not self._stop.is_set():
                iterator = self._iterate(self._loader)
                for _ in iterator:
                    self._take(iterator)
                    self._go.wait()
                    if self._stop.is_set():
                        return
                if not self.works:
                    return
        except Exception:  # data that know their thread, or the worker that they are in
            self.works = False
        finally:
            self.came.set()

    def _take(self, iterator: Any) -> None:
        workers = [one.pid for one in getattr(iterator, "_workers", ())]
        now = (workers, sum(map(cpu_of, workers)))
        if self._last[0] == workers and now[1] >= self._last[1]:  # nan, where one of them cannot be read, is not
            self._used += now[1] - self._last[1]
            self._batches += 1
        self._last = now
        self.works = True
        self.came.set()

    def cpu_of_a_batch(self) -> float | None:
        """CPU seconds of the workers for a batch, from one's arrival to another's; None where that is not known."""
        known = self._batches >= FEWEST_BATCHES and self._used > 0
        return self._used / self._batches if known else None

    def pause(self) -> bool:
        """Take no more batches, until the workers have filled their queues; whether they did in a second."""
        self._go.clear()
        end = time.perf_counter() + MOST_TO_PAUSE
        used = -1.0
        while time.perf_counter() < end:
            now = sum(map(cpu_of, self._last[0]))
            if now - used < IDLE_CPU:  # nan, where one of them cannot be read, is not
                return True
            used = now
            time.sleep(LOOK_SECONDS)
        return False

    def resume(self) -> None:
        """Go on after a pause."""
        self._go.set()

    def stop(self) -> bool:
        """Ends it with the batch that is on its way; whether it did."""
        self._stop.set()
        self._go.set()
        self._thread.join(10)
        return not self._thread.is_alive()


def cpu_of(process: int) -> float:
    """CPU seconds of all threads of a process that lives; nan where they cannot be read."""
    seconds = 0.0
    try:
        for thread in os.listdir(f"/proc/{process}/task"):
            with open(f"/proc/{process}/task/{thread}/schedstat", encoding="ascii") as file:
                seconds += int(file.read().split()[0]) * 1e-9
    except (OSError, ValueError, IndexError):
        return float("nan")
    return seconds


class Probe:
    """One probe of the training loader of this process."""

    def __init__(
        self,
        loader: Any,
        iterate: Callable[[Any], Iterator[Any]],
        fix: dict[str, str],
        autocast: Any,
        tools: Any,
        sight: Any,
        startup: dict[str, Any] | None,
    ) -> None:
        self._startup = startup
        self._sight = sight
        self._autocast = autocast
        self._tools = tools  # probe_conditions.py
        self._peaks = tools.Peaks()
        self._models: list[Any] = []  # that the loop calls, largest first
        self._optimizers: list[Any] = []
        self._size = int(fix["probe_batch"])  # 0: that of the first tensor
        self._resumed = False
        self._torch = sys.modules["torch"]
        self._loader = loader
        self._iterate = iterate
        self._path = fix["probe"]
        self._seconds = float(fix["probe_seconds"])
        self._given = 0  # batches
        self._most_given = int(fix["probe_steps"]) - CACHED - 1
        self._now_threads = self._torch.get_num_threads()
        wanted = [int(one) for one in fix["probe_threads"].split(",") if one]
        self._threads = [self._now_threads, *(one for one in wanted if one != self._now_threads)]
        blocks = ROUNDS * (3 * len(self._threads) + 7)
        self._most_in_block = min(MOST_IN_BLOCK, max(2, self._most_given // blocks))
        self._set_threads = self._torch.set_num_threads
        self._steps = 0
        self._puller: Puller | None = None
        self.measures = True
        self._count_steps()
        self._given_batches = self._batches()

    def batches(self) -> Iterator[Any]:
        """Give the program its batches. A pass that it leaves early goes on with the next one."""
        self._resumed = True
        return self

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        return next(self._given_batches)

    def _count_steps(self) -> None:
        hooks = getattr(sys.modules.get("torch.optim.optimizer"), "_global_optimizer_post_hooks", None)
        if hooks is None:
            self._steps = 1  # this torch does not tell
        else:
            hooks[-3] = self._count

    def _count(self, optimizer: Any, *_: Any) -> None:
        self._steps += 1
        if not any(one is optimizer for one in self._optimizers):
            self._optimizers.append(optimizer)

    def _batches(self) -> Iterator[Any]:
        self._write({"startup": self._startup})
        self._look_at_pickle()
        real = self._iterate(self._loader)
        cached = list(itertools.islice(real, CACHED))
        for batch in itertools.cycle(cached):  # a step may take several
            if self._steps or self._given >= MOST_BEFORE_A_STEP:
                break
            self._given += 1
            yield batch
        if not self._steps or not cached or not self._tools.size_of(cached[0]):
            self.measures = False  # nothing trains on it: another pass may be the one
            yield from real
            return
        shut = getattr(real, "_shutdown_workers", None)
        if shut is not None:
            shut()
            vars(self._loader)["_iterator"] = None  # of a loader whose workers stay
        del real
        yield from self._measure(cached)
        self._look_at_pictures()
        self._write({"done": True})
        while True:
            time.sleep(1)

    def _measure(self, cached: list[Any]) -> Iterator[Any]:
        size = self._size or self._tools.size_of(cached[0])
        alone = [Condition(threads, size) for threads in self._threads]
        beside = [Condition(threads, size, loader=loader) for threads in self._threads for loader in (False, True)]
        yield from self._rounds(alone, cached, PARTS[0])
        without = vars(self._loader)["num_workers"] == 0
        if without:
            vars(self._loader).update(num_workers=1, prefetch_factor=2)
        puller = Puller(self._loader, self._iterate)
        puller.came.wait(self._seconds)
        if puller.works:
            self._puller = puller
            yield from self._rounds(beside, cached, PARTS[1])
            self._puller = None
        if not puller.stop():
            return  # it would go on beside all that follows
        if without and puller.works:
            used = puller.cpu_of_a_batch()
            if used is not None:
                self._write({"worker_cpu": used})
        if not self._tools.has_size(cached[0], size):
            return  # what is the batch in it is not known
        yield from self._latency(cached[0], size)
        groups = self._groups(size)
        for group in groups:
            yield from self._rounds(group, cached, PARTS[2] / len(groups))

    def _look_at_pickle(self) -> None:
        """Take the time of what each worker that is not forked costs the program first: its dataset, pickled."""
        context = self._loader.multiprocessing_context or sys.modules["torch"].multiprocessing
        if not self._loader.num_workers or context.get_start_method() == "fork":
            return
        pickler = importlib.import_module("multiprocessing.reduction").ForkingPickler
        begin = time.perf_counter()
        try:
            size = len(pickler.dumps(self._loader.dataset))
        except Exception as error:  # the loader will say so itself
            self._write({"why": str(error)[:200]})
        else:
            self._write({"pickled": {"bytes": size, "seconds": time.perf_counter() - begin}})

    def _look_at_pictures(self) -> None:
        try:
            found = self._sight.compare(self._path)
        except Exception as error:  # a file that has gone, a picture that is damaged
            self._write({"why": str(error)[:200]})
        else:
            if found is not None:
                self._write({"decoding": found})

    def _groups(self, size: int) -> list[list[Condition]]:
        """Other batches and ways to compute, each beside the program as it is once more: a machine has its moods.

        One after the other: many a program takes another batch and fails under autocast or in channels_last.
        """
        threads = self._now_threads
        own = Condition(threads, size)
        groups = [[own, *(Condition(threads, batch) for batch in (size // 2, 2 * size) if batch)]]
        weight = next((weight for model in self._models for weight in model.parameters()), None)
        if weight is not None and self._tools.half_is_fast(self._torch, weight.device.type, self._tools.cpu_flags()):
            groups.append([own, Condition(threads, size, "bfloat16")])
        channels_last = self._tools.ChannelsLast(self._models, self._optimizers)
        if channels_last.applies():
            groups.append([own, Condition(threads, size, channels_last=channels_last)])
        return groups

    def _rounds(self, conditions: list[Condition], cached: list[Any], part: float) -> Iterator[Any]:
        end = time.perf_counter() + part * self._seconds
        most_given = self._given + part * self._most_given
        round_steps = len(conditions) * (self._most_in_block + 1)
        whole_round = False
        while not whole_round or (time.perf_counter() < end and self._given + round_steps <= most_given):
            for condition in conditions:
                if self._given + self._most_in_block + 1 > self._most_given:
                    return
                if self._loader_is(condition.loader):
                    yield from self._block(condition, cached)
            whole_round = True

    def _loader_is(self, running: bool) -> bool:
        if self._puller is None:
            return True
        if not running:
            return self._puller.pause()
        self._puller.resume()
        return True

    def _block(self, condition: Condition, cached: list[Any]) -> Iterator[Any]:
        tools = self._tools
        size = self._size or tools.size_of(cached[0])
        changed = [
            batch if condition.batch == size else tools.resized(batch, size, condition.batch) for batch in cached
        ]
        self._begin(condition)
        seconds: list[float] = []
        cpu: list[float] = []
        begin = self._now()
        for number, batch in enumerate(itertools.cycle(changed)):
            before, before_cpu = self._now(), time.thread_time()
            self._given += 1
            yield batch
            after_cpu, after = time.thread_time(), self._now()
            if number and not self._resumed:  # what came between two passes is no step
                seconds.append(after - before)
                cpu.append(after_cpu - before_cpu)
            self._resumed = False
            enough = len(seconds) >= 2 and after - begin > BLOCK_SECONDS
            if enough or len(seconds) >= self._most_in_block:
                break
        peaks = self._peaks.line()
        self._end(condition)
        self._write(condition.line() | {"steps": seconds, "cpu": cpu} | peaks)

    def _begin(self, condition: Condition) -> None:
        self._set_threads(condition.threads)
        self._autocast.active = condition.precision == "bfloat16"
        if condition.channels_last is not None:
            condition.channels_last.begin()
        self._peaks.begin()

    def _end(self, condition: Condition) -> None:
        if condition.channels_last is not None:
            condition.channels_last.end()
        self._autocast.active = False
        self._autocast.leave()
        self._set_threads(self._now_threads)

    def _now(self) -> float:
        if self._torch.cuda.is_available() and self._torch.cuda.is_initialized():
            self._torch.cuda.synchronize()
        return time.perf_counter()

    def _latency(self, batch: Any, size: int) -> Iterator[Any]:
        """Take the time of the largest outermost module's call for one sample, with what the program calls it with."""
        module_type = self._torch.nn.Module
        own = vars(module_type)["__call__"]
        calls: list[tuple[Any, tuple[Any, ...], dict[str, Any]]] = []
        depth = 0

        def call(module: Any, *args: Any, **kwargs: Any) -> Any:
            nonlocal depth
            if depth == 0:
                calls.append((module, args, kwargs))
            depth += 1
            try:
                return own(module, *args, **kwargs)
            finally:
                depth -= 1

        module_type.__call__ = call
        self._given += 1
        yield batch
        module_type.__call__ = own
        if not calls:
            return
        # A loop may call augmentations and losses that are modules, too.
        calls.sort(key=lambda one: -sum(p.numel() for p in one[0].parameters()))
        for called, _, _ in calls:
            if not any(one is called for one in self._models):
                self._models.append(called)
        module, args, kwargs = calls[0]
        args, kwargs = self._tools.resized(args, size, 1), self._tools.resized(kwargs, size, 1)
        tensors = [*module.parameters(), *module.buffers()]
        sizes = {
            "parameters": sum(p.numel() for p in module.parameters()),
            "bytes": sum(t.numel() * t.element_size() for t in tensors),
        }
        modes = [(one, one.training) for one in module.modules()]
        try:
            module.eval()
            with self._torch.no_grad():
                self._write({"latency": [self._timed(module, args, kwargs) for _ in range(33)][3:]} | sizes)
        except Exception as error:  # not every model takes one sample
            self._write({"latency": [], "why": str(error)[:200]} | sizes)
        finally:
            for one, training in modes:  # a frozen part may be in eval mode while the rest trains
                one.training = training

    def _timed(self, module: Any, args: Any, kwargs: Any) -> float:
        before = self._now()
        module(*args, **kwargs)
        return self._now() - before

    def _write(self, line: dict[str, Any]) -> None:
        with open(self._path, "a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")
