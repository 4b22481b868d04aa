"""The recorder's hash of a sample: equal where type, dtype, shape and value are equal, and only there."""

from __future__ import annotations

import copy
import dataclasses
import gc
import importlib.machinery
import importlib.util
import random
import sys
import warnings
from collections import OrderedDict, namedtuple
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from harness import headrace_command
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

Pair = namedtuple("Pair", "x y")


@dataclasses.dataclass
class Record:
    """A plain dataclass."""

    x: Any
    y: Any


@dataclasses.dataclass
class Other:
    """Another one with the same fields."""

    x: Any
    y: Any


def load_recorder() -> Any:
    """The recorder of the headrace under test, as a module that nothing else sees."""
    prefix = Path(headrace_command()).resolve().parents[1]
    [path] = prefix.glob("lib/python*/site-packages/headrace/shim/_recorder.abi3.so")
    loader = importlib.machinery.ExtensionFileLoader("_recorder", str(path))
    spec = importlib.util.spec_from_loader("_recorder", loader)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    loader.exec_module(module)
    sys.modules.pop("_recorder", None)
    module.tensor_type(torch.Tensor, torch._C._len_torch_function_stack, torch.strided)
    return module


recorder = load_recorder()


def content(sample: object) -> int | None:
    """The hash; None where the recorder does not know the type."""
    known = recorder.content(sample)
    return None if known is None else int(known[0])


@pytest.mark.parametrize(
    ("data", "hash"),
    [  # of the reference implementation, seed 0
        (b"", 0xEF46DB3751D8E999),
        (b"a", 0xD24EC4F1A98C6E5B),
        (b"abc", 0x44BC2CF5AD770999),
        (b"The quick brown fox jumps over the lazy dog", 0x0B242D361FDA71BC),
    ],
)
def test_the_hash_is_xxh64(data: bytes, hash: int) -> None:
    assert recorder.xxh64(data, 0) == hash


leaves = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(allow_nan=False),
    st.complex_numbers(allow_nan=False),
    st.text(),
    st.binary(max_size=100),
    st.builds(lambda values: np.array(values, np.int16), st.lists(st.integers(-9, 9), max_size=5)),
    st.builds(lambda values: torch.tensor(values, dtype=torch.float64), st.lists(st.floats(-9, 9), max_size=5)),
    st.builds(np.float32, st.floats(-9, 9)),
)
samples = st.recursive(
    leaves,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.tuples(inner, inner),
        st.dictionaries(st.text(max_size=3), inner, max_size=4),
        st.builds(Pair, inner, inner),
        st.builds(Record, inner, inner),
        st.builds(Other, inner, inner),
    ),
    max_leaves=8,
)


def canonical(value: Any) -> object:
    """What is to be equal where hashes are."""
    if isinstance(value, torch.Tensor):
        return ("tensor", str(value.dtype), tuple(value.shape), value.contiguous().numpy().tobytes())
    if isinstance(value, np.ndarray | np.generic):
        return (type(value).__name__, value.dtype.str, value.shape, value.tobytes())
    if isinstance(value, float):
        return ("float", value.hex())
    if isinstance(value, complex):
        return ("complex", value.real.hex(), value.imag.hex())
    if isinstance(value, dict):
        return ("dict", tuple((canonical(key), canonical(item)) for key, item in value.items()))
    if isinstance(value, Record | Other):
        return (type(value).__name__, canonical(vars(value)))
    if isinstance(value, list | tuple):
        return (type(value).__name__, tuple(map(canonical, value)))
    return (type(value).__name__, value)


@given(samples, samples)
def test_hashes_are_equal_where_contents_are(x: Any, y: Any) -> None:
    assert content(x) is not None
    assert content(x) == content(copy.deepcopy(x))
    assert (content(x) == content(y)) == (canonical(x) == canonical(y))


@given(st.lists(st.integers(0, 6), max_size=4), st.randoms(use_true_random=False))
def test_it_does_not_matter_how_an_array_lies(shape: list[int], choice: random.Random) -> None:
    array = np.arange(int(np.prod(shape)), dtype=np.int32).reshape(shape)
    axes = list(range(len(shape)))
    choice.shuffle(axes)
    lying = np.transpose(np.transpose(array, axes).copy(), np.argsort(axes)) if axes else array
    every_other: tuple[Any, ...] = (..., *(slice(None, None, 2) for _ in shape))
    spread = np.zeros([2 * size for size in shape], np.int32)[every_other]
    spread[...] = array
    turned = array[tuple(slice(None, None, -1) for _ in shape)]
    assert content(lying) == content(array) == content(spread)
    assert content(turned) == content(turned.copy())
    assert content(torch.from_numpy(lying.copy("K"))) == content(torch.from_numpy(array.copy()))
    assert content(torch.from_numpy(spread)) == content(torch.from_numpy(spread).contiguous())
    if array.size > 1:
        assert content(turned) != content(array)


def test_large_arrays_that_lie_in_pieces() -> None:
    array = np.random.default_rng(0).integers(0, 255, (300, 200, 3), dtype=np.uint8)
    for part in (array, array[::2], array[:, ::-1], array.transpose(2, 0, 1), array[5:290, 7:]):
        assert content(part) == content(np.ascontiguousarray(part))
    changed = array.copy()
    changed[299, 199, 2] ^= 1
    assert content(changed) != content(array)


