"""Warnings of libraries that no user can act on."""

from __future__ import annotations

import logging
import warnings


def filter_library_warnings() -> None:
    """Silence them in this process; the command line and the processes that train call it alike."""
    # transformers and peft warn each other of names that change in a year.
    warnings.filterwarnings("ignore", category=FutureWarning, module=r"transformers\.|peft\.")
    # bitsandbytes misses kernels from a hub that nobody asked for; its own kernels do the work.
    logging.getLogger("bitsandbytes.backends.cpu.ops").setLevel(logging.ERROR)
