#!/bin/sh
# A program that is no Python: sleeps, computes in many short processes, writes a file. Prints when each part began,
# in seconds of the clock that /proc/uptime shows.
now() { cut -d ' ' -f 1 /proc/uptime; }
now
sleep 2
now
until=$(($(date +%s%N) + 2000000000))
while [ "$(date +%s%N)" -lt "$until" ]; do
    head -c 20000000 /dev/zero | sha256sum >/dev/null
done
now
