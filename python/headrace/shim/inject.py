"""Puts a fix into a program, or a probe into one that headrace runs in its sandbox. Never where it is only audited.

The fix is the text of HEADRACE_INJECT: one `name=value` a line, in which %0A is a line break and %25 a percent sign.

    file, line, sampler            the loaders: where they are made, and the type of their samplers
    workers, prefetch_factor       their new arguments, each of them only where it is to change
    persistent_workers (0 or 1)
    batch_size
    threads                        intra-op threads of every process that is no loader worker
    precision                      bfloat16: autocast around the forward and the loss of the training (autocast.py)
    reached                        a file that gets the name of what took effect, a line each, where it says so
    cache_bytes, cache             sample_cache.py keeps samples of these loaders, at most so many bytes, and counts
                                   what it serves in this file
    probe, probe_seconds, probe_steps, probe_threads, probe_batch
                                   probe.py measures, into this file, for so long and so many steps at the most, with
                                   these numbers of threads and batches of so many samples (0: not known)
    applied                        ids of the proven fixes of these loaders: the program is none that headrace tries,
                                   and a loader that is not as it was is left alone, which is said once
    was_workers, was_prefetch_factor, was_persistent_workers, was_batch_size
                                   what the program itself gives to these loaders, each of them where it matters
    threads_with_loader (1)        the threads are set only when such a loader is made

A loader is changed when torch's own `__init__` has set all of its arguments, so that whatever computed them is served.
"""

import os
import sys

TYPE_CHECKING = False  # typing itself is not imported here: the program would start slower and could notice
if TYPE_CHECKING:
    from typing import Any

_fix: "dict[str, str]" = {}
_torch_hooks: "Any" = None
_load: "Any" = None  # a file of this folder
_start_up: "list[Any]" = []  # in a probe: what sees what the program reads before its training
_autocast: "Any" = None
_meant: "set[int]" = set()  # ids of the loaders that are to be changed or probed
_stay: "set[int]" = set()  # ids of those whose workers stay, which the program did not ask for
_others: "list[str]" = []  # in a program that is not tried: the loader that was made and not meant, once


def _parsed(text: str) -> "dict[str, str]":
    pairs = (line.partition("=") for line in text.split("\n") if line)
    return {name: value.replace("%0A", "\n").replace("%25", "%") for name, _, value in pairs}


def install(text: str, load: "Any") -> None:
    """Take the fix, and be told of every loader."""
    global _torch_hooks, _load
    _load = load
    _torch_hooks = torch_hooks = load("torch_hooks")
    _fix.update(_parsed(text))
    if "applied" in _fix and "file" in _fix:  # as it was named where the fix was proven, which may be another clone
        _fix["place"] = f"{_fix['file']}:{_fix['line']}"
        _fix["file"] = os.path.abspath(_fix["file"])
    if "probe" in _fix:
        _start_up.append(load("sight").StartUp())
    if "file" in _fix:
        torch_hooks.made.append(change_loader)


def hook_torch(recorder: "Any", torch: "Any") -> None:
    """The recorder's own hooks, the number of threads, and autocast."""
    global _autocast
    if "precision" in _fix or "probe" in _fix:
        _autocast = _load("autocast").Autocast("precision" in _fix, lambda: _say_reached("precision"))
        _torch_hooks.listeners.update(_autocast.listeners(recorder))
    _torch_hooks.hook_torch(recorder, torch)
    if "threads" in _fix and "threads_with_loader" not in _fix:
        _set_threads(torch, int(_fix["threads"]))


def hook_dataloader(recorder: "Any", module: "Any") -> None:
    """The recorder's own hooks, and the probe in place of the training loader's iterator."""
    _torch_hooks.hook_dataloader(recorder, module)
    if "persistent_workers" in _fix:
        _hook_passes(recorder, module)
    if "cache_bytes" in _fix:
        _load("sample_cache").put_in(module, _fix, _meant, _load)
    if "probe" not in _fix:
        return
    owner = module.DataLoader
    iterate = vars(owner)["__iter__"]
    begun: list[Any] = []

    def probed(loader: "Any") -> "Any":
        torch = sys.modules["torch"]
        if id(loader) not in _meant or torch.utils.data.get_worker_info() is not None:
            return iterate(loader)
        if begun and begun[-1].measures:
            return begun[-1].batches()
        tools, sight = _load("probe_conditions"), _load("sight")
        begun.append(_load("probe").Probe(loader, iterate, _fix, _autocast, tools, sight, _start_up[0].end()))
        return begun[-1].batches()

    owner.__iter__ = probed


def hook_fetch(recorder: "Any", module: "Any") -> None:
    """The recorder's own hooks, and in a probe what sees the files of samples."""
    _torch_hooks.hook_fetch(recorder, module)
    if "probe" not in _fix:
        return
    owner = module._MapDatasetFetcher
    fetch = vars(owner)["fetch"]
    seen: list[Any] = []

    def watched(fetcher: "Any", index: "Any") -> "Any":
        if not seen:
            seen.append(_load("sight").Sight(_fix["probe"]))
        return seen[0].fetched(fetch, fetcher, index)

    owner.fetch = watched


def put_into_torch(recorder: "Any", torch: "Any") -> None:
    """Autocast and the number of threads, where nothing is recorded."""
    global _autocast
    if "precision" in _fix:
        _autocast = _load("autocast").Autocast(True, lambda: None)
        _torch_hooks.listeners.update(_autocast.listeners(recorder))
        _torch_hooks.hook_forward(recorder, torch)
        _torch_hooks.hook_backward(recorder, torch)
    if "threads" in _fix and "threads_with_loader" not in _fix:
        _set_threads(torch, int(_fix["threads"]))


