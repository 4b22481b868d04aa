"""Runs a command to its end and leaves the CPU time of all its processes, and of this one, in a file.

`python measured.py FILE COMMAND…`: what a program itself cannot know is what its own end costs.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
from pathlib import Path


def main() -> int:
    """Ends as the command does."""
    code = subprocess.call(sys.argv[2:])
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    Path(sys.argv[1]).write_text(json.dumps({"cpu_seconds": sum(one.ru_utime + one.ru_stime for one in used)}))
    return code


if __name__ == "__main__":
    sys.exit(main())
