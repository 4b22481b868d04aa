"""Rides in every Python process of a program: installs post-import hooks, then takes itself away.

Where the program is audited they record; where a fix is applied to it they put that in, and record nothing.

It is found through PYTHONPATH under the name that Python's ``site`` imports at start-up. Afterwards ``sys.path`` and
``sys.modules`` are as they would have been, and the program's own ``sitecustomize``, if there is one, has run. It
imports no module that the interpreter has not imported already, starts no thread and no process.
"""

import os
import sys


def _leave() -> str:
    """Take this folder out of the import path and return it."""
    here = os.path.dirname(os.path.abspath(__file__))
    sys.path[:] = [entry for entry in sys.path if os.path.abspath(entry or os.curdir) != here]
    sys.path_importer_cache.pop(here, None)
    sys.modules.pop("sitecustomize", None)
    return here


def _begin(here: str) -> None:
    """Load the recorder and the hooks. Whatever fails here leaves the program unrecorded and is otherwise silent."""
    spool, fix = os.environ.get("HEADRACE_SPOOL"), os.environ.get("HEADRACE_INJECT")
    if not spool and not fix:
        return
    machinery = sys.modules["_frozen_importlib_external"]
    module = type(sys)("_headrace_hooks")
    loader = machinery.SourceFileLoader(module.__name__, os.path.join(here, "hooks.py"))
    module.__file__ = loader.path
    loader.exec_module(module)
    if spool:
        module.install(here, spool)
    else:
        module.apply(here, fix)


_here = _leave()
try:
    _begin(_here)
except Exception:  # the promise: an error of ours never reaches the program
    pass
del _leave, _begin, _here

# The program's own sitecustomize. Where there is none this raises the ImportError that site expects in that case.
import sitecustomize  # noqa: E402, F401
