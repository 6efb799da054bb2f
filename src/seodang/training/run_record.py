"""Package versions and sample answers that the report of a training run holds."""

from __future__ import annotations

import platform
from dataclasses import dataclass
from importlib import metadata
from typing import Final

_PACKAGES: Final = ("torch", "transformers", "peft", "accelerate", "bitsandbytes")


@dataclass(frozen=True, slots=True)
class ReportSample:
    """A validation record with the answers of the model before and after training."""

    instruction: str
    input: str
    expected: str
    before: str
    after: str


def collect_versions() -> dict[str, str]:
    """Return the versions of Python and of the packages that training uses."""
    versions = {"python": platform.python_version()}
    for name in _PACKAGES:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:  # it belongs to an extra
            continue
    return versions
