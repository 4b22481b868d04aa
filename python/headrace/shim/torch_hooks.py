"""Hooks for PyTorch: loader, workers, forward, backward, optimizer, checkpoints, device waits.

Each function takes the recorder and the module that was just imported. Written against torch 1.13 to 2.13; what a
release does not have raises here, which switches off that function's remaining hooks and is counted in the report.
"""

import sys

TYPE_CHECKING = False  # typing itself is not imported here: the program would start slower and could notice
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any


# By kind, what else is told of the begin and the end of each such interval: what try and the probe put in.
listeners: "dict[int, dict[str, Any]]" = {}


def _replace(recorder: "Any", owner: "Any", name: str, kind: int, **notices: "Any") -> None:
    notices |= listeners.get(kind, {})
    setattr(owner, name, recorder.hook(getattr(owner, name), kind, **notices))


# torch's own Module.train and what stands for it.
_train: "dict[str, Any]" = {}

# What begins and ends a step of an optimizer, as the recorder made them.
_optimizer: "dict[str, Any]" = {}


def hook_torch(recorder: "Any", torch: "Any") -> None:
    """Forward, backward, checkpoints, evaluation marks, and the precise begin of the interpreter's shutdown."""
    recorder.text(recorder.TEXT_FRAMEWORK, f"torch {torch.__version__}")
    threading = sys.modules.get("threading")
    register = getattr(threading, "_register_atexit", None)
    if register is not None:
        register(recorder.teardown)
    modes = getattr(torch._C, "_len_torch_function_stack", None)
    if modes is not None:
        recorder.tensor_type(torch.Tensor, modes, torch.strided)
    hook_backward(recorder, torch)
    _replace(recorder, torch, "save", recorder.CHECKPOINT)
    torch.serialization.save = torch.save
    _train["original"] = vars(torch.nn.Module)["train"]
    _replace(recorder, torch.nn.Module, "train", recorder.TRAIN_MODE)
    _train["hooked"] = vars(torch.nn.Module)["train"]
    hook_forward(recorder, torch)


def hook_forward(recorder: "Any", torch: "Any") -> None:
    """Calls of modules."""
    _replace(recorder, torch.nn.Module, "__call__", recorder.FORWARD)


def hook_backward(recorder: "Any", torch: "Any") -> None:
    """Calls of autograd."""
    for name in ("backward", "grad"):
        function = getattr(torch.autograd, name)
        _replace(recorder, torch.autograd, name, recorder.BACKWARD)
        _let_torchscript_know(function, getattr(torch.autograd, name))


def _let_torchscript_know(function: "Any", hook: "Any") -> None:
    """Let TorchScript compile a call of the hook as what the function is: it knows its operators by their functions."""
    builtins: Any = sys.modules.get("torch.jit._builtins")
    for known, operator in list(getattr(builtins, "_builtin_ops", ())):
        if known is function:
            builtins._builtin_ops.append((hook, operator))
            if builtins._builtin_table is not None:
                builtins._builtin_table[id(hook)] = operator


def hook_optimizer(recorder: "Any", module: "Any") -> None:
    """Optimizer steps, through torch's own global step hooks.

    Put in directly, under keys that torch gives to nobody: its own function for it would use up two of the numbers by
    which the program's hooks are known, also in a pickle.
    """
    import contextlib  # which torch has imported

    _optimizer["begin"], _optimizer["end"] = recorder.optimizer_hooks(contextlib.nullcontext())
    module._global_optimizer_pre_hooks[-1] = _optimizer["begin"]
    module._global_optimizer_post_hooks[-1] = _optimizer["end"]


def _let_compiler_follow(torch: "Any") -> None:
    """Make the hooks of optimizer steps functions of Python, which torch's compiler can follow into a compiled step.

    It finds that they do nothing there. They have returned before anything else of the step is on the stack.
    """
    module = sys.modules["torch.optim.optimizer"]  # some releases delete the attribute
    if not _optimizer:
        return  # its hooks are switched off
    before, after = module._global_optimizer_pre_hooks, module._global_optimizer_post_hooks
    begin, end = _optimizer["begin"], _optimizer["end"]
    # Once, and not where the program took them away. Torch before 2.3 compiles no optimizer.
    if before.get(-1) is not begin or not hasattr(torch, "compiler") or not hasattr(torch.compiler, "is_compiling"):
        return

    def step_begins(optimizer: "Any", args: "Any", kwargs: "Any") -> None:
        if not torch.compiler.is_compiling():
            begin(optimizer, args, kwargs)

    def step_ended(optimizer: "Any", args: "Any", kwargs: "Any") -> None:
        if not torch.compiler.is_compiling():
            end(optimizer, args, kwargs)

    before[-1], after[-1] = step_begins, step_ended


