"""The cache of samples that `headrace try` puts in: what goes in comes out, in every process, and nothing stays."""

from __future__ import annotations

import dataclasses
import importlib.machinery
import multiprocessing
import os
import random
import signal
import sys
import time
from collections import namedtuple
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
from harness import PROGRAMS, ROOT
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

sys.path.insert(0, str(PROGRAMS))
from cached import described

Pair = namedtuple("Pair", "x y")


@dataclasses.dataclass
class Record:
    """A plain dataclass."""

    x: Any


def load_file(name: str) -> ModuleType:
    """A file of the shim as the shim loads it: `sys.modules` does not know it."""
    path = ROOT / "python" / "headrace" / "shim" / f"{name}.py"
    module = ModuleType("_headrace_" + name)
    importlib.machinery.SourceFileLoader(module.__name__, str(path)).exec_module(module)
    return module


def load() -> Any:
    """The cache, as another process has it."""
    module: Any = load_file("sample_cache")
    module.prepare(load_file)
    return module


sample_cache = load()


def store(folder: Path, size: int = 1 << 22) -> Any:
    return sample_cache.make_store(size, sample_cache.Counts(str(folder / "cache")))


def counts(folder: Path) -> dict[str, int]:
    """What all processes have counted."""
    words = memoryview((folder / "cache").read_bytes()).cast("Q")
    used = words[0]
    return {
        name: sum(words[8 * slot + at] for slot in range(1, used + 1))
        for at, name in enumerate(("hits", "misses", "kept", "refused", "bytes", "full"))
    }


def through(folder: Path, sample: object) -> Any:
    """The sample as it comes out; it must be kept."""
    cache = store(folder)
    cache.keep(5, sample)
    place = cache.find(5)
    assert place, sample
    assert not cache.find(4)
    return cache.load(place)


def photo(mode: str = "RGB") -> Image.Image:
    return Image.fromarray(np.random.default_rng(0).integers(0, 255, (31, 17, 3), dtype=np.uint8)).convert(mode)


def read_only(array: Any) -> Any:
    array.flags.writeable = False
    return array


GRID = torch.arange(120).reshape(2, 3, 4, 5)
SAMPLES: dict[str, Any] = {
    "plain": [None, True, 3, 2.5, 1j, "é", b"\0", bytearray(b"x"), (), [], {}],
    "nested": {"a": [(1, {"b": torch.ones(3)})], 5: Pair(torch.zeros(2), np.arange(3)), "r": Record([np.float32(1)])},
    "scalar": torch.tensor(1.5),
    "empty": (torch.empty(0, 3), np.empty((2, 0), np.int16)),
    "permuted": GRID.permute(0, 3, 1, 2),
    "channels last": torch.randn(2, 3, 4, 5).contiguous(memory_format=torch.channels_last),
    "slice": GRID[:, 1:, ::2, 1:4],
    "dtypes": [
        torch.ones(3).to(kind) for kind in (torch.bool, torch.uint8, torch.bfloat16, torch.half, torch.complex64)
    ],
    "fortran": np.asfortranarray(np.arange(12.0).reshape(3, 4)),
    "transposed": np.arange(24).reshape(2, 3, 4).transpose(1, 2, 0),
    "crop": np.arange(200, dtype=np.uint8).reshape(20, 10)[3:9, ::2],
    "read-only": read_only(np.arange(5)),
    "texts": np.array(["a", "bcd"]),
    "times": np.array([1, 2], "M8[ms]"),
    "swapped": np.arange(4, dtype=">f4"),
    "zero dimensions": np.array(4),
    "scalars": [np.float32(1), np.int64(2), np.bool_(True), np.str_("x"), np.datetime64(3, "s")],
    "images": [photo(), photo("L"), photo("1"), photo("RGBA"), photo("F"), photo("I")],
    "large": torch.randn(3, 224, 224),
}


@pytest.mark.parametrize("name", SAMPLES)
def test_what_goes_in_comes_out(name: str, tmp_path: Path) -> None:
    sample = SAMPLES[name]
    cache = store(tmp_path)
    cache.keep(7, sample)
    place = cache.find(7)
    assert place
    first, second = cache.load(place), cache.load(place)
    assert described(first) == described(sample) == described(second)
    assert first is not second


