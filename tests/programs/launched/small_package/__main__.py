"""Runs the small training."""

from small_training import main

main()
