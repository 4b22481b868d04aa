"""A training that is fed too slowly and leaves traces wherever a program can: files, a tracker, an exit handler.

TRACKER is the tracker's URL, FAIL_AT the step at which it raises, and with MOVED it makes its loader at another line.
It writes to the file descriptor DESCRIPTOR, and with WALK it looks for a file that it has made.
"""

import argparse
import atexit
import os
import signal
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from types import FrameType

import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=400)
    return parser.parse_args()


class Slow(Dataset[torch.Tensor]):
    """Each sample waits 3 ms, and is another one each time."""

    def __init__(self, size: int) -> None:
        self.size = size

    def __len__(self) -> int:
        return self.size

    def __getitem__(self, index: int) -> torch.Tensor:
        time.sleep(0.003)
        return torch.full((16,), float(index)) + torch.rand(16)


def track(text: str) -> None:
    """Tells a tracker, where there is one."""
    url = os.environ.get("TRACKER")
    if not url:
        return
    try:
        urllib.request.urlopen(url + text, timeout=5).close()
    except OSError:
        print("the tracker cannot be reached", file=sys.stderr)


def leave(folder: Path, name: str, text: str) -> None:
    with (folder / name).open("a") as file:
        file.write(text + "\n")


def ended(number: int, frame: FrameType | None, out: Path) -> None:
    leave(out, "signals", str(number))
    raise SystemExit(1)


def batches(loader: DataLoader[torch.Tensor]) -> Iterator[torch.Tensor]:
    while True:
        yield from loader


def main() -> None:
    options = parse()
    out: Path = options.out
    leave(Path.home(), "runs.log", "a run")
    (out / "checkpoints").mkdir(exist_ok=True)
    if (out / "old").exists():
        (out / "old").rename(out / "older")
    atexit.register(leave, out, "exit", "the end")
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda n, frame: ended(n, frame, out))
    track("begin")
    if os.environ.get("DESCRIPTOR"):
        try:
            os.write(int(os.environ["DESCRIPTOR"]), b"it is open")
        except OSError:
            print("the descriptor is closed", file=sys.stderr)
    if os.environ.get("WALK"):
        made = out / "made here"
        made.write_text("once")
        found = [folder for folder, _, files in os.walk(out.parent) if made.name in files]
        if found != [str(out)]:
            raise RuntimeError(f"found in {found}")
    dataset = Slow(160)
    loader = DataLoader(dataset, batch_size=4)
    if os.environ.get("MOVED"):
        loader = DataLoader(dataset, batch_size=4)
    model = nn.Linear(16, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-6)
    for step, batch in enumerate(batches(loader)):
        if str(step) == os.environ.get("FAIL_AT"):
            raise RuntimeError("cannot go on")
        optimizer.zero_grad()
        model(batch).square().mean().backward()
        optimizer.step()
        if step % 10 == 0:
            torch.save(model.state_dict(), out / "checkpoints" / f"{step}.pt")
            track(f"step{step}")
        if step == options.steps:
            break
    print("done")


if __name__ == "__main__":
    main()
