"""A training program whose time is known by construction: every cost is an argument.

The loop is the plain one that most users write. Beside it the program measures itself (stopwatch.py) and leaves the
raw records in the folder --truth, when one is given. What it prints depends on the arguments alone.
"""

import time

BEGAN = time.perf_counter()

import argparse
import hashlib
import logging
import random
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch._dynamo  # torch.optim imports it at its first use; here, so that all import time is in one place
import torch.nn.functional as F
from torch import nn
from torch.utils.data import DataLoader, Dataset

import heavy_library  # noqa: F401
import work
from stopwatch import FetchLog, Stopwatch

IMPORTED = time.perf_counter()
CLASSES = 10
Sample = tuple[torch.Tensor, int]


def arguments() -> argparse.Namespace:
    """The costs, all in milliseconds and mebibytes, and the shape of the training."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--truth", type=Path, help="folder for the program's own measurements")
    parser.add_argument("--samples", type=int, default=512)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--shuffle", action="store_true")
    loader = parser.add_argument_group("loader")
    loader.add_argument("--workers", type=int, default=0)
    loader.add_argument("--method", choices=["fork", "spawn", "forkserver"], default="fork")
    loader.add_argument("--persistent", action="store_true")
    loader.add_argument("--sleep-ms", type=float, default=0, help="storage: sleep in each sample")
    loader.add_argument("--decode-ms", type=float, default=0, help="decode: CPU in each sample")
    loader.add_argument("--read-mb", type=float, default=0, help="read: system CPU in each sample")
    loader.add_argument("--collate-ms", type=float, default=0, help="CPU in each collation")
    loader.add_argument("--batch-mb", type=float, default=0, help="ballast in each batch")
    loader.add_argument("--ballast", choices=["tensor", "numpy"], default="tensor")
    loop = parser.add_argument_group("loop")
    loop.add_argument("--features", type=int, default=64)
    loop.add_argument("--width", type=int, default=64)
    loop.add_argument("--layers", type=int, default=1)
    loop.add_argument("--criterion", choices=["functional", "module"], default="functional")
    loop.add_argument("--optimizer", choices=["sgd", "adam"], default="sgd")
    loop.add_argument("--host-ms", type=float, default=0, help="CPU in each step, outside torch")
    loop.add_argument("--setup-ms", type=float, default=0)
    loop.add_argument("--evaluate", type=int, default=0, help="samples of each epoch's evaluation")
    loop.add_argument("--evaluate-sleep-ms", type=float, default=0)
    loop.add_argument("--evaluate-workers", type=int, default=0)
    loop.add_argument("--evaluate-persistent", action="store_true")
    loop.add_argument("--make-anew", action="store_true", help="a new training loader for each epoch")
    loop.add_argument("--no-eval-mode", action="store_true", help="evaluate without eval() and train()")
    loop.add_argument("--save-mb", type=float, default=0)
    loop.add_argument("--save-every", type=int, default=0, help="steps; 0: at the end of each epoch")
    loop.add_argument("--log-ms", type=float, default=0, help="the log handler sleeps")
    loop.add_argument("--print-ms", type=float, default=0, help="print goes to a slow stream")
    loop.add_argument("--log-every", type=int, default=10)
    return parser.parse_args()


class Samples(Dataset[Sample]):
    """Random features; the label is the sample's number, so that the order of samples can be followed."""

    def __init__(self, options: argparse.Namespace, log: FetchLog | None) -> None:
        self.options = options
        self.log = log
        self.features = torch.randn(256, options.features, generator=torch.Generator().manual_seed(7))

    def __len__(self) -> int:
        return int(self.options.samples)

    def fetch(self, index: int) -> Sample:
        return self.features[index % 256], index

    def __getitem__(self, index: int) -> Sample:
        options, log = self.options, self.log
        if log is None:
            self.spend()
            return self.fetch(index)
        log.sample_begins(index)
        if options.sleep_ms:
            with log.part("storage"):
                work.wait(options.sleep_ms * 1e-3)
        if options.read_mb:
            with log.part("read"):
                work.read_zeros(options.read_mb)
        if options.decode_ms:
            with log.part("decode"):
                work.compute(options.decode_ms * 1e-3)
        sample = self.fetch(index)
        log.sample_ends()
        return sample

    def spend(self) -> None:
        if self.options.sleep_ms:
            work.wait(self.options.sleep_ms * 1e-3)
        if self.options.read_mb:
            work.read_zeros(self.options.read_mb)
        if self.options.decode_ms:
            work.compute(self.options.decode_ms * 1e-3)


