"""Reads lines of standard input up to its end, then trains for as many steps as there were lines."""

import sys

from small_training import train

lines = sys.stdin.read().splitlines()
print(f"{len(lines)} lines, the last is {lines[-1]!r}")
train("asked", len(lines))
