"""What the probe changes for a block of steps and puts back: the shim's own files, called without a sandbox."""

from __future__ import annotations

import copy
import importlib.util
import threading
from types import ModuleType
from typing import Any

import pytest
import torch
from harness import ROOT
from torch import nn


def shim(name: str) -> ModuleType:
    """A file of the shim, which no package holds."""
    spec = importlib.util.spec_from_file_location(f"_{name}", ROOT / "python" / "headrace" / "shim" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


conditions = shim("probe_conditions")
autocast = shim("autocast")


@pytest.mark.parametrize(
    ("device", "flags", "fast"),
    [
        ("cpu", {"fpu", "avx2", "avx512f"}, False),
        ("cpu", {"avx512f", "avx512_bf16"}, True),
        ("cpu", {"amx_bf16", "amx_tile"}, True),
        ("cpu", {"asimd", "bf16"}, True),
        ("cpu", set(), False),
        ("mps", {"bf16"}, False),
    ],
)
def test_bfloat16_is_fast_where_the_processor_says_so(device: str, flags: set[str], fast: bool) -> None:
    assert conditions.half_is_fast(torch, device, flags) is fast


@pytest.mark.parametrize("older", [False, True])
def test_bfloat16_is_fast_where_cuda_says_so(older: bool) -> None:
    """Emulation does not count, where torch knows of it."""

    class Cuda:
        def is_bf16_supported(self, **how: bool) -> bool:
            if older and how:
                raise TypeError("no such argument")
            return older or how["including_emulation"]

    class Torch:
        cuda = Cuda()

    assert conditions.half_is_fast(Torch(), "cuda", set()) is older


def test_the_flags_are_those_of_the_kernel() -> None:
    assert "fpu" in conditions.cpu_flags() or "fp" in conditions.cpu_flags()


def model() -> nn.Module:
    torch.manual_seed(0)
    tied = nn.Conv2d(8, 8, 3, padding=1)
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1), tied, nn.ReLU(), tied, nn.Conv2d(8, 8, 1), nn.Flatten(), nn.Linear(8 * 36, 4)
    )


def steps(net: nn.Module, optimizer: torch.optim.Optimizer, count: int, keep: bool = False) -> None:
    generator = torch.Generator().manual_seed(3)
    for _ in range(count):
        optimizer.zero_grad(set_to_none=not keep)
        net(torch.randn(4, 3, 6, 6, generator=generator)).square().mean().backward()
        optimizer.step()


@pytest.mark.parametrize("kind", ["momentum", "adam", "foreach"])
@pytest.mark.parametrize("keep", [False, True])
def test_channels_last_leaves_the_training_as_it_was(kind: str, keep: bool) -> None:
    """Parameters, gradients and the optimizer's state: the same objects, in the same memory and format, trained on."""
    net = model()
    parameters = net.parameters()
    optimizer: torch.optim.Optimizer = (
        torch.optim.Adam(parameters, lr=1e-2, foreach=False)
        if kind == "adam"
        else torch.optim.SGD(parameters, lr=1e-2, momentum=0.9, foreach=kind == "foreach")
    )
    steps(net, optimizer, 2, keep)
    other = copy.deepcopy(net)
    other_optimizer = type(optimizer)(other.parameters(), **optimizer.defaults)
    other_optimizer.load_state_dict(copy.deepcopy(optimizer.state_dict()))

    def places() -> list[Any]:
        held: list[Any] = [(p, id(p), p.data_ptr(), p.stride()) for p in net.parameters()]
        for state in optimizer.state.values():
            held += [(t, id(t), t.data_ptr(), t.stride()) for t in state.values() if isinstance(t, torch.Tensor)]
        return [one[1:] for one in held]

    before = places()
    changed = conditions.ChannelsLast([net, nn.ReLU()], [optimizer])
    assert changed.applies()
    changed.begin()
    layers: Any = net
    weight = layers[0].weight
    assert weight.is_contiguous(memory_format=torch.channels_last)
    assert not weight.is_contiguous()
    assert not changed.applies()
    for state in optimizer.state.values():
        for tensor in state.values():
            if isinstance(tensor, torch.Tensor) and tensor.dim() == 4:
                assert tensor.is_contiguous(memory_format=torch.channels_last)
    steps(net, optimizer, 3, keep)
    changed.end()
    assert places() == before
    assert changed.applies()
    steps(net, optimizer, 2, keep)
    steps(other, other_optimizer, 3, keep)
    steps(other, other_optimizer, 2, keep)
    for one, two in zip(net.parameters(), other.parameters(), strict=True):
        assert torch.allclose(one, two, rtol=1e-4, atol=1e-6), "but for rounding it is the same training"


