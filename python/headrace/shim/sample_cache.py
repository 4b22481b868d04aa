"""A bounded cache of samples in shared memory, put in by ``inject``. Never loaded where a program is only audited.

The samples of the dataset of the loaders that are meant are kept from the first pass on and served to all workers and
passes: fork and spawn, workers that stay or not, and none. What is kept:

- samples of torch's own strided CPU tensors without gradients, arrays of numbers, texts and times, NumPy's scalars,
  Pillow images without a palette, bytes, bytearray, str, int, float, complex, bool, None, and tuple, list, dict, named
  tuples and plain dataclasses of these; their indices are integers from 0 on;
- only samples that were made without a random number of ``random``, ``numpy.random`` or torch's default generator: what
  takes one is made each time, so that whoever draws next gets what they would have got. Generators of the program's own
  are not watched, nor what else a dataset may change while it makes a sample.

Each is served as a new object, with types, dtypes, shapes and strides as they were, that shares memory with nothing.
Tensors and arrays within a sample that shared memory with each other no longer do.

**Memory.** One memfd, which has no name in any folder and goes with the last process that maps it: a header of a page,
a table of two words a slot (index + 1, place), which is sparse, and the samples one after the other. Nothing is ever
moved or thrown out: with an order that is drawn anew in each pass, what came first serves as well as what came last.
There is one at a time, of the dataset that was iterated last: another dataset begins another one.

**Processes at once.** Room and slots are given out under a lock of the file, which the kernel takes away from a process
that ends. A sample is written before its place, and that before its key, each of them one word: a reader, who takes no
lock, finds all of it or nothing (on x86-64, whose stores are seen in their order). A worker that is killed in the
middle leaves room that is lost and nothing else.
"""

import _thread
import fcntl
import mmap
import os
import sys

TYPE_CHECKING = False  # typing itself is not imported here
if TYPE_CHECKING:
    from typing import Any

_form: "Any" = None  # sample_form.py

_MARK = "headrace: samples that are kept"
_HIGH = 900  # descriptors from here on, so that the program's own numbers stay as they are
_HEADER = 4096
_CURSOR, _ENTRIES, _CLOSED = 1, 2, 3  # words of the header: bytes used, slots used, whether nothing more is kept
_FEWEST_SLOTS, _MOST_SLOTS = 1 << 12, 1 << 22
_BYTES_A_SLOT = 256

# What the file `cache` of the trial counts, for each process in a slot of 64 bytes; the first is the number of slots.
_COUNTS = ("hits", "misses", "kept", "refused", "bytes", "full")
_COUNT_SLOTS = 1024


