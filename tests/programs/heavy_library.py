"""A library that takes its time to import: half of it computes, half of it waits for a disk."""

import os
import time

_SECONDS = float(os.environ.get("HEAVY_LIBRARY_SECONDS", "0"))
_until = time.thread_time() + _SECONDS / 2
while time.thread_time() < _until:
    pass
time.sleep(_SECONDS / 2)
