"""What the probe changes for a block of steps and puts back after it, and what it measures beside their time."""

import sys
from collections.abc import Iterable, Iterator
from typing import Any


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


def cpu_flags() -> set[str]:
    """Return what the kernel says that the processor can; empty where it does not say."""
    try:
        with open("/proc/cpuinfo", encoding="utf-8", errors="replace") as file:
            for line in file:
                name, _, flags = line.partition(":")
                if name.strip() in ("flags", "Features"):
                    return set(flags.split())
    except OSError:
        pass
    return set()


def half_is_fast(torch: Any, device: str, flags: set[str]) -> bool:
    """Say whether a device computes with bfloat16 in hardware; `flags` are those of the processor."""
    if device != "cuda":
        return device == "cpu" and bool(flags & {"avx512_bf16", "amx_bf16", "bf16"})
    try:
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    except TypeError:  # an older torch, which does not count emulation
        return bool(torch.cuda.is_bf16_supported())


class Peaks:
    """The most memory that this process, and its device, had in use since `begin`."""

    def __init__(self) -> None:
        self._host = False

    def begin(self) -> None:
        """Let the kernel and torch forget their earlier peaks."""
        try:
            with open("/proc/self/clear_refs", "w", encoding="ascii") as file:
                file.write("5")
            self._host = True
        except OSError:
            self._host = False
        cuda = sys.modules["torch"].cuda
        if cuda.is_available() and cuda.is_initialized():
            cuda.reset_peak_memory_stats()

    def line(self) -> dict[str, int]:
        """Return both in bytes, each where it is known."""
        found: dict[str, int] = {}
        if self._host:
            with open("/proc/self/status", encoding="utf-8", errors="replace") as file:
                for text in file:
                    if text.startswith("VmHWM:"):
                        found["host_peak"] = int(text.split()[1]) * 1024
        cuda = sys.modules["torch"].cuda
        if cuda.is_available() and cuda.is_initialized():
            found["device_peak"] = int(cuda.max_memory_allocated())
        return found


class ChannelsLast:
    """The four-dimensional weights of modules in that memory format, with their gradients and optimizers' state.

    Parameters stay the objects that they are, so that an optimizer goes on with them. When it ends all of them are in
    the memory again that they were in before, with the values that the steps meanwhile have given them.
    """

    def __init__(self, modules: Iterable[Any], optimizers: Iterable[Any]) -> None:
        self._modules = list(modules)
        self._optimizers = list(optimizers)
        self._before: dict[int, tuple[Any, Any]] = {}  # each tensor and what it was, by its id
        self._strides: list[tuple[Any, tuple[int, ...]]] = []

    def applies(self) -> bool:
        """Say whether a convolution has weights in another format."""
        torch = sys.modules["torch"]
        convolution = torch.nn.modules.conv._ConvNd
        return any(
            isinstance(layer, convolution) and self._is_other(layer.weight)
            for module in self._modules
            for layer in module.modules()
        )

    @staticmethod
    def _is_other(tensor: Any) -> bool:
        torch = sys.modules["torch"]
        return bool(
            isinstance(tensor, torch.Tensor)
            and tensor.dim() == 4
            and tensor.is_contiguous()
            and not tensor.is_contiguous(memory_format=torch.channels_last)
        )

    def _held(self, weight: Any) -> Iterator[Any]:
        torch = sys.modules["torch"]
        yield weight
        if weight.grad is not None:
            yield weight.grad
        for optimizer in self._optimizers:
            for value in optimizer.state.get(weight, {}).values():
                if isinstance(value, torch.Tensor) and value.shape == weight.shape:
                    yield value

    def begin(self) -> None:
        """Change them."""
        torch = sys.modules["torch"]
        for module in self._modules:
            for weight in (*module.parameters(), *module.buffers()):
                if not self._is_other(weight):
                    continue
                self._strides.append((weight, weight.stride()))
                for tensor in self._held(weight):
                    self._before[id(tensor)] = (tensor, tensor.data)
                    tensor.data = tensor.data.contiguous(memory_format=torch.channels_last)

    def end(self) -> None:
        """Put them back."""
        torch = sys.modules["torch"]
        for weight, stride in self._strides:
            for tensor in list(self._held(weight)):
                known, data = self._before.get(id(tensor), (None, None))
                if known is not tensor:  # it was made meanwhile
                    data = torch.empty_strided(tensor.shape, stride, dtype=tensor.dtype, device=tensor.device)
                data.copy_(tensor.data)
                tensor.data = data
        self._strides.clear()
        self._before.clear()
