"""What a training run records about itself: package versions, and sample answers before and after."""

from __future__ import annotations

import platform
from dataclasses import dataclass
from importlib import metadata
from typing import Final

_PACKAGES: Final = ("torch", "transformers", "peft", "accelerate", "bitsandbytes")


@dataclass(frozen=True, slots=True)
class ReportSample:
    """One question with the answers of the model before and after training."""

    instruction: str
    input: str
    expected: str
    before: str
    after: str


def collect_versions() -> dict[str, str]:
    """Return the versions of Python and of the packages that training rests on."""
    found = {"python": platform.python_version()}
    for name in _PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:  # an extra
            continue
    return found
