"""Installs the recorder and the post-import hooks. Loaded by ``sitecustomize``, never registered in ``sys.modules``.

Nothing here runs while the program's own code is on the stack below it: hooks are callables of the recorder, written
in C++, which have no Python frame. Python code of this file runs at import time of a hooked module, when a loader or a
worker begins, and at exit.
"""

import os
import sys

TYPE_CHECKING = False  # typing itself is not imported here: the program would start slower and could notice
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

_external = sys.modules["_frozen_importlib_external"]
_ModuleSpec = type(sys.__spec__)

# Modules whose hooks are in torch_hooks.py and library_hooks.py: name of the module, file, function.
_TARGETS = {
    "torch": ("torch_hooks", "hook_torch"),
    "torch.utils.data.dataloader": ("torch_hooks", "hook_dataloader"),
    "torch.utils.data._utils.fetch": ("torch_hooks", "hook_fetch"),
    "torch.utils.data._utils.worker": ("torch_hooks", "hook_worker"),
    "torch.optim.optimizer": ("torch_hooks", "hook_optimizer"),
    "torch._dynamo.eval_frame": ("torch_hooks", "hook_compiler"),
    "torch.cuda": ("torch_hooks", "hook_cuda"),
    "torch.distributed.distributed_c10d": ("torch_hooks", "hook_distributed"),
    "torch.distributed.checkpoint": ("library_hooks", "hook_distributed_checkpoint"),
    "torch.utils.tensorboard.writer": ("library_hooks", "hook_tensorboard"),
    "safetensors.torch": ("library_hooks", "hook_safetensors"),
    "safetensors.numpy": ("library_hooks", "hook_safetensors"),
    "accelerate.accelerator": ("library_hooks", "hook_accelerate"),
    "transformers.trainer": ("library_hooks", "hook_transformers"),
    "lightning.fabric.utilities.cloud_io": ("library_hooks", "hook_lightning"),
    "lightning_fabric.utilities.cloud_io": ("library_hooks", "hook_lightning"),
    "logging": ("library_hooks", "hook_logging"),
    "queue": ("library_hooks", "hook_queue"),
    "concurrent.futures._base": ("library_hooks", "hook_futures"),
    "tqdm.std": ("library_hooks", "hook_tqdm"),
    "wandb.sdk.wandb_run": ("library_hooks", "hook_wandb"),
    "headrace.marker": ("library_hooks", "hook_marker"),
    "headrace_marker": ("library_hooks", "hook_marker"),  # the same file, copied into a project
}

# Interpreters that multiprocessing starts for itself; they hold no code of the program.
_HELPERS = ("multiprocessing.resource_tracker", "multiprocessing.semaphore_tracker")


class Shim:
    """What this process's shim holds: the recorder and the hook files loaded so far."""

    def __init__(self, here: str, recorder: "Any", records: bool = True) -> None:
        self.here = here
        self.recorder = recorder
        self.records = records
        self._files: dict[str, Any] = {}

    def load(self, name: str) -> "Any":
        """Load a file of this folder as a module that ``sys.modules`` does not know."""
        if name not in self._files:
            module = type(sys)("_headrace_" + name)
            loader = _external.SourceFileLoader(module.__name__, os.path.join(self.here, name + ".py"))
            loader.exec_module(module)
            self._files[name] = module
        return self._files[name]

    def apply(self, name: str, module: "Any") -> None:
        """Put the hooks of one imported module in place. An error switches these hooks off and is counted.

        What a handler of a signal raises meanwhile is the program's.
        """
        file, function = _TARGETS[name]
        try:
            getattr(self.load(file), function)(self.recorder, module)
        except Exception as error:
            if self.recorder.of_handler(error):
                raise
            self.recorder.disabled("hooks of " + name, error)

    def replace(self, owner: "Any", name: str, kind: int, after: "Callable[..., Any] | None" = None) -> None:
        """Let a hook stand for an attribute of a module or a class."""
        setattr(owner, name, self.recorder.hook(getattr(owner, name), kind, after))


def _imports(name: str) -> bool:
    """Say whether our caller's find_spec is called for an import: the module will be executed now.

    importlib.util.find_spec gives the specification to the program, which may keep, compare or pickle it. But what is
    hooked may be looked for by importlib.util.find_spec, too: by another finder within the import, or by reload.
    """
    frame: Any = sys._getframe(1).f_back  # of what has called find_spec
    frame = frame and frame.f_back  # of what had importlib's _find_spec call it
    if frame is None:  # the program itself asks
        return False
    if frame.f_code.co_name == "_find_and_load_unlocked":
        return True
    while name in _TARGETS and frame is not None:
        function = frame.f_code.co_name
        if function == "reload" and frame.f_globals.get("__name__") == "importlib":
            return True
        if function == "_find_and_load_unlocked" and frame.f_locals.get("name") == name:
            return True
        frame = frame.f_back
    return False