def hook_compiler(recorder: "Any", module: "Any") -> None:
    """A program that compiles gets torch's own Module.train back: code that calls it could not be compiled.

    Its evaluations then begin with their loader, or with their first forward. What begins and ends a step of an
    optimizer becomes Python then, which costs a few microseconds: not before.
    """
    torch = sys.modules["torch"]
    module_type = torch.nn.Module

    def compiles(args: "Any", kwargs: "Any") -> None:
        if vars(module_type)["train"] is _train.get("hooked"):
            module_type.train = _train["original"]
        _let_compiler_follow(torch)

    _replace(recorder, module.OptimizeContext, "__init__", recorder.NONE, before=compiles)


def _text(value: "Any") -> str:
    """Write a JSON number, true, false, null or a plain word."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    return '"' + "".join(c for c in str(value) if c.isalnum() or c in "_-.") + '"'


_FUNCTIONS = (type(_text), type(len), type(_text.__get__(0)), type)  # of Python and C, methods, and plain classes


def _loader_config(loader: "Any") -> str:
    workers = loader.num_workers
    method = None
    if workers:
        context = loader.multiprocessing_context
        if context is None:
            context = sys.modules["multiprocessing"]
        method = context.get_start_method()
    dataset = type(loader.dataset)
    collate = loader.collate_fn
    if type(collate) not in _FUNCTIONS:  # an object that can be called: nothing is asked of it
        collate = type(collate)
    sampler = getattr(loader, "batch_sampler", None)
    values = {
        "batch_size": loader.batch_size if loader.batch_size is not None else getattr(sampler, "batch_size", None),
        "workers": workers,
        "prefetch_factor": loader.prefetch_factor if workers else None,
        "persistent": bool(loader.persistent_workers),
        "method": method,
        "pin_memory": bool(loader.pin_memory),
        "in_order": bool(getattr(loader, "in_order", True)),
        "iterable": getattr(loader, "_dataset_kind", 0) == 1,  # torch's _DatasetKind.Iterable
        "dataset": f"{dataset.__module__}.{dataset.__qualname__}",
        "collate": f"{collate.__module__}.{collate.__qualname__}",
        "threads": sys.modules["torch"].get_num_threads(),  # intra-op, of this process
    }
    texts = [f'"{name}":{_text(value)}' for name, value in values.items()]
    texts.append(_sites.get(id(loader), '"made":null'))
    return "{" + ",".join(texts) + "}"


# Where a loader was made, and its number among all that were made, by its id, as long as it may live: parts of JSON.
_sites: "dict[int, str]" = {}
_MOST_SITES = 4096  # of a program that makes loaders without end

# Called with each loader that the program makes, its site (file, line) and the name of its sampler's type: what try
# puts in.
made: "list[Callable[[Any, tuple[str, int], str], None]]" = []


def _quoted(text: str) -> str:
    """Write a JSON string of any text."""
    escape = {'"': '\\"', "\\": "\\\\"}
    return '"' + "".join(escape.get(c) or (c if " " <= c < "\x7f" else _escaped(c)) for c in text) + '"'


def _escaped(c: str) -> str:
    code = ord(c)
    if code < 0x10000:
        return f"\\u{code:04x}"
    code -= 0x10000
    return f"\\u{0xD800 + (code >> 10):04x}\\u{0xDC00 + (code & 0x3FF):04x}"


def hook_sites(recorder: "Any", module: "Any") -> None:
    """Notice where a loader is made, in the last call of its __init__, which torch asks for advice on workers."""
    own = module.__file__
    count = 0

    def checked(args: "tuple[Any, ...]", kwargs: "Any") -> None:
        nonlocal count
        frame = sys._getframe(1)
        if frame.f_code.co_name != "__init__":
            return  # a loader with workers is asked again at each __iter__
        count += 1
        loader = args[0]
        while frame.f_back is not None and frame.f_code.co_filename == own:
            frame = frame.f_back
        site = (frame.f_code.co_filename, frame.f_lineno)
        sampler = type(getattr(loader, "sampler", None)).__name__
        if len(_sites) >= _MOST_SITES:
            _sites.clear()
        values = f'"file":{_quoted(site[0])},"line":{site[1]},"sampler":{_quoted(sampler)}'
        _sites[id(loader)] = '"made":{' + values + '},"serial":' + str(count)
        for listener in made:
            listener(loader, site, sampler)

    _replace(recorder, module.DataLoader, "check_worker_number_rationality", recorder.NONE, before=checked)


def hook_dataloader(recorder: "Any", module: "Any") -> None:
    """Loader iterators in the process that trains."""

    def iterated(args: "tuple[Any, ...]", kwargs: "Any", iterator: "Any") -> None:
        loader = args[0]
        recorder.moment(recorder.LOADER, id(loader), getattr(loader, "batch_size", None) or 0)
        recorder.text(recorder.TEXT_LOADER_CONFIG, _loader_config(loader))
        for number, worker in enumerate(getattr(iterator, "_workers", ())):
            recorder.moment(recorder.WORKER, id(iterator), number << 32 | (worker.pid or 0))

    _replace(recorder, module._BaseDataLoaderIter, "__next__", recorder.WAIT)
    _replace(recorder, module.DataLoader, "__iter__", recorder.ITER, after=iterated)
    _replace(recorder, module._MultiProcessingDataLoaderIter, "_try_get_data", recorder.RECEIVE)
    hook_sites(recorder, module)


def hook_fetch(recorder: "Any", module: "Any") -> None:
    """The fetchers, wherever they run. The hook times their samples and the collation too, and leaves them as they are.

    The hook is on their classes: in the fetcher itself it would make a cycle, and keep the program's dataset alive.
    """
    for owner, kind in (
        (module._MapDatasetFetcher, recorder.FETCH),
        (module._IterableDatasetFetcher, recorder.FETCH_ITERATOR),
    ):
        owner.fetch = recorder.hook(vars(owner)["fetch"], kind)  # not that of a base class


def hook_worker(recorder: "Any", module: "Any") -> None:
    """What runs in a worker process around the fetcher."""

    def began(args: "tuple[Any, ...]", kwargs: "Any") -> None:
        queue = args[3]
        recorder.moment(recorder.WORKER_BEGIN, args[10], args[11])
        queue.put = recorder.hook(queue.put, recorder.PUT)
        if hasattr(queue, "_send_bytes"):
            queue._send_bytes = recorder.hook(queue._send_bytes, recorder.SEND)

    _replace(recorder, module, "_worker_loop", recorder.NONE, before=began)


_COLLECTIVES = (
    "all_gather", "all_gather_into_tensor", "all_gather_object", "all_reduce", "all_to_all", "all_to_all_single",
    "barrier", "broadcast", "broadcast_object_list", "gather", "gather_object", "monitored_barrier", "recv", "reduce",
    "reduce_scatter", "reduce_scatter_tensor", "scatter", "scatter_object_list", "send",
)  # fmt: skip


def hook_distributed(recorder: "Any", module: "Any") -> None:
    """The rank of this process, and the collectives that Python calls; those of DDP's backward are not among them."""

    def joined(args: "Any", kwargs: "Any", result: "Any") -> None:
        recorder.moment(recorder.GROUP, module.get_rank(), module.get_world_size())

    for name in _COLLECTIVES:
        if hasattr(module, name):
            _replace(recorder, module, name, recorder.SYNC)
    _replace(recorder, module, "init_process_group", recorder.NONE, after=joined)


def hook_cuda(recorder: "Any", module: "Any") -> None:
    """Waits for a CUDA device, copies to it and its peak memory; in place only once the program uses one."""
    installed: list[bool] = []

    def initialised(args: "Any", kwargs: "Any", result: "Any") -> None:
        torch = sys.modules.get("torch")
        if installed or torch is None or not module.is_initialized():
            return
        installed.append(True)
        for name in ("item", "tolist", "cpu", "numpy", "__bool__", "__int__", "__float__"):
            _replace(recorder, torch.Tensor, name, recorder.DEVICE_WAIT)
        _replace(recorder, module, "synchronize", recorder.DEVICE_WAIT)
        for name in ("to", "cuda"):
            _replace(recorder, torch.Tensor, name, recorder.TRANSFER)
        sys.modules["atexit"].register(lambda: recorder.moment(recorder.MEMORY, module.max_memory_allocated(), 0))

    _replace(recorder, module, "_lazy_init", recorder.NONE, after=initialised)
