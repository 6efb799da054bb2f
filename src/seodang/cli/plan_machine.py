"""The machine of a plan: this one, or another one of which the kind of device and its memory are given."""

from __future__ import annotations

import importlib
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

from seodang.errors import ModelError, ParamsError
from seodang.i18n import _

if TYPE_CHECKING:
    from seodang.training.planning.machine import Machine

Device = Literal["cpu", "cuda", "mps"]

_UNITS: Final = {"": 30, "m": 20, "g": 30, "t": 40}  # powers of two: a card of "24 GB" has 24 * 2**30 bytes
_MEMORY: Final = re.compile(r"(?P<number>\d+(\.\d+)?)\s*(?P<unit>[mgt]?)(i?b)?", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Target:
    """What is given of the machine; None: as this one."""

    device: Device | None
    memory: int | None  # bytes of one device

    @property
    def is_here(self) -> bool:
        """Return whether nothing is given, so that the plan is for this machine."""
        return self.device is None and self.memory is None


def parse_memory(text: str) -> int:
    """Return the bytes that a text such as "24G", "24GB" or "512M" names; without a unit it is gigabytes.

    Raises:
        ParamsError: If the text is no size.
    """
    match = _MEMORY.fullmatch(text.strip())
    if match is None or float(match["number"]) <= 0:
        raise ParamsError(_("--memory {text} is no size; write it as in --memory 24G", text=text))
    return round(float(match["number"]) * (1 << _UNITS[match["unit"].lower()]))


def build_machine(target: Target, device_setting: str) -> Machine:
    """Return the machine of the plan.

    Args:
        target: What is given of it.
        device_setting: The parameter train.device.

    Raises:
        ModelError: If this machine does not have the device, or the memory of another machine is not given.
    """
    from seodang.models.device import choose_device
    from seodang.training.planning.machine import Machine

    if target.device is not None and target.memory is None and not _has_device(target.device):
        raise ModelError(
            _(
                "this machine has no {device} device; to plan for another machine, give its memory too, as in --device"
                " {device} --memory 24G",
                device=target.device,
            )
        )
    if target.is_here:
        device = _choose_here(device_setting)
    else:
        device = target.device or (device_setting if device_setting != "auto" else choose_device("auto"))
    if target.memory is not None:
        return Machine(device, target.memory, target.memory, _get_process_bytes(device), is_here=False)
    from seodang.training.planning.memory import read_memory_capacity

    return Machine(device, *read_memory_capacity(device), _get_process_bytes(device))


def _has_device(device: Device) -> bool:
    from seodang.models.device import choose_device

    try:
        return choose_device(device) == device
    except ModelError:
        return False


def _choose_here(device_setting: str) -> str:
    from seodang.models.device import choose_device

    try:
        return choose_device(device_setting)
    except ModelError as error:
        advice = _("to plan for another machine: seodang plan --device {device} --memory 24G", device=device_setting)
        raise ModelError(f"{error}; {advice}") from error


def _get_process_bytes(device: str) -> int:
    """Return the memory of this process with the imports of training; on CUDA no plan needs it."""
    from seodang.training.planning.memory import read_resident_bytes

    if device == "cuda":
        return 0
    importlib.import_module("seodang.stages.train")
    return read_resident_bytes()
