"""Imports that fail, in every way a program meets: handled, with a cause, by name, and at last unhandled."""

import importlib
import importlib.util
import pickle
import sys
import traceback
from pathlib import Path

BROKEN = Path(__file__).parent / "broken"


def attempt(name: str) -> None:
    """Imports a module and prints the traceback when it cannot."""
    try:
        importlib.import_module(name)
    except Exception:
        traceback.print_exc()
    else:
        print("imported", name)
    print(name, name in sys.modules, flush=True)


def main() -> None:
    try:
        import a_package_that_nobody_has  # type: ignore[import-not-found]  # noqa: F401
    except ImportError as error:
        print("without it:", error, error.name)
    print("found", importlib.util.find_spec("a_package_that_nobody_has"), flush=True)
    found = [importlib.util.find_spec("colorsys") for _ in range(2)]
    assert found[0] and found[1]
    print(found[0] == found[1], sorted(vars(found[0].loader)), pickle.dumps(found[0].loader), flush=True)
    sys.path.insert(0, str(BROKEN))
    attempt("raises_at_import")
    attempt("imports_what_is_missing")
    sys.path.insert(0, str(Path.cwd()))
    Path("has_a_syntax_error.py").write_text("def half(:\n")
    attempt("has_a_syntax_error")
    attempt("torch.a_module_that_nobody_has")
    attempt("torch.utils.data")
    import torch

    try:
        from torch.utils.data import ANameThatNobodyHas  # type: ignore[attr-defined]  # noqa: F401
    except ImportError:
        traceback.print_exc()
    print(torch.tensor([1.0]), flush=True)
    importlib.import_module("raises_at_import")


if __name__ == "__main__":
    main()
