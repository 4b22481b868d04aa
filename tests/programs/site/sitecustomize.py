"""A user's own sitecustomize, of which every one of the user's interpreters must take notice."""

import os
import sys

# One write: interpreters that run at the same time share this stream.
sys.stderr.write(f"the user's sitecustomize {__name__} {__file__ == os.path.abspath(__file__)}\n")
