"""What ``sample_cache`` keeps of a sample: a small pickle and, beside it, the bytes of its tensors, arrays and images.

Whatever cannot come out of this exactly as it went in is not kept.
"""

import io
import pickle
import sys

TYPE_CHECKING = False  # typing itself is not imported here
if TYPE_CHECKING:
    from typing import Any

_DEEPEST = 12
_MOST_ITEMS = 20_000
_MODES = {"1", "L", "LA", "RGB", "RGBA", "RGBX", "CMYK", "YCbCr", "HSV", "LAB", "I", "F", "I;16"}
_PLAIN = (int, float, complex, str, bytes, bytearray, bool, type(None))


def aligned(place: int) -> int:
    """Return the next place where a part may begin."""
    return (place + 63) // 64 * 64


def _torch() -> "Any":
    return sys.modules["torch"]


def _is_plain_tensor(value: "Any") -> bool:
    torch = _torch()
    return (
        type(value) is torch.Tensor
        and value.layout is torch.strided
        and value.device.type == "cpu"
        and not value.requires_grad
        and not value.is_quantized
        and not value.is_conj()
        and not value.is_neg()
        and not vars(value)
        and not _overlaps(value.shape, value.stride())
    )


def _overlaps(shape: "Any", strides: "Any") -> bool:
    """Say whether two elements may lie at one place, or lie backwards."""
    if 0 in shape:
        return False
    reached = 1
    for stride, size in sorted((stride, size) for stride, size in zip(strides, shape, strict=True) if size > 1):
        if stride < reached:
            return True
        reached = stride * (size - 1) + reached
    return False


def _is_plain_array(value: "Any", numpy: "Any") -> bool:
    return (
        type(value) is numpy.ndarray
        and value.dtype.kind in "biufcSUMm"
        and value.dtype.itemsize > 0
        and not value.dtype.metadata
        and not _overlaps(value.shape, [stride / value.itemsize for stride in value.strides])
    )


def _is_plain_image(value: "Any") -> bool:
    pillow = sys.modules.get("PIL.Image")
    return pillow is not None and type(value) is pillow.Image and value.mode in _MODES


def _image_fields(image: "Any") -> bool:
    """Say whether an image has only what Pillow gives each."""
    return all(name in _IMAGE_FIELDS for name in vars(image))


_IMAGE_FIELDS = {
    "_im", "im", "_mode", "mode", "_size", "size", "palette", "info", "readonly", "_readonly", "pyaccess", "_exif",
    "category", "_category", "encoderinfo", "encoderconfig",
}  # fmt: skip


def _is_leaf(value: "Any") -> bool:
    numpy = sys.modules.get("numpy")
    return (
        _is_plain_tensor(value)
        or (numpy is not None and _is_plain_array(value, numpy))
        or (_is_plain_image(value) and _image_fields(value) and value.palette is None)
    )


# Of a view: the memory that it lies over, of that of its elements, and bytes that are no matter.
_MOST_SPREAD, _LITTLE = 2, 1 << 16


def keepable(value: "Any", depth: int, count: "list[int]") -> bool:
    """Say whether everything in a sample comes out of the cache as it went in."""
    count[0] += 1
    if depth > _DEEPEST or count[0] > _MOST_ITEMS:
        return False
    kind = type(value)
    if kind in _PLAIN:
        return True
    if kind in (tuple, list):
        return all(keepable(item, depth + 1, count) for item in value)
    if kind is dict:
        return all(keepable(k, depth + 1, count) and keepable(v, depth + 1, count) for k, v in value.items())
    if issubclass(kind, tuple):
        plain = hasattr(kind, "_fields") and not getattr(value, "__dict__", None) and _pickles_plainly(kind, tuple)
        return plain and all(keepable(item, depth + 1, count) for item in tuple.__iter__(value))
    if hasattr(kind, "__dataclass_fields__"):
        fields = getattr(value, "__dict__", None)
        return type(fields) is dict and _pickles_plainly(kind, object) and keepable(fields, depth + 1, count)
    if _is_leaf(value):
        if _is_plain_image(value):
            return keepable(value.info, depth + 1, count)
        return not _is_sparse(value)
    numpy = sys.modules.get("numpy")
    scalar = numpy is not None and issubclass(kind, numpy.generic) and kind.__module__ == "numpy"
    return scalar and kind.__name__ not in ("void", "object_")


def _pickles_plainly(kind: type, base: type) -> bool:
    """Say whether a class leaves to Python how its objects are copied."""
    if base is tuple:  # named tuples give their items as the arguments
        names: tuple[str, ...] = ("__reduce__", "__reduce_ex__")
        return not any(getattr(kind, name) is not getattr(object, name) for name in names)
    names = ("__reduce__", "__reduce_ex__", "__getstate__", "__setstate__", "__getnewargs__", "__getnewargs_ex__")
    return not any(getattr(kind, name, None) is not getattr(object, name, None) for name in names)


def _is_dense(shape: "Any", strides: "Any") -> bool:
    """Say whether elements lie without a gap between them, in any order."""
    expected = 1
    for stride, size in sorted((stride, size) for stride, size in zip(strides, shape, strict=True) if size > 1):
        if stride != expected:
            return False
        expected *= size
    return True


