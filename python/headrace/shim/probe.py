"""Measures a program's own training step under other conditions, for `headrace audit --probe`. Only in its sandbox.

What stands here for the iterator of the training loader gives the program batches that are already in memory, and takes
the time from when it hands one over to when the next one is asked for: all of the program's step. Conditions take turns
in short blocks, so that a drift of the machine favours none. A program may count its steps and end after so many: no
more are taken than the audited run had. Each block is one line of JSON:

    {"loader": false, "threads": 2, "batch": 32, "precision": "float32", "steps": [0.0121, ...]}

`loader` is whether the loader ran meanwhile, its batches dropped. The first step of a block does not count. At the end
come {"latency": [...]}, seconds of the model in eval mode for one sample, where it takes one, and {"done": true}; then
the program waits to be killed.
"""

import itertools
import json
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
PARTS = (0.45, 0.35, 0.2)  # of the time and the steps: alone, beside the loader, other batch sizes and precision


class Condition:
    """What one block of steps runs under."""

    def __init__(self, threads: int, batch: int, precision: str = "float32", loader: bool = False) -> None:
        self.threads = threads
        self.batch = batch
        self.precision = precision
        self.loader = loader


class Puller:
    """Keeps a loader busy on a thread of its own, its batches dropped."""

    def __init__(self, loader: Any, iterate: Callable[[Any], Iterator[Any]]) -> None:
        self._loader = loader
        self._iterate = iterate
        self._stop = threading.Event()
        self.began = threading.Event()
        self._thread = threading.Thread(target=self._pull, daemon=True)
        self._thread.start()

    def _pull(self) -> None:
        while not self._stop.is_set():
            for _ in self._iterate(self._loader):
                self.began.set()
                if self._stop.is_set():
                    return

    def stop(self) -> None:
        """Ends it with the batch that is on its way."""
        self._stop.set()
        self._thread.join(10)


