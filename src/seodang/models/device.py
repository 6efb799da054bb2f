"""Choose the device of a model, and control the memory of the process."""

from __future__ import annotations

import ctypes
import platform
import resource
import sys

import torch

from seodang.errors import ModelError
from seodang.i18n import _

# Parameters of mallopt(3) and a size. Touching fresh pages is slow on small machines; with
# these parameters glibc keeps freed tensors and reuses them.
_M_TRIM_THRESHOLD, _M_TOP_PAD, _M_MMAP_THRESHOLD = -1, -2, -3
_KEEP_BYTES = 1 << 30


def choose_device(device: str) -> str:
    """Return "cuda", "mps" or "cpu"; "auto" selects the first available device.

    Raises:
        ModelError: If the named device is not available.
    """
    devices = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if device == "auto":
        return next(name for name, available in devices.items() if available)
    if not devices[device]:
        raise ModelError(
            _(
                "train.device is {device!r}, but this machine has {devices}; use auto",
                device=device,
                devices=", ".join(name for name, available in devices.items() if available),
            )
        )
    return device


def describe_arithmetic(device: str) -> dict[str, str | int]:
    """Return what the rounding of a result depends on, besides weights and versions: another sum order is another sum.

    Args:
        device: "cpu", "cuda" or "mps".
    """
    if device == "cuda":
        return {"device": torch.cuda.get_device_name()}
    instructions = torch.backends.cpu.get_cpu_capability()
    return {
        "device": device,
        "machine": platform.machine(),
        "instructions": instructions,
        "threads": torch.get_num_threads(),
    }


def get_peak_memory_mb() -> int:
    """Return the peak resident set size of this process, in MB (2 ** 20 bytes)."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak // (2**20 if sys.platform == "darwin" else 2**10)  # macOS counts bytes, Linux kilobytes


def keep_freed_memory() -> None:
    """Make glibc reuse freed memory instead of returning it to the system."""
    if not sys.platform.startswith("linux"):
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:  # musl has no mallopt
        return
    for parameter, value in ((_M_MMAP_THRESHOLD, _KEEP_BYTES), (_M_TRIM_THRESHOLD, _KEEP_BYTES), (_M_TOP_PAD, 1 << 26)):
        mallopt(parameter, value)