class Finder:
    """First on ``sys.meta_path``: lets the other finders find, then has the loader's ``exec_module`` timed or noticed.

    It wraps no loader and changes no specification: one attribute of the loader object stands in for its method until
    the module is executed.
    """

    def __init__(self, shim: Shim) -> None:
        self._shim = shim

    def find_spec(self, name: str, path: "Any" = None, target: "Any" = None) -> "Any":
        """Return the specification that the other finders give, with its loader hooked where that is of use."""
        if not _imports(name):
            return None
        recorder = self._shim.recorder
        hooked = name in _TARGETS
        outermost = not recorder.importing()
        if not hooked and not (outermost and self._shim.records):
            return None
        try:
            begin = recorder.now()
            spec = self._find(name, path, target)
            loader = getattr(spec, "loader", None)
            if loader is None or isinstance(loader, type) or not hasattr(loader, "exec_module"):
                return spec
            after = (lambda module: self._shim.apply(name, module)) if hooked else None
            recorder.import_hook(loader, name, begin, outermost, after)
        except Exception as error:
            if recorder.of_handler(error):  # the program wants to be interrupted
                raise
            return None  # another finder raised, or a loader takes no attribute: leave it to the import system
        return spec

    def _find(self, name: str, path: "Any", target: "Any") -> "Any":
        for finder in list(sys.meta_path):
            find = None if finder is self else getattr(finder, "find_spec", None)
            spec = find(name, path, target) if find is not None else None
            if spec is not None:
                return spec
        return None


def _load_recorder(here: str) -> "Any":
    """Load the extension without a trace in ``sys.modules``."""
    path = os.path.join(here, "_recorder.abi3.so")
    loader = _external.ExtensionFileLoader("_recorder", path)
    spec = _ModuleSpec("_recorder", loader, origin=path)
    module = loader.create_module(spec)
    sys.modules.pop(spec.name, None)  # where creating an extension of its kind has put it
    loader.exec_module(module)
    sys.modules.pop(spec.name, None)
    return module


def _rank(name: str) -> int:
    """Return a rank of the environment plus one, 0 where there is none."""
    value = os.environ.get(name, "")
    return int(value) + 1 if value.isdigit() else 0


def _quote(text: str) -> str:
    """Write a JSON string; the json module is not imported for it."""
    escaped = ""
    for c in text:
        if c in '"\\':
            escaped += "\\" + c
        elif c < " " or "\ud800" <= c <= "\udfff":
            escaped += f"\\u{ord(c):04x}"
        else:
            escaped += c
    return '"' + escaped + '"'


def _program() -> str:
    arguments = ",".join(_quote(argument) for argument in sys.orig_argv)
    version = ".".join(str(part) for part in sys.version_info[:3])
    return f'{{"argv":[{arguments}],"executable":{_quote(sys.executable or "")},"python":"{version}"}}'


def _finish(recorder: "Any") -> None:
    """At exit: mark the shutdown, and measure once what passing through a hook costs here."""
    recorder.teardown()
    bare = dict().clear
    recorder.calibrate(recorder.hook(bare, recorder.NONE), bare)


def _at_exit(function: "Callable[..., Any]", *arguments: "Any") -> None:
    """Register a function for the exit, and leave no module behind that the program has not imported."""
    known = "atexit" in sys.modules
    import atexit

    atexit.register(function, *arguments)
    if not known:
        del sys.modules["atexit"]


def _has_program() -> bool:
    """Say whether this process is of the program, and of a Python that the recorder can be loaded into."""
    if any(helper in argument for helper in _HELPERS for argument in sys.orig_argv[1:4]):
        return False
    return "t" not in getattr(sys, "abiflags", "") and sys.implementation.name == "cpython"


def _hook_imported(shim: Shim) -> None:
    """Put the hooks in place of what was imported before us, by a .pth file for example."""
    for name in _TARGETS:
        module = sys.modules.get(name)
        if module is not None:
            shim.apply(name, module)


def apply(here: str, fix: str) -> None:
    """Put a fix into this process, which is not recorded."""
    if not _has_program():
        return
    recorder = _load_recorder(here)
    shim = Shim(here, recorder, records=False)
    finder = Finder(shim)
    recorder.bind(type(finder.find_spec))
    inject = shim.load("inject")
    inject.install(fix, shim.load)
    _TARGETS.clear()
    _TARGETS["torch"] = ("inject", "put_into_torch")
    _TARGETS["torch.utils.data.dataloader"] = ("inject", "put_into_dataloader")
    sys.meta_path.insert(0, finder)
    _hook_imported(shim)
    _at_exit(inject.say_if_missed)


def install(here: str, spool: str) -> None:
    """Begin recording this process into the folder ``spool``."""
    if not _has_program():
        return
    recorder = _load_recorder(here)
    shim = Shim(here, recorder)
    finder = Finder(shim)
    method = type(finder.find_spec)
    if not recorder.start(os.fsencode(spool), sys.hexversion, _rank("RANK"), _rank("LOCAL_RANK"), method):
        return
    sys.meta_path.insert(0, finder)
    fix = os.environ.get("HEADRACE_INJECT")
    if fix:
        _TARGETS["torch"] = ("inject", "hook_torch")
        _TARGETS["torch.utils.data.dataloader"] = ("inject", "hook_dataloader")
        _TARGETS["torch.utils.data._utils.fetch"] = ("inject", "hook_fetch")
        shim.load("inject").install(fix, shim.load)
        _at_exit(shim.load("inject").say_if_missed)
    _hook_imported(shim)
    shim.replace(sys.modules["builtins"], "print", recorder.LOGGING)
    _at_exit(_finish, recorder)
    if not any("multiprocessing.forkserver" in argument for argument in sys.orig_argv[1:4]):
        recorder.ready(_program())