def put_into_dataloader(recorder: "Any", module: "Any") -> None:
    """The arguments of loaders and the cache of samples, where nothing is recorded."""
    if "file" in _fix:
        _torch_hooks.hook_sites(recorder, module)
    if "persistent_workers" in _fix:
        _hook_passes(recorder, module)
    if "cache_bytes" in _fix:
        _load("sample_cache").put_in(module, _fix, _meant, _load)


def _hook_passes(recorder: "Any", module: "Any") -> None:
    """Let a pass over workers that stay take the random number that one with new workers takes.

    Otherwise the sampler of the next pass would be seeded from another one, and its order would be another one.
    """
    torch = sys.modules["torch"]

    def begins(args: "tuple[Any, ...]", kwargs: "Any") -> None:
        loader = args[1]
        first = args[2] if len(args) > 2 else (kwargs or {}).get("first_iter", False)
        if id(loader) in _stay and not first:
            torch.empty((), dtype=torch.int64).random_(generator=loader.generator)

    owner = module._MultiProcessingDataLoaderIter
    owner._reset = recorder.hook(vars(owner)["_reset"], recorder.NONE, before=begins)


def _say(sentence: str) -> None:
    """Tell the user, once for all ranks: the program is run by hand, and nobody else will."""
    if os.environ.get("RANK", "0") == "0":
        os.write(2, f"headrace: {sentence}\n".encode(errors="backslashreplace"))


def say_if_missed() -> None:
    """At exit of a program that is not tried: whether the loader that the fix is for was ever made."""
    if _others and not _others[0]:
        _say(f"{_fix['applied']} was not applied: no loader was made at {_fix['place']} with a {_fix['sampler']}")


def _is_as_it_was(loader: "Any") -> bool:
    """Say whether the program gave to a loader what it gave when the fix was proven; tell the first that differs."""
    state = vars(loader)
    size = state.get("batch_size")
    if size is None:  # it was given batches, or a sampler of them
        size = getattr(state.get("batch_sampler"), "batch_size", None)
    now = {
        "workers": state.get("num_workers"),
        "prefetch_factor": state.get("prefetch_factor"),
        "persistent_workers": int(bool(state.get("persistent_workers"))),
        "batch_size": size,
    }
    for name, value in now.items():
        was = _fix.get("was_" + name)
        if was is not None and was != str(value):
            if not _others or not _others[0]:
                argument = "num_workers" if name == "workers" else name
                _say(
                    f"{_fix['applied']} is left out: the loader of {_fix['place']} has {argument} {value}, and it was "
                    f"proven for {was}"
                )
            _others[:] = ["told"]
            return False
    return True


def _say_reached(name: str) -> None:
    if "reached" in _fix:
        with open(_fix["reached"], "a", encoding="utf-8") as file:
            file.write(name + "\n")


def _set_threads(torch: "Any", threads: int) -> None:
    """Set the number of intra-op threads for good: a program that sets its own later sets it in vain."""
    set_threads = torch.set_num_threads
    set_threads(threads)

    def keep(number: int) -> None:
        beginning = sys._getframe(1).f_code.co_name == "_worker_loop"
        in_worker = beginning or torch.utils.data.get_worker_info() is not None
        set_threads(min(number, threads) if in_worker else threads)

    torch.set_num_threads = keep


def change_loader(loader: "Any", site: "tuple[str, int]", sampler: str) -> None:
    """Change the arguments of a loader that is meant; leave every other one alone."""
    _meant.discard(id(loader))  # the number of one that has gone
    _stay.discard(id(loader))
    file = os.path.abspath(site[0]) if "applied" in _fix else site[0]
    if (file, str(site[1]), sampler) != (_fix["file"], _fix["line"], _fix["sampler"]):
        if "applied" in _fix and not _others:
            _others.append("")
        return
    if "applied" in _fix and not _is_as_it_was(loader):
        return
    _others[:] = ["met"]
    _meant.add(id(loader))
    if "threads_with_loader" in _fix and "threads" in _fix:
        _set_threads(sys.modules["torch"], int(_fix.pop("threads")))
    # torch refuses to set some of these after __init__, because nothing would follow: here nothing has begun yet.
    state = vars(loader)
    if "workers" in _fix:
        _change_workers(state, int(_fix["workers"]))
    if "prefetch_factor" in _fix:
        state["prefetch_factor"] = int(_fix["prefetch_factor"])
    if "persistent_workers" in _fix:
        if _fix["persistent_workers"] == "1" and not state.get("persistent_workers"):
            _stay.add(id(loader))
        state["persistent_workers"] = _fix["persistent_workers"] == "1"
    if "batch_size" in _fix:
        _change_batch(loader, state, int(_fix["batch_size"]))


def _change_workers(state: "dict[str, Any]", workers: int) -> None:
    state["num_workers"] = workers
    if workers == 0:
        state["prefetch_factor"] = None
        state["persistent_workers"] = False
        state["timeout"] = 0
        state["_DataLoader__multiprocessing_context"] = None
    elif state.get("prefetch_factor") is None:
        state["prefetch_factor"] = 2  # torch's default with workers


def _change_batch(loader: "Any", state: "dict[str, Any]", size: int) -> None:
    """Change the batch size of a loader that batches by torch's own sampler; any other one keeps its batches."""
    batches: Any = getattr(loader, "batch_sampler", None)
    if loader.batch_size is None or type(batches).__name__ != "BatchSampler":
        return
    state["batch_size"] = size
    state["batch_sampler"] = type(batches)(batches.sampler, size, batches.drop_last)