def test_types_tell_apart_what_is_equal_to_python() -> None:
    equal: list[Any] = [
        1, True, 1.0, 1 + 0j, np.int64(1), np.int32(1), np.float64(1), np.array(1), torch.tensor(1), torch.tensor(1.0),
        torch.tensor([1]), "1", b"1", bytearray(b"1"), (1,), [1], {1: 1}, Pair(1, 1), Record(1, 1), Other(1, 1), 2**80,
        np.array(["1"]), np.array([b"1"]), np.array(1, "M8[s]"), np.array(1, "M8[ms]"), np.array(1, "m8[s]"),
        np.array(1, ">i4"), None, torch.tensor(True), torch.tensor(1).bfloat16(), -(2**80), 0.0, -0.0,
    ]  # fmt: skip
    hashes = [content(value) for value in equal]
    assert None not in hashes
    assert len(set(hashes)) == len(equal)
    assert content({"a": 1, "b": 2}) != content({"b": 2, "a": 1}), "the order of keys is a part of it"


def image(mode: str, seed: int = 0) -> Image.Image:
    pixels = np.random.default_rng(seed).integers(0, 255, (31, 17, 3), dtype=np.uint8)
    return Image.fromarray(pixels).convert(mode)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "RGB", "RGBA", "CMYK", "YCbCr", "HSV", "I", "F"])
def test_images_by_their_pixels(mode: str, tmp_path: Path) -> None:
    assert content(image(mode)) == content(image(mode).copy()) is not None
    assert content(image(mode)) != content(image(mode, 1))
    assert content(image(mode)) != content(image(mode).resize((17, 32)))
    marked = image(mode)
    marked.info["dpi"] = (72, 72)
    assert content(marked) != content(image(mode))


@dataclasses.dataclass
class Listed(list[int]):
    """One whose items are not among its fields."""

    x: int = 1


class Base:
    """What its children keep is not in their dictionaries."""

    __slots__ = ("hidden",)


@dataclasses.dataclass
class Slotted(Base):
    """A field in a dictionary and another one that is not."""

    x: int


def with_attribute(value: Any) -> Any:
    """The same with something of the program's own in it."""
    value.mine = 1
    return value


def shrunk(size: int) -> torch.Tensor:
    """A tensor whose memory is smaller than its shape says."""
    tensor = torch.ones(2, 4)[1]
    tensor.untyped_storage().resize_(size)
    return tensor


def test_what_is_not_known() -> None:
    class Mine(list[int]):
        pass

    class Nosy(type):
        def __getattr__(cls, name: str) -> object:
            raise AssertionError(name)

    class Watching(metaclass=Nosy):
        """A class that would notice to be asked."""

    grey = torch.randn(4, 4)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # they are deprecated
        quantized = torch.quantize_per_tensor(grey, 0.1, 0, torch.qint8)
    unknown: list[Any] = [
        object(), Mine([1]), {1, 2}, OrderedDict(a=1), np.array([None, 1]), np.zeros(2, "i4,f4"), grey.to_sparse(),
        torch.nn.Parameter(grey), grey.clone().requires_grad_(), torch.tensor([1j]).conj(), lambda: 0, range(3),
        quantized, image("P"), torch.empty(2, device="meta"), Exception(),
        Watching(), Listed(), Slotted(1), with_attribute(grey.clone()), with_attribute(image("RGB")),
        bytes((256 << 20) + 1), torch.zeros(1, 1).expand(3000, 3000), shrunk(0), shrunk(5),
    ]  # fmt: skip
    for value in unknown:
        assert content(value) is None, value
        assert content([1, {"a": (value,)}]) is None
    loop: list[Any] = []
    loop.append(loop)
    assert content(loop) is None
    assert content(list(range(100_000))) is None, "more than may be looked at"


def test_an_image_that_was_not_decoded_stays_so(tmp_path: Path) -> None:
    image("RGB").save(tmp_path / "x.png")
    with Image.open(tmp_path / "x.png") as opened:
        assert content(opened) is None
        assert opened.im is None if "im" in vars(opened) else True
        assert content(opened.convert("RGB")) is not None


def test_nothing_of_it_is_seen() -> None:
    """No reference stays, no generator moves, no attribute is asked for, no function of the program is called."""

    class Watched:
        def __getattr__(self, name: str) -> object:
            raise AssertionError(name)

    values: list[Any] = [np.arange(5000.0), torch.randn(50, 50), image("RGB"), {"a": [Pair(1, b"x" * 99)]}, "é" * 50]
    before = (random.getstate(), repr(np.random.get_state()), torch.get_rng_state().numpy().tobytes())
    sizes = [sys.getsizeof(value) for value in values]
    gc.collect()
    counts = [sys.getrefcount(value) for value in values]
    calls: list[object] = []
    sys.setprofile(lambda frame, event, argument: calls.append(frame.f_code) if event == "call" else None)
    for _ in range(5):
        recorder.content(values)
    sys.setprofile(None)
    assert calls == []
    assert content(Watched()) is None
    assert [sys.getrefcount(value) for value in values] == counts
    assert [sys.getsizeof(value) for value in values] == sizes
    after = (random.getstate(), repr(np.random.get_state()), torch.get_rng_state().numpy().tobytes())
    assert before == after


def test_the_same_indices_are_looked_at_everywhere() -> None:
    chosen = [index for index in range(100_000) if recorder.is_looked_at(index, 0)]
    assert chosen[:16] == list(range(16))
    assert sum(index < 160 for index in chosen) > 30
    assert 0.8 * 100_000 / 64 < len(chosen) < 1.2 * 100_000 / 64 + 100
    for halved in range(1, 4):
        fewer = [index for index in range(100_000) if recorder.is_looked_at(index, halved)]
        assert set(fewer) < set(chosen)
        assert 0.7 * len(chosen) / 2**halved < len(fewer) < 1.3 * len(chosen) / 2**halved