def test_an_image_keeps_its_information(tmp_path: Path) -> None:
    image = photo()
    image.info["dpi"] = (72, 72)
    out = through(tmp_path, image)
    assert out.info == {"dpi": (72, 72)}
    assert type(out) is Image.Image


def test_copies_are_the_programs_own(tmp_path: Path) -> None:
    cache = store(tmp_path)
    ones = torch.ones(4)
    sample = {"t": ones, "a": np.ones(4), "l": [1]}
    cache.keep(0, sample)
    ones.zero_()
    for _ in range(2):
        out = cache.load(cache.find(0))
        assert out["t"].tolist() == [1, 1, 1, 1]
        assert out["a"].tolist() == [1, 1, 1, 1]
        assert out["l"] == [1]
        out["t"] += 5
        out["a"] += 5
        out["l"].append(2)
        assert not out["t"].requires_grad
        assert out["t"]._base is None
        assert out["a"].flags.owndata


def test_what_cannot_be_kept_is_refused(tmp_path: Path) -> None:
    class Local(list[int]):
        pass

    @dataclasses.dataclass
    class Nowhere:
        x: int

    shared = torch.ones(3)
    shared.mine = 1  # type: ignore[attr-defined]
    values: list[Any] = [
        object(), Local([1]), {1}, np.array([None]), torch.nn.Parameter(torch.ones(2)), torch.ones(2).requires_grad_(),
        torch.ones(2).to_sparse(), torch.ones(1).expand(5), np.broadcast_to(np.ones(1), 5), np.arange(5)[::-1],
        torch.tensor([1j]).conj(), photo("P"), np.zeros(2, "i4,f4"),
        np.zeros((500, 500))[:, 3], torch.ones(500, 500)[:, 3], Nowhere(1), shared, lambda: 0, list(range(30_000)),
    ]  # fmt: skip
    cache = store(tmp_path)
    for number, value in enumerate(values):
        cache.keep(number, value)
        assert not cache.find(number), value
        cache.keep(number, [value])
        assert not cache.find(number), value
    assert counts(tmp_path)["refused"] == 2 * len(values)


def test_it_takes_no_more_than_it_may(tmp_path: Path) -> None:
    cache = store(tmp_path, 100_000)
    for index in range(100):
        cache.keep(index, torch.full((1000,), float(index)))
    kept = [index for index in range(100) if cache.find(index)]
    assert kept == list(range(len(kept)))
    assert 20 <= len(kept) <= 24
    for index in kept:
        assert torch.equal(cache.load(cache.find(index)), torch.full((1000,), float(index)))
    assert counts(tmp_path) | {"bytes": 0} == {
        "hits": 0, "misses": 0, "kept": len(kept), "refused": 0, "bytes": 0, "full": 100 - len(kept)
    }  # fmt: skip
    blocks = os.fstat(cache.descriptor).st_blocks * 512
    assert blocks < 100_000 + 5 * 4096


@settings(max_examples=30)
@given(st.sets(st.integers(0, 1 << 40), max_size=300))
def test_every_index_has_its_own_sample(indices: set[int]) -> None:
    cache = sample_cache.make_store(1 << 20, sample_cache.Counts("/dev/null/nowhere"))
    for index in indices:
        cache.keep(index, index)
    for index in indices:
        assert cache.load(cache.find(index)) == index
        assert not cache.find(index + (1 << 41))


class Numbers:
    """A dataset that counts how often it was asked."""

    def __init__(self, draw: bool = False) -> None:
        self.draw = draw
        self.asked: list[int] = []
        self.other = "its own"

    def __len__(self) -> int:
        return 10

    def __getitem__(self, index: int) -> Any:
        self.asked.append(index)
        if self.draw:
            torch.rand(1)
        if index == 9:
            raise KeyError(index)
        return torch.tensor([index])


class Many(Numbers):
    """One that makes several at once."""

    def __getitems__(self, indices: list[int]) -> list[Any]:
        return [self[index] for index in indices]


