"""Shows which sitecustomize this interpreter and its children have."""

import multiprocessing
import subprocess
import sys


def which() -> str:
    """Where the interpreter's sitecustomize lies."""
    module = sys.modules.get("sitecustomize")
    return str(getattr(module, "__file__", None))


def main() -> None:
    print(which(), flush=True)
    subprocess.run([sys.executable, "-c", "print('child', 'sitecustomize' in __import__('sys').modules)"], check=True)
    subprocess.run([sys.executable, "-S", "-c", "print('no site')"], check=True)
    subprocess.run([sys.executable, "-I", "-c", "print('isolated')"], check=True)
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        print(pool.apply(which))


if __name__ == "__main__":
    main()
