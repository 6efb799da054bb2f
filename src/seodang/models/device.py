"""Where the arithmetic runs."""

from __future__ import annotations

import ctypes
import resource
import sys

import torch

from seodang.errors import ModelError

# mallopt(3): parameters and a size. Fresh pages are slow to touch on small machines: with
# these, freed tensors are kept and used again.
_M_TRIM_THRESHOLD, _M_TOP_PAD, _M_MMAP_THRESHOLD = -1, -2, -3
_KEEP_BYTES = 1 << 30


def choose_device(device: str) -> str:
    """Return "cuda", "mps" or "cpu"; "auto" takes the first that is there.

    Raises:
        ModelError: If a device was asked for by name and is not there.
    """
    devices = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if device == "auto":
        return next(name for name, available in devices.items() if available)
    if not devices[device]:
        raise ModelError(
            f"train.device is {device!r}, but this machine has {', '.join(name for name, yes in devices.items() if yes)}; use auto"
        )
    return device


def get_peak_memory_mb() -> int:
    """Return the largest resident set that this process has had, in MB (2 ** 20 bytes)."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak // (2**20 if sys.platform == "darwin" else 2**10)  # macOS counts bytes, Linux kilobytes


def keep_freed_memory() -> None:
    """Tell glibc to hand out freed memory again instead of returning it to the system."""
    if not sys.platform.startswith("linux"):
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:  # musl has none
        return
    for parameter, value in ((_M_MMAP_THRESHOLD, _KEEP_BYTES), (_M_TRIM_THRESHOLD, _KEEP_BYTES), (_M_TOP_PAD, 1 << 26)):
        mallopt(parameter, value)
