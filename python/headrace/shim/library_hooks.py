"""Hooks for what writes checkpoints and logs beside torch itself. Same rules as torch_hooks.py."""

TYPE_CHECKING = False  # typing itself is not imported here: the program would start slower and could notice
if TYPE_CHECKING:
    from typing import Any


def _replace(recorder: "Any", owner: "Any", kind: int, *names: str) -> None:
    for name in names:
        function = getattr(owner, name, None)
        if function is not None:
            setattr(owner, name, recorder.hook(function, kind))


def hook_logging(recorder: "Any", module: "Any") -> None:
    """Records that pass a logger's level; those below it cost nothing."""
    _replace(recorder, module.Logger, recorder.LOGGING, "handle")


def hook_queue(recorder: "Any", module: "Any") -> None:
    """Where a loop takes the batches that a thread of its own has loaded ahead."""
    _replace(recorder, module.Queue, recorder.HANDOVER, "get")


def hook_futures(recorder: "Any", module: "Any") -> None:
    """The same where a pool of threads loads them."""
    _replace(recorder, module.Future, recorder.FUTURE, "result")


def hook_tqdm(recorder: "Any", module: "Any") -> None:
    """A progress bar when it draws, not when it counts."""
    _replace(recorder, module.tqdm, recorder.LOGGING, "refresh", "display", "close")


def hook_tensorboard(recorder: "Any", module: "Any") -> None:
    """Everything that a SummaryWriter adds or flushes."""
    names = [name for name in dir(module.SummaryWriter) if name.startswith("add_")]
    _replace(recorder, module.SummaryWriter, recorder.LOGGING, *names, "flush", "close")


def hook_wandb(recorder: "Any", module: "Any") -> None:
    """Logged metrics and saved files of a run."""
    _replace(recorder, module.Run, recorder.LOGGING, "log", "finish")
    _replace(recorder, module.Run, recorder.CHECKPOINT, "log_artifact")


def hook_safetensors(recorder: "Any", module: "Any") -> None:
    """Tensors written as safetensors."""
    _replace(recorder, module, recorder.CHECKPOINT, "save_file", "save_model", "save")


def hook_distributed_checkpoint(recorder: "Any", module: "Any") -> None:
    """Sharded checkpoints."""
    _replace(recorder, module, recorder.CHECKPOINT, "save", "async_save", "save_state_dict")


def hook_accelerate(recorder: "Any", module: "Any") -> None:
    """A saved state: several files, of which torch and safetensors write only some."""
    _replace(recorder, module.Accelerator, recorder.CHECKPOINT, "save_state", "save_model")


def hook_transformers(recorder: "Any", module: "Any") -> None:
    """A checkpoint of Hugging Face's Trainer with all that belongs to it, also the removal of old ones."""
    _replace(recorder, module.Trainer, recorder.CHECKPOINT, "_save_checkpoint", "save_model")


def hook_lightning(recorder: "Any", module: "Any") -> None:
    """Lightning's checkpoints: serialized in memory by torch, then written through a file system."""
    _replace(recorder, module, recorder.CHECKPOINT, "_atomic_save")


def hook_marker(recorder: "Any", module: "Any") -> None:
    """headrace's own marker: gives it the recorder. Any other module of that name is left alone."""
    if getattr(module, "MARKER_PROTOCOL", None) == 1:
        module._recorder = recorder