def test_channels_last_of_what_was_made_meanwhile() -> None:
    """An optimizer that has no state before the block has it in the program's own format after it."""
    net = model()
    optimizer = torch.optim.Adam(net.parameters())
    changed = conditions.ChannelsLast([net], [optimizer])
    changed.begin()
    steps(net, optimizer, 2)
    changed.end()
    for weight in net.parameters():
        assert weight.is_contiguous()
        assert weight.grad is not None
        assert weight.grad.is_contiguous()
        for tensor in optimizer.state[weight].values():
            if isinstance(tensor, torch.Tensor) and tensor.shape == weight.shape:
                assert tensor.stride() == weight.stride()
    steps(net, optimizer, 1)


def test_channels_last_applies_to_convolutions_in_another_format_only() -> None:
    assert not conditions.ChannelsLast([nn.Linear(3, 3), nn.Conv1d(3, 3, 3), nn.Conv3d(3, 3, 3)], []).applies()
    assert not conditions.ChannelsLast([nn.Conv2d(8, 8, 1)], []).applies(), "it is both"
    last = nn.Conv2d(3, 8, 3).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    assert not conditions.ChannelsLast([last], []).applies()
    assert conditions.ChannelsLast([nn.ConvTranspose2d(3, 8, 3)], []).applies()


def test_peaks_are_of_this_moment() -> None:
    peaks = conditions.Peaks()
    peaks.begin()
    before = peaks.line().get("host_peak")
    if before is None:
        pytest.skip("the kernel does not let a process reset its peak here")
    block = torch.ones(64 << 20, dtype=torch.uint8)
    del block
    assert peaks.line()["host_peak"] >= before + (60 << 20)
    peaks.begin()
    assert peaks.line()["host_peak"] < before + (60 << 20)


def is_on() -> bool:
    return bool(torch.is_autocast_enabled("cpu"))


def test_autocast_is_on_from_the_forward_to_the_backward() -> None:
    began: list[str] = []
    cast = autocast.Autocast(True, lambda: began.append("it"))
    net, teacher = nn.Linear(2, 2), nn.Linear(2, 2).eval()
    for _ in range(2):
        cast.forward_begins((net, None), None)
        assert is_on()
        cast.forward_ended((net, None), None, None)
        assert is_on(), "the loss"
        cast.forward_begins((teacher, None), None)
        assert not is_on(), "a module that does not train"
        cast.forward_ended((teacher, None), None, None)
        assert is_on(), "the loss goes on"
        cast.backward_begins((None,), None)
        assert not is_on()
    with torch.no_grad():
        cast.forward_begins((net, None), None)
        assert not is_on(), "an evaluation"
        cast.forward_ended((net, None), None, None)
        assert not is_on()
    cast.forward_begins((nn.CrossEntropyLoss(), None), None)
    assert is_on(), "a module without parameters"
    cast.active = False
    cast.leave()
    assert not is_on()
    cast.forward_begins((net, None), None)
    assert not is_on()
    assert began == ["it"]


def test_autocast_leaves_another_thread_alone() -> None:
    cast = autocast.Autocast(True, lambda: None)
    cast.forward_begins((nn.Linear(2, 2), None), None)
    seen: list[bool] = []

    def other() -> None:
        cast.forward_begins((nn.Linear(2, 2), None), None)
        seen.append(is_on())
        cast.backward_begins((None,), None)

    thread = threading.Thread(target=other)
    thread.start()
    thread.join()
    assert seen == [False]
    assert is_on(), "its backward is not this thread's"
    cast.leave()
    assert not is_on()
