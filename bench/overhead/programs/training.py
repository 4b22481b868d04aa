"""What the variants of step_2ms.py share: data, model, one step, the program's own clock, and its answer.

Every variant writes the loop itself, because that is what a tool may ask its user to edit.
"""

from __future__ import annotations

import argparse
import hashlib
import itertools
import json
import os
import random
import socket
import statistics
import time
from collections.abc import Sequence
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

BATCH = 32
FEATURES = 64
CLASSES = 10
STEPS_PER_TURN = 250  # one pass over the data
WIDTH = 128
DEPTHS = range(1, 65)


def gap() -> bytearray:
    """Up to 64 KiB that nobody uses; the program's own random numbers are not asked."""
    return bytearray(int.from_bytes(os.urandom(2), "little"))


class Model(nn.Module):
    """An MLP that applies one hidden layer again and again.

    Weights and gradients fit into the cache of a core: a large layer's time depends on which pages of memory its
    process happens to get, by more than any tool costs. Where in a page they lie moves a step by half a per cent. The
    same program lays them out alike each time, and a tool that has allocated before shifts all of it, to the better or
    to the worse. So there are gaps of random length, other ones in every process.
    """

    def __init__(self, depth: int) -> None:
        super().__init__()
        self.depth = depth
        self.gaps = [gap()]
        self.first = nn.Linear(FEATURES, WIDTH)
        self.gaps.append(gap())
        self.hidden = nn.Linear(WIDTH, WIDTH)
        self.gaps.append(gap())
        self.last = nn.Linear(WIDTH, CLASSES)
        self.gaps.append(gap())

    def forward(self, x: Tensor) -> Tensor:
        """Features of shape (32, 64) float32 to logits (32, 10)."""
        x = F.relu(self.first(x))
        for _ in range(self.depth):
            x = F.relu(F.linear(x, self.hidden.weight, self.hidden.bias))
        logits: Tensor = self.last(x)
        return logits


class Turns:
    """Lets the programs of one round run one at a time, a block of steps each, as the benchmark says.

    Without a benchmark (no path) the program just runs.
    """

    def __init__(self, path: Path | None) -> None:
        self.socket = socket.socket(socket.AF_UNIX) if path else None
        if self.socket:
            self.socket.connect(str(path))

    def wait(self) -> None:
        """Hands over, and returns when it is this program's turn again."""
        if self.socket:
            self.socket.sendall(b".")
            if not self.socket.recv(1):
                raise SystemExit("the benchmark has gone away")


class Training:
    """A small MLP that trains on tensors in memory, one thread, and takes the time of each of its steps.

    Attributes:
        model: Features of shape (32, 64) float32 to logits (32, 10).
        loader: Gives batches of 32 in the loop's own process; one pass is 250 steps.
    """

    def __init__(self, epochs: int, depth: int, out: Path | None = None, turns: Path | None = None) -> None:
        torch.set_num_threads(1)
        random.seed(0)
        torch.manual_seed(0)
        self.epochs, self.out = epochs, out
        features = torch.randn(BATCH * STEPS_PER_TURN, FEATURES)
        labels = (features @ torch.randn(FEATURES, CLASSES)).argmax(1)
        self.loader = DataLoader(TensorDataset(features, labels), batch_size=BATCH, shuffle=True, num_workers=0)
        self.model = Model(depth)
        self.optimizer = torch.optim.SGD(self.model.parameters(), lr=0.01)
        self.losses: list[float] = []
        self.turns = Turns(turns)
        self.times: list[list[float]] = []  # for each turn its begin, then the end of each of its steps
        self.cpu: list[float] = []  # for each turn the CPU time of the thread that trains
        self._begin_turn()

    @classmethod
    def from_command_line(cls) -> Training:
        """The training that the arguments --epochs, --depth, --out and --turns describe."""
        parser = argparse.ArgumentParser()
        parser.add_argument("--epochs", type=int, default=4, help="passes over the data, of 250 steps each")
        parser.add_argument("--depth", type=int, default=16, help="how often the hidden layer is applied")
        parser.add_argument("--out", type=Path, help="JSON file for what depends on the machine")
        parser.add_argument("--turns", type=Path, help="the benchmark's socket")
        options = parser.parse_args()
        return cls(options.epochs, options.depth, options.out, options.turns)

    def step(self, x: Tensor, y: Tensor) -> None:
        """One step: forward, backward, update."""
        self.optimizer.zero_grad()
        loss = F.cross_entropy(self.model(x), y)
        loss.backward()
        self.optimizer.step()
        self.losses.append(loss.item())

    def tick(self) -> None:
        """The end of a step, with all that the loop did since the one before: also fetching the batch."""
        self.times[-1].append(time.perf_counter())
        if len(self.times[-1]) > STEPS_PER_TURN:
            self.cpu[-1] += time.thread_time()
            self._begin_turn()

    def _begin_turn(self) -> None:
        self.turns.wait()
        self.cpu.append(-time.thread_time())
        self.times.append([time.perf_counter()])

    def finish(self) -> None:
        """Prints the answer, and writes what depends on the machine to the file --out."""
        print(f"answer {self.answer()}")
        if self.out:
            turns = [times for times in self.times if len(times) > 1]
            found = {
                "median_step_seconds": [statistics.median(steps(times)) for times in turns],
                "seconds": [times[-1] - times[0] for times in turns],
                "cpu_seconds": self.cpu[: len(turns)],
                "spool_bytes": spool_bytes(),
            }
            self.out.write_text(json.dumps(found))

    def answer(self) -> str:
        """What must not depend on who is watching: losses, weights and the state of the random numbers."""
        digest = hashlib.sha256(repr(self.losses).encode())
        for parameter in self.model.parameters():
            digest.update(parameter.detach().numpy().tobytes())
        digest.update(repr((random.random(), torch.rand(1).item())).encode())
        return digest.hexdigest()


def steps(times: Sequence[float]) -> list[float]:
    """The seconds of each step of a turn."""
    return [end - begin for begin, end in itertools.pairwise(times)]


def spool_bytes() -> int | None:
    """What headrace has recorded of this program so far, in bytes on disk; None where it does not record."""
    folder = os.environ.get("HEADRACE_SPOOL")
    if not folder:
        return None
    files = [file.stat() for file in Path(folder).iterdir()]
    return sum(max(file.st_size, 512 * file.st_blocks) for file in files)


def median_step(depth: int) -> float:
    """What a step of this depth takes, in seconds."""
    training = Training(1, depth)
    for x, y in training.loader:
        training.step(x, y)
        training.tick()
    return statistics.median(steps(training.times[0])[STEPS_PER_TURN // 5 :])


def calibrate(seconds: float) -> int:
    """The depth of DEPTHS whose steps take nearest to `seconds` on this machine, at the best of a few times.

    A moment in which something else has the cores would make a program of steps that are half as long.
    """
    found = {}
    for depth in DEPTHS:
        found[depth] = min(median_step(depth) for _ in range(3))
        if found[depth] > 1.2 * seconds:
            break
    return min(found, key=lambda depth: abs(found[depth] - seconds))


if __name__ == "__main__":
    print(calibrate(2e-3))