def _is_sparse(value: "Any") -> bool:
    """Say whether a view lies over much more memory than it has elements: made anew it would take all of that."""
    if _is_plain_tensor(value):
        size, count, strides = 1, value.numel(), value.stride()
    else:
        size, count, strides = value.itemsize, value.size, value.strides
    span = sum((length - 1) * abs(stride) for length, stride in zip(value.shape, strides, strict=True))
    return bool(count and span > max(_LITTLE, _MOST_SPREAD * count * size))


class Writer:
    """Takes the large parts out of a sample: its skeleton is a pickle without them."""

    def __init__(self) -> None:
        self.leaves: list[tuple[int, Any]] = []
        self.bytes = 0

    def skeleton(self, sample: "Any") -> bytes:
        """Return the pickle, and note the parts and their places."""
        stream = io.BytesIO()
        pickler = _Pickler(stream, 4)
        pickler.leaf = self.leaf
        pickler.dump(sample)
        return stream.getvalue()

    def leaf(self, value: "Any") -> "Any":
        """Return what stands for a part, None for what is none."""
        kind = type(value)
        if kind in _PLAIN or not _is_leaf(value):
            return None
        torch = _torch()
        if kind is torch.Tensor:
            at = self._place(value, value.numel() * value.element_size())
            made: tuple[Any, ...] = ("t", at, value.numel(), value.dtype, tuple(value.shape))
            return (*made, value.stride(), _is_dense(value.shape, value.stride()))
        if _is_plain_image(value):
            pixels = value.tobytes()
            at = self._place(pixels, len(pixels))
            return ("p", at, len(pixels), value.mode, value.size, value.info)
        at = self._place(value, value.nbytes)
        dense = _is_dense(value.shape, [stride / value.itemsize for stride in value.strides])
        return ("a", at, value.size, value.dtype, value.shape, value.strides, dense, value.flags.writeable)

    def _place(self, part: "Any", size: int) -> int:
        at = self.bytes
        self.bytes = aligned(at + size)
        self.leaves.append((at, part))
        return at


class _Pickler(pickle.Pickler):
    leaf: "Any"

    def persistent_id(self, value: "Any") -> "Any":
        return self.leaf(value)


def put(leaf: "Any", memory: "Any", place: int) -> None:
    """Write a part into the memory, in the order in which it lies."""
    torch = _torch()
    if type(leaf) is bytes:
        memory[place : place + len(leaf)] = leaf
    elif type(leaf) is torch.Tensor:
        if leaf.numel():
            flat = torch.frombuffer(memory, dtype=leaf.dtype, count=leaf.numel(), offset=place)
            shape, strides = tuple(leaf.shape), leaf.stride()
            target = flat.as_strided(shape, strides) if _is_dense(shape, strides) else flat.view(shape)
            with torch.no_grad():
                target.copy_(leaf)
    elif leaf.size:
        _array(memory, place, leaf.dtype, leaf.shape, leaf.strides)[...] = leaf


def _array(memory: "Any", place: int, dtype: "Any", shape: "Any", strides: "Any") -> "Any":
    """Return the view of an array in the memory: as it lay where it was dense, else in order."""
    numpy = sys.modules["numpy"]
    steps = [stride / dtype.itemsize for stride in strides]
    return numpy.ndarray(shape, dtype, memory, place, strides if _is_dense(shape, steps) else None)


class Reader(pickle.Unpickler):
    """Makes a sample from its skeleton and its parts."""

    def __init__(self, skeleton: bytes, memory: "Any", place: int) -> None:
        super().__init__(io.BytesIO(skeleton))
        self._memory = memory
        self._first = place + aligned(8 + len(skeleton))

    def persistent_load(self, made: "Any") -> "Any":
        """Return the part that something stands for."""
        kind, at, count = made[:3]
        place = self._first + at
        if kind == "t":
            return _load_tensor(self._memory, place, count, *made[3:])
        if kind == "a":
            return _load_array(self._memory, place, *made[3:])
        mode, size, info = made[3:6]
        image = sys.modules["PIL.Image"].frombytes(mode, size, self._memory[place : place + count])
        image.info = info
        return image


def _load_tensor(
    memory: "Any", place: int, count: int, dtype: "Any", shape: "Any", strides: "Any", dense: bool
) -> "Any":
    torch = _torch()
    out = torch.empty_strided(shape, strides, dtype=dtype, device="cpu")
    if count:
        flat = torch.frombuffer(memory, dtype=dtype, count=count, offset=place)
        out.copy_(flat.as_strided(shape, strides) if dense else flat.view(shape))
    return out


def _load_array(
    memory: "Any", place: int, dtype: "Any", shape: "Any", strides: "Any", dense: bool, writeable: bool
) -> "Any":
    numpy = sys.modules["numpy"]
    if 0 in shape:
        out = numpy.empty(shape, dtype)
    elif dense:
        out = numpy.ndarray(shape, dtype, memory, place, strides).copy("K")
    else:
        span = dtype.itemsize + sum((size - 1) * stride for size, stride in zip(shape, strides, strict=True))
        out = numpy.ndarray(shape, dtype, numpy.empty(span, numpy.uint8), 0, strides)
        out[...] = numpy.ndarray(shape, dtype, memory, place)
    if not writeable:
        out.flags.writeable = False
    return out
