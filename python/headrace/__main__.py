"""``python -m headrace ARGS`` becomes the command that this package came with."""

from __future__ import annotations

import os
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path


def places() -> Iterator[Path]:
    """Where an installer may have put the command, the nearest to this package first."""
    package = Path(__file__).resolve().parent
    if len(package.parents) > 3:
        yield package.parents[3] / "bin" / "headrace"  # PREFIX/lib/pythonX.Y/site-packages/headrace
    yield package.parent / "bin" / "headrace"  # pip install --target
    yield Path(sysconfig.get_path("scripts")) / "headrace"


def main() -> int:
    """Replaces this process by the command; comes back only where that cannot be done."""
    tried = list(places())
    for command in tried:
        try:
            os.execv(command, ["headrace", *sys.argv[1:]])
        except FileNotFoundError:
            continue
        except OSError as error:
            print(f"headrace: cannot execute {command}: {error.strerror}; install headrace again", file=sys.stderr)
            return 70
    print(
        f"headrace: the command was not found at {', '.join(map(str, tried))}; install headrace again", file=sys.stderr
    )
    return 70


if __name__ == "__main__":
    sys.exit(main())