class Counts:
    """What this process has served, in a file that outlives it."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._pid = 0
        self._words: Any = None

    def add(self, name: str, by: int = 1) -> None:
        """Add to one of the counts."""
        if self._pid != os.getpid():  # a worker that was forked counts by itself
            self._pid = os.getpid()
            self._words = self._open()
        if self._words is not None:
            self._words[_COUNTS.index(name)] += by

    def _open(self) -> "Any":
        if not self._path:
            return None  # nobody asked for them
        try:
            descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError:
            return None
        try:
            fcntl.lockf(descriptor, fcntl.LOCK_EX)
            os.posix_fallocate(descriptor, 0, 64 * _COUNT_SLOTS)  # a store into a hole of a full disk would kill
            memory = mmap.mmap(descriptor, 64 * _COUNT_SLOTS)
        except (OSError, ValueError):
            return None
        finally:
            os.close(descriptor)  # and with it the lock
        words = memoryview(memory).cast("Q")
        if words[0] + 1 >= _COUNT_SLOTS:
            return None
        words[0] += 1
        first = 8 * words[0]
        return words[first : first + 8]


class Store:
    """The shared memory of one cache, as this process sees it."""

    def __init__(self, descriptor: int, size: int, counts: Counts) -> None:
        slots = _slots_of(size)
        self.descriptor = descriptor
        self.size = size
        self.counts = counts
        self._mask = slots - 1
        self._table = _HEADER // 8
        self._data = _HEADER + 16 * slots
        self.memory = mmap.mmap(descriptor, self._data + size)
        self._words = memoryview(self.memory).cast("Q")
        self._busy = _thread.allocate_lock()

    def __del__(self) -> None:
        """Give the memory back, where no other process has it."""
        try:
            os.close(self.descriptor)
        except Exception:  # the program closed it, or the interpreter is gone
            return

    def find(self, index: int) -> int:
        """Return where the sample of an index lies; 0 where it is not kept."""
        words, mask, table = self._words, self._mask, self._table
        slot = index & mask
        while True:
            key = words[table + 2 * slot]
            if key == index + 1:
                return int(words[table + 2 * slot + 1])
            if key == 0:
                return 0
            slot = (slot + 1) & mask

    def load(self, place: int) -> "Any":
        """Make the sample anew that lies there."""
        length = self._words[place >> 3]
        return _form.Reader(self.memory[place + 8 : place + 8 + length], self.memory, place).load()

    def keep(self, index: int, sample: "Any") -> None:
        """Keep a sample, where it can be kept and there is room."""
        if not self._busy.acquire(False):
            return  # another thread, which the parent may have had when it forked
        try:
            self.counts.add(self._keep(index, sample) if _form.keepable(sample, 0, [0]) else "refused")
        except Exception:  # a class that cannot be pickled, for example a local one; or the program closed what is ours
            self.counts.add("refused")
        finally:
            self._busy.release()

    def _keep(self, index: int, sample: "Any") -> str:
        writer = _form.Writer()
        skeleton = writer.skeleton(sample)
        first = _form.aligned(8 + len(skeleton))
        place = self._take(first + writer.bytes)
        if not place:
            return "full"
        self._write(place, first, skeleton, writer)
        self._publish(index, place)
        self.counts.add("bytes", first + writer.bytes)
        return "kept"

    def close(self) -> None:
        """Keep nothing more, in all processes; what is kept is served on."""
        self._words[_CLOSED] = 1

    def _take(self, size: int) -> int:
        words = self._words
        fcntl.lockf(self.descriptor, fcntl.LOCK_EX)
        try:
            used = words[_CURSOR]
            if words[_CLOSED] or used + size > self.size or 4 * words[_ENTRIES] >= 3 * (self._mask + 1):
                return 0
            words[_CURSOR] = _form.aligned(used + size)
            return int(self._data + used)
        finally:
            fcntl.lockf(self.descriptor, fcntl.LOCK_UN)

    def _write(self, place: int, first: int, skeleton: bytes, writer: "Any") -> None:
        for at, leaf in writer.leaves:
            _form.put(leaf, self.memory, place + first + at)
        self.memory[place + 8 : place + 8 + len(skeleton)] = skeleton
        self._words[place >> 3] = len(skeleton)

    def _publish(self, index: int, place: int) -> None:
        words, mask, table = self._words, self._mask, self._table
        fcntl.lockf(self.descriptor, fcntl.LOCK_EX)
        try:
            slot = index & mask
            while words[table + 2 * slot] not in (0, index + 1):
                slot = (slot + 1) & mask
            if words[table + 2 * slot] == 0:
                words[_ENTRIES] += 1
                words[table + 2 * slot + 1] = place
                words[table + 2 * slot] = index + 1
        finally:
            fcntl.lockf(self.descriptor, fcntl.LOCK_UN)


def _slots_of(size: int) -> int:
    slots = _FEWEST_SLOTS
    while slots < _MOST_SLOTS and slots * _BYTES_A_SLOT < size:
        slots *= 2
    return slots


def make_store(size: int, counts: Counts) -> Store:
    """Make the memory of a cache of so many bytes of samples; none of it is used before something is kept."""
    low = os.memfd_create("samples", os.MFD_CLOEXEC)
    try:
        descriptor = fcntl.fcntl(low, fcntl.F_DUPFD_CLOEXEC, _HIGH)
        os.close(low)
    except OSError:  # the program may have fewer descriptors
        descriptor = low
    os.ftruncate(descriptor, _HEADER + 16 * _slots_of(size) + size)
    return Store(descriptor, size, counts)


def _random_state() -> "tuple[Any, ...]":
    """Return the state of the generators that everybody shares, to compare; one that cannot be read equals none."""
    torch = sys.modules["torch"]
    try:
        state: list[Any] = [bytes(memoryview(torch.get_rng_state().numpy()))]
        if "random" in sys.modules:
            state.append(sys.modules["random"].getstate())
        if "numpy.random" in sys.modules:
            name, keys, *rest = sys.modules["numpy.random"].get_state()
            state += [name, keys.tobytes(), *rest]
    except Exception:  # NumPy's generator was replaced, or torch has no NumPy
        return (object(),)
    return tuple(state)


class Kept:
    """A dataset whose samples are kept. Everything but the samples is the dataset's own."""

    def __init__(self, dataset: "Any", store: Store) -> None:
        self._dataset = dataset
        self._store = store

    def __getattr__(self, name: str) -> "Any":
        return getattr(self._dataset, name)

    def __len__(self) -> int:
        return len(self._dataset)

    def __getitem__(self, index: "Any") -> "Any":
        number = _number(index)
        if number is None:
            return self._dataset[index]
        store = self._store
        place = store.find(number)
        if place:
            try:
                sample = store.load(place)
            except Exception:  # a class of it is gone, or memory is short: then the program makes it
                store.counts.add("misses")
                return self._dataset[index]
            store.counts.add("hits")
            return sample
        store.counts.add("misses")
        before = _random_state()
        sample = self._dataset[index]
        if before == _random_state():
            store.keep(number, sample)
        else:
            store.counts.add("refused")
        return sample