class Evaluation(Dataset[Sample]):
    """Held-out samples that cost a sleep each."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.options = options
        self.features = torch.randn(64, options.features, generator=torch.Generator().manual_seed(8))

    def __len__(self) -> int:
        return int(self.options.evaluate)

    def __getitem__(self, index: int) -> Sample:
        if self.options.evaluate_sleep_ms:
            work.wait(self.options.evaluate_sleep_ms * 1e-3)
        return self.features[index % 64], index % CLASSES


class Collate:
    """Stacks a batch, with the ballast and the costs that were asked for."""

    def __init__(self, options: argparse.Namespace, log: FetchLog | None) -> None:
        self.options = options
        self.log = log

    def stack(self, samples: Sequence[Sample]) -> tuple[object, ...]:
        if self.options.collate_ms:
            work.compute(self.options.collate_ms * 1e-3)
        x = torch.stack([sample[0] for sample in samples])
        y = torch.tensor([sample[1] for sample in samples])
        if not self.options.batch_mb:
            return x, y
        ballast = np.ones(int(self.options.batch_mb * (1 << 20)), dtype=np.uint8)
        return x, y, ballast if self.options.ballast == "numpy" else torch.from_numpy(ballast)

    def __call__(self, samples: Sequence[Sample]) -> tuple[object, ...]:
        if self.log is None:
            return self.stack(samples)
        with self.log.part("collate"):
            batch = self.stack(samples)
        self.log.batch_ends()
        return batch


class SlowHandler(logging.Handler):
    """Writes a log record the way a full disk or a remote log server does: slowly."""

    seconds = 0.0

    def emit(self, record: logging.LogRecord) -> None:
        sys.stderr.write(self.format(record) + "\n")
        time.sleep(self.seconds)


def make_log(options: argparse.Namespace) -> logging.Logger:
    log = logging.getLogger("train")
    handler = SlowHandler()
    handler.seconds = options.log_ms * 1e-3
    handler.setFormatter(logging.Formatter("%(levelname)s %(filename)s:%(lineno)d %(funcName)s %(message)s"))
    log.addHandler(handler)
    log.setLevel(logging.INFO)
    return log


def make_model(options: argparse.Namespace) -> nn.Sequential:
    layers: list[nn.Module] = [nn.Linear(options.features, options.width), nn.ReLU()]
    for _ in range(options.layers):
        layers += [nn.Linear(options.width, options.width), nn.ReLU()]
    return nn.Sequential(*layers, nn.Linear(options.width, CLASSES))


class Trainer:
    """The state of a training and its loop."""

    def __init__(self, options: argparse.Namespace, watch: Stopwatch, out: Path) -> None:
        self.options = options
        self.watch = watch
        self.out = out
        self.log = make_log(options)
        self.slow = work.SlowStream(options.print_ms * 1e-3)
        self.model = make_model(options)
        self.criterion = nn.CrossEntropyLoss()
        if options.optimizer == "adam":
            self.optimizer: torch.optim.Optimizer = torch.optim.Adam(self.model.parameters(), lr=1e-3)
        else:
            self.optimizer = torch.optim.SGD(self.model.parameters(), lr=0.01, momentum=0.9)
        self.ballast = torch.zeros(int(options.save_mb * (1 << 18)))
        self.loader, self.held_out = self.make_loader(), self.make_held_out()
        self.losses: list[float] = []
        self.order: list[int] = []
        if options.setup_ms:
            work.compute(options.setup_ms * 0.5e-3)
            work.wait(options.setup_ms * 0.5e-3)

    def make_loader(self) -> DataLoader[Any]:
        options = self.options
        log = FetchLog(options.truth) if options.truth else None
        return DataLoader(
            Samples(options, log),
            batch_size=options.batch,
            shuffle=options.shuffle,
            num_workers=options.workers,
            collate_fn=Collate(options, log),
            persistent_workers=options.persistent,
            multiprocessing_context=options.method if options.workers else None,
        )

    def make_held_out(self) -> DataLoader[Any]:
        options = self.options
        return DataLoader(
            Evaluation(options),
            batch_size=16,
            num_workers=options.evaluate_workers,
            persistent_workers=options.evaluate_persistent,
            multiprocessing_context=options.method if options.evaluate_workers else None,
        )

    def train(self, epoch: int) -> None:
        watch = self.watch
        if self.options.make_anew and epoch > 0:
            self.loader = self.make_loader()
        if not self.options.no_eval_mode:
            self.model.train()
        watch.ask()
        for x, y, *ballast in self.loader:
            watch.receive(int(y[0]))
            self.order += y.tolist()
            self.optimizer.zero_grad()
            watch.to("compute.forward")
            out = self.model(x)
            if self.options.criterion == "module":
                loss = self.criterion(out, y % CLASSES)
            else:
                watch.to("host")
                loss = F.cross_entropy(out, y % CLASSES)
            watch.to("compute.backward")
            loss.backward()
            watch.to("compute.optimizer")
            self.optimizer.step()
            watch.stepped()
            self.losses.append(loss.item())
            if self.options.host_ms:
                work.compute(self.options.host_ms * 1e-3)
            self.report(epoch)
            del x, y, ballast  # or freeing it would begin after the loop has its next batch and look like waiting
            watch.ask()
        watch.exhausted()

    def report(self, epoch: int) -> None:
        step, options = len(self.losses), self.options
        if step % options.log_every == 0:
            if options.log_ms:
                with self.watch.inside("logging"):
                    self.log.info("epoch %d step %d loss %.6f", epoch, step, self.losses[-1])
            if options.print_ms:
                with self.watch.inside("logging"):
                    print(f"epoch {epoch} step {step} loss {self.losses[-1]:.6f}", file=self.slow)
        if options.save_mb and options.save_every and step % options.save_every == 0:
            self.save(epoch)

    def save(self, epoch: int) -> None:
        with self.watch.inside("checkpoint"):
            state = {"model": self.model.state_dict(), "epoch": epoch, "ballast": self.ballast}
            torch.save(state, self.out / "checkpoint.pt")

    @torch.no_grad()
    def evaluate(self) -> float:
        right = 0
        with self.watch.inside("evaluation"):
            if not self.options.no_eval_mode:
                self.model.eval()
            for x, y in self.held_out:
                right += int((self.model(x).argmax(1) == y).sum())
        return right / int(self.options.evaluate)

    def run(self) -> None:
        for epoch in range(self.options.epochs):
            self.train(epoch)
            if self.options.evaluate:
                self.losses.append(self.evaluate())
            if self.options.save_mb and not self.options.save_every:
                self.save(epoch)

    def facts(self) -> Iterator[str]:
        """What must not depend on who is watching."""
        weights = hashlib.sha256(b"".join(p.detach().numpy().tobytes() for p in self.model.parameters()))
        yield f"losses {hashlib.sha256(repr(self.losses).encode()).hexdigest()} last {self.losses[-1]!r}"
        yield f"order {hashlib.sha256(repr(self.order).encode()).hexdigest()} of {len(self.order)}"
        yield f"weights {weights.hexdigest()}"
        yield f"random {random.random()!r} {np.random.random()!r} {torch.rand(1).item()!r}"
        yield f"slow lines {self.slow.lines}"


def main() -> None:
    options = arguments()
    watch = Stopwatch(BEGAN, IMPORTED)
    torch.set_num_threads(1)
    random.seed(options.seed)
    np.random.seed(options.seed)
    torch.manual_seed(options.seed)
    out = options.truth or Path.cwd()
    trainer = Trainer(options, watch, out)
    trainer.run()
    if options.truth:
        watch.write(options.truth)
    for fact in trainer.facts():
        print(fact)


if __name__ == "__main__":
    main()