def resized(value: Any, old: int, new: int) -> Any:
    """Return a batch of `old` samples with `new` of them: the first ones, or all of them again and again."""
    torch = sys.modules["torch"]
    if isinstance(value, torch.Tensor):
        if value.dim() == 0 or value.shape[0] != old:
            return value
        return torch.cat([value] * -(-new // old))[:new]
    if isinstance(value, dict):
        return {key: resized(one, old, new) for key, one in value.items()}
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return type(value)(*(resized(one, old, new) for one in value))
    if isinstance(value, list | tuple):
        if len(value) == old and not any(isinstance(one, torch.Tensor) for one in value):
            return type(value)((list(value) * -(-new // old))[:new])
        return type(value)(resized(one, old, new) for one in value)
    return value


def has_size(value: Any, size: int) -> bool:
    """Say whether any tensor of a batch has that many rows."""
    torch = sys.modules["torch"]
    if isinstance(value, torch.Tensor):
        return bool(value.dim()) and value.shape[0] == size
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list | tuple) else ()
    return any(has_size(one, size) for one in inner)


def size_of(value: Any) -> int:
    """Return the number of samples of a batch: the length of its first tensor; 0 where it has none."""
    torch = sys.modules["torch"]
    if isinstance(value, torch.Tensor):
        return int(value.shape[0]) if value.dim() else 0
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list | tuple) else ()
    return next((size for size in map(size_of, inner) if size), 0)


class Probe:
    """One probe of the training loader of this process."""

    def __init__(self, loader: Any, iterate: Callable[[Any], Iterator[Any]], fix: dict[str, str]) -> None:
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
        blocks = ROUNDS * (2 * len(self._threads) + 3)
        self._most_in_block = min(MOST_IN_BLOCK, max(2, self._most_given // blocks))
        self._set_threads = self._torch.set_num_threads
        self._steps = 0
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

    def _count(self, *_: Any) -> None:
        self._steps += 1

    def _batches(self) -> Iterator[Any]:
        real = self._iterate(self._loader)
        cached = list(itertools.islice(real, CACHED))
        for batch in itertools.cycle(cached):  # a step may take several
            if self._steps or self._given >= MOST_BEFORE_A_STEP:
                break
            self._given += 1
            yield batch
        if not self._steps or not cached or not size_of(cached[0]):
            self.measures = False  # nothing trains on it: another pass may be the one
            yield from real
            return
        shut = getattr(real, "_shutdown_workers", None)
        if shut is not None:
            shut()
            vars(self._loader)["_iterator"] = None  # of a loader whose workers stay
        del real
        yield from self._measure(cached)
        self._write({"done": True})
        while True:
            time.sleep(1)

    def _measure(self, cached: list[Any]) -> Iterator[Any]:
        size = self._size or size_of(cached[0])
        alone = [Condition(threads, size) for threads in self._threads]
        beside = [Condition(threads, size, loader=True) for threads in self._threads]
        shapes = [Condition(self._now_threads, other) for other in (size // 2, 2 * size) if other]
        if self._half_precision():
            shapes.append(Condition(self._now_threads, size, "bfloat16"))
        yield from self._rounds(alone, cached, PARTS[0])
        if vars(self._loader)["num_workers"] == 0:
            vars(self._loader).update(num_workers=1, prefetch_factor=2)
        puller = Puller(self._loader, self._iterate)
        if puller.began.wait(self._seconds):
            yield from self._rounds(beside, cached, PARTS[1])
        puller.stop()
        if not has_size(cached[0], size):
            return  # what is the batch in it is not known
        yield from self._latency(cached[0], size)
        yield from self._rounds(shapes, cached, PARTS[2])

    def _half_precision(self) -> bool:
        """Say whether this machine computes with bfloat16 faster than with float32: by its own word."""
        torch = self._torch
        if torch.cuda.is_available():
            return bool(torch.cuda.is_bf16_supported())
        fast = getattr(torch.cpu, "_is_avx512_bf16_supported", None)
        return bool(fast is not None and fast())

    def _rounds(self, conditions: list[Condition], cached: list[Any], part: float) -> Iterator[Any]:
        end = time.perf_counter() + part * self._seconds
        most_given = self._given + part * self._most_given
        round_steps = len(conditions) * (self._most_in_block + 1)
        whole_round = False
        while not whole_round or (time.perf_counter() < end and self._given + round_steps <= most_given):
            for condition in conditions:
                if self._given + self._most_in_block + 1 > self._most_given:
                    return
                yield from self._block(condition, cached)
            whole_round = True

    def _block(self, condition: Condition, cached: list[Any]) -> Iterator[Any]:
        size = self._size or size_of(cached[0])
        changed = [batch if condition.batch == size else resized(batch, size, condition.batch) for batch in cached]
        self._set_threads(condition.threads)
        half = condition.precision == "bfloat16"
        device = "cuda" if self._torch.cuda.is_available() else "cpu"
        context = self._torch.autocast(device, dtype=self._torch.bfloat16) if half else None
        seconds: list[float] = []
        begin = self._now()
        for number, batch in enumerate(itertools.cycle(changed)):
            if context is not None:
                context.__enter__()
            before = self._now()
            self._given += 1
            yield batch
            after = self._now()
            if context is not None:
                context.__exit__(None, None, None)
            if number and not self._resumed:  # what came between two passes is no step
                seconds.append(after - before)
            self._resumed = False
            enough = len(seconds) >= 2 and after - begin > BLOCK_SECONDS
            if enough or len(seconds) >= self._most_in_block:
                break
        self._set_threads(self._now_threads)
        block = {"loader": condition.loader, "threads": condition.threads, "batch": condition.batch}
        self._write(block | {"precision": condition.precision, "steps": seconds})

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
        module, args, kwargs = max(calls, key=lambda one: sum(p.numel() for p in one[0].parameters()))
        args, kwargs = resized(args, size, 1), resized(kwargs, size, 1)
        training = module.training
        try:
            module.eval()
            with self._torch.no_grad():
                self._write({"latency": [self._timed(module, args, kwargs) for _ in range(33)][3:]})
        except Exception as error:  # not every model takes one sample
            self._write({"latency": [], "why": str(error)[:200]})
        finally:
            module.train(training)

    def _timed(self, module: Any, args: Any, kwargs: Any) -> float:
        before = self._now()
        module(*args, **kwargs)
        return self._now() - before

    def _write(self, line: dict[str, Any]) -> None:
        with open(self._path, "a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")