def test_a_dataset_is_asked_once(tmp_path: Path) -> None:
    own = Numbers()
    kept = sample_cache.Kept(own, store(tmp_path))
    for _ in range(3):
        assert [int(kept[index]) for index in (3, np.int64(4))] == [3, 4]
        with pytest.raises(KeyError):
            kept[9]
        assert len(kept) == 10
        assert kept.other == "its own"
        assert not hasattr(kept, "__getitems__")
    assert own.asked == [3, 4, 9, 9, 9]
    assert [int(kept[-1]), int(kept[-1])] == [-1, -1]
    assert own.asked[5:] == [-1, -1], "an index below 0 is not kept"
    totals = counts(tmp_path)
    assert totals["hits"] == 4
    assert totals["kept"] == 2


def test_several_samples_at_once(tmp_path: Path) -> None:
    own = Many()
    kept = sample_cache.KeptMany(own, store(tmp_path))
    assert [int(one) for one in kept.__getitems__([1, 2])] == [1, 2]
    assert [int(one) for one in kept.__getitems__([3, 1, 2, 4])] == [3, 1, 2, 4]
    assert own.asked == [1, 2, 3, 4]
    assert int(kept[1]) == 1


def test_random_numbers_are_drawn_as_without_it(tmp_path: Path) -> None:
    """What draws one is made each time: the next one to draw gets what it would have got."""
    own = Numbers(draw=True)
    kept = sample_cache.Kept(own, store(tmp_path))
    drawn = []
    for asked in (own, kept):
        torch.manual_seed(1)
        drawn.append([(int(asked[index]), torch.rand(1).item(), random.random() * 0) for index in (1, 2, 1, 2)])
    assert drawn[0] == drawn[1]
    assert counts(tmp_path)["refused"] == 4


def fill(cache: Any, number: int, rounds: int) -> None:
    """In a process of its own: keeps and reads in an order of its own, until all is there."""
    order = list(range(rounds))
    random.Random(number).shuffle(order)
    for index in order:
        place = cache.find(index)
        if not place:
            cache.keep(index, (index, torch.full((256,), float(index))))
            place = cache.find(index)
        if place:
            value, tensor = cache.load(place)
            if value != index or not bool((tensor == float(index)).all()):
                os._exit(9)
    os._exit(0)


def test_processes_at_once_and_one_that_is_killed(tmp_path: Path) -> None:
    cache = store(tmp_path, 1 << 24)
    context = multiprocessing.get_context("fork")
    for number in range(6):  # killed in the middle of whatever it does
        process = context.Process(target=fill, args=(cache, number, 4000))
        process.start()
        time.sleep(0.05 + 0.03 * number)
        os.kill(process.pid or 0, signal.SIGKILL)
        process.join()
    workers = [context.Process(target=fill, args=(cache, number, 4000)) for number in range(3)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(120)
        assert worker.exitcode == 0
    for index in range(4000):
        assert cache.find(index), index
        assert cache.load(cache.find(index))[0] == index


def test_another_process_finds_it_by_its_descriptor(tmp_path: Path) -> None:
    """As a spawned worker does, which has inherited nothing."""
    cache = sample_cache.Cache((1 << 20) + 5, str(tmp_path / "cache"))
    own = Numbers()
    handed = cache.handed(own)
    assert cache.handed(own)[3] == handed[3], "the same for the next pass"
    here = cache.of_fetcher(handed)
    assert int(here[3]) == 3
    other = load().Cache(1 << 20, str(tmp_path / "cache"))
    fresh = Numbers()
    assert other.begin_worker((handed[0], fresh, *handed[2:])) is fresh
    assert int(other.of_fetcher(fresh)[3]) == 3
    assert fresh.asked == []
    gone = (handed[0], fresh, handed[2], 1023)
    assert load().Cache(1 << 20, str(tmp_path / "cache")).begin_worker(gone) is fresh
    assert cache.handed(Numbers())[3] != handed[3] or cache._dataset is not own
    assert other.of_fetcher("anything else") == "anything else"


def test_it_has_no_name_anywhere(tmp_path: Path) -> None:
    before = sorted(os.listdir("/dev/shm"))
    cache = store(tmp_path)
    cache.keep(0, torch.ones(1000))
    assert sorted(os.listdir("/dev/shm")) == before
    assert os.readlink(f"/proc/self/fd/{cache.descriptor}").startswith("/memfd:")
    assert cache.descriptor >= 900
    assert sorted(path.name for path in tmp_path.iterdir()) == ["cache"]
