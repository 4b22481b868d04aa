"""Trains until its time is over, saying how far it is: to be stopped and continued by its user's shell."""

import os
import sys
import time

from small_training import train

train("begun", 5)
print("ready", flush=True)
began = time.monotonic()
turns = 0
while time.monotonic() - began < 4:
    time.sleep(0.1)
    turns += 1
foreground = os.tcgetpgrp(0) == os.getpgrp()
print(f"foreground {foreground} turns {'many' if turns > 5 else turns}", flush=True)
train("ended", 5)
sys.exit(3)