class KeptMany(Kept):
    """One of a dataset that makes several samples at once."""

    def __getitems__(self, indices: "Any") -> "Any":
        store = self._store
        numbers = [_number(index) for index in indices]
        places = [0 if number is None else store.find(number) for number in numbers]
        missing = [at for at, place in enumerate(places) if not place]
        samples: list[Any] = [None] * len(places)
        if missing:
            store.counts.add("misses", len(missing))
            before = _random_state()
            made = self._dataset.__getitems__([indices[at] for at in missing])
            drawn = before != _random_state()
            if type(made) is not list or len(made) != len(missing):  # who knows which is which
                return made if len(missing) == len(places) else self._dataset.__getitems__(indices)
            for at, sample in zip(missing, made, strict=True):
                samples[at] = sample
                number = numbers[at]
                if number is not None and not drawn:
                    store.keep(number, sample)
                else:
                    store.counts.add("refused")
        for at, place in enumerate(places):
            if place:
                samples[at] = store.load(place)
        store.counts.add("hits", len(places) - len(missing))
        return samples


def _number(index: "Any") -> "int | None":
    """Return an index as a number, None for one that is none or below 0."""
    if type(index) is not int:
        numpy = sys.modules.get("numpy")
        if numpy is None or not isinstance(index, numpy.integer):
            return None
        index = int(index)
    return index if 0 <= index < 1 << 62 else None


class Cache:
    """The caches of this process: one at a time, that of the dataset that was iterated last."""

    def __init__(self, size: int, path: str) -> None:
        self._size = size // 8 * 8  # whole words
        self._counts = Counts(path)
        self._dataset: Any = None
        self._store: Store | None = None
        self._here: tuple[Any, Any] | None = None  # in a worker: the dataset and what stands for it

    def handed(self, dataset: "Any") -> "Any":
        """Return what an iterator takes instead of the dataset: it pickles without anything of ours.

        The dataset itself where no memory can be had; the trial then finds that nothing was served.
        """
        if self._store is None or self._dataset is not dataset:
            if self._store is not None:
                self._store.close()  # workers that stay may have it yet, and two would take twice the memory
            try:
                self._store = make_store(self._size, self._counts)
            except (OSError, ValueError):
                self._store = None
                return dataset
            self._dataset = dataset
        return (_MARK, dataset, os.getpid(), self._store.descriptor)

    def taken(self, dataset: "Any") -> "tuple[Any, Store | None]":
        """Return the dataset of what was handed over, and its cache; anything else as it is, without one."""
        if type(dataset) is not tuple or len(dataset) != 4 or dataset[0] != _MARK:
            return dataset, None
        _, real, pid, descriptor = dataset
        if self._store is not None and self._dataset is real and self._store.descriptor == descriptor:
            return real, self._store  # of this process, or of the one that forked it
        try:
            ours = os.open(f"/proc/{pid}/fd/{descriptor}", os.O_RDWR | os.O_CLOEXEC)
            self._store = Store(ours, self._size, self._counts)
            self._dataset = real
        except (OSError, ValueError):
            return real, None  # the trial finds that nothing was served
        return real, self._store

    def stand_in(self, dataset: "Any", store: Store) -> "Any":
        """Return what stands for a dataset in a fetcher."""
        many = callable(getattr(dataset, "__getitems__", None))
        return KeptMany(dataset, store) if many else Kept(dataset, store)

    def begin_worker(self, dataset: "Any") -> "Any":
        """Take over the dataset of a worker; returns the program's own."""
        real, store = self.taken(dataset)
        self._here = (real, store) if store is not None else None
        return real

    def of_fetcher(self, dataset: "Any") -> "Any":
        """Return what a fetcher is to read from."""
        if self._here is not None and dataset is self._here[0]:
            return self.stand_in(*self._here)
        real, store = self.taken(dataset)
        return self.stand_in(real, store) if store is not None else real


def prepare(load: "Any") -> None:
    """Load what belongs to this file; `load` loads a file of this folder."""
    global _form
    _form = load("sample_form")


def put_in(module: "Any", fix: "dict[str, str]", meant: "set[int]", load: "Any") -> None:
    """Let the iterators of the loaders that are meant read through the cache."""
    prepare(load)
    cache = Cache(int(fix["cache_bytes"]), fix.get("cache", ""))
    kinds, base, workers = module._DatasetKind, module._BaseDataLoaderIter, module._utils.worker
    begin, create, work = vars(base)["__init__"], kinds.create_fetcher, workers._worker_loop
    pipes = getattr(module, "MapDataPipe", ())

    def __init__(iterator: "Any", loader: "Any") -> None:
        begin(iterator, loader)
        if id(loader) in meant and iterator._dataset_kind == kinds.Map and not isinstance(loader.dataset, pipes):
            iterator._dataset = cache.handed(loader.dataset)

    def create_fetcher(kind: "Any", dataset: "Any", *others: "Any") -> "Any":
        return create(kind, cache.of_fetcher(dataset), *others)

    def _worker_loop(kind: "Any", dataset: "Any", *others: "Any") -> "Any":
        return work(kind, cache.begin_worker(dataset), *others)

    _worker_loop.__module__, _worker_loop.__qualname__ = workers.__name__, "_worker_loop"  # it is pickled by its name
    base.__init__ = __init__
    kinds.create_fetcher = staticmethod(create_fetcher)
    workers._worker_loop = _worker_loop
