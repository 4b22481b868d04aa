"""Puts bfloat16 autocast around the forwards and losses of a training that does not know of it. Only in a sandbox.

As a user would write it: it begins with the outermost call of a module that trains, goes on over the loss, and ends
before the backward and before an optimizer's step. What a module computes in eval mode, or without gradients, stays as
it is. The recorder tells when these begin.
"""

import _thread
import sys

TYPE_CHECKING = False  # typing itself is not imported here: the program would start slower and could notice
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any


class Autocast:
    """Of the thread that trains. While it is not `active`, everything is as without it."""

    def __init__(self, active: bool, began: "Callable[[], None]") -> None:
        self.active = active
        self._began: Callable[[], None] | None = began
        self._context: Any = None
        self._again = False  # when the module that does not train has returned
        self._device = ""
        self._thread = 0

    def listeners(self, recorder: "Any") -> "dict[int, dict[str, Any]]":
        """What the recorder is to tell, by kind."""
        return {
            recorder.FORWARD: {"before": self.forward_begins, "after": self.forward_ended},
            recorder.BACKWARD: {"before": self.backward_begins},
        }

    def forward_begins(self, args: "Any", kwargs: "Any") -> None:
        """Begin it for a module that trains; leave it for one that does not."""
        if not self.active:
            return
        torch = sys.modules["torch"]
        trains = args[0].training and torch.is_grad_enabled()
        if trains and not self._thread:
            self._thread = _thread.get_ident()
        if self._thread != _thread.get_ident():
            return
        self._again = not trains and self._context is not None
        if not trains:
            self.leave()
        elif self._context is None:
            self._enter(torch, args[0])

    def forward_ended(self, args: "Any", kwargs: "Any", result: "Any") -> None:
        """Go on with it after a module that does not train, a teacher for example."""
        if self._again and self._thread == _thread.get_ident():
            self._again = False
            self._enter(sys.modules["torch"], args[0])

    def backward_begins(self, args: "Any", kwargs: "Any") -> None:
        """End it: the backward computes in the types of the forward."""
        if self._thread == _thread.get_ident():
            self.leave()

    def leave(self) -> None:
        """End it, on the thread that it began on."""
        context, self._context = self._context, None
        if context is not None:
            context.__exit__(None, None, None)

    def _step_begins(self, *_: "Any") -> None:
        if self._thread == _thread.get_ident():
            self.leave()

    def _enter(self, torch: "Any", module: "Any") -> None:
        first = next(module.parameters(), None) if not self._device else None
        if first is not None:
            self._device = first.device.type
        device = self._device or ("cuda" if torch.cuda.is_initialized() else "cpu")  # of a module without parameters
        context = torch.autocast(device, dtype=torch.bfloat16)
        context.__enter__()
        self._context = context
        if self._began is not None:
            began, self._began = self._began, None
            hooks = getattr(sys.modules.get("torch.optim.optimizer"), "_global_optimizer_pre_hooks", None)
            if hooks is not None:
                hooks[-4] = self._step_begins
            began()
