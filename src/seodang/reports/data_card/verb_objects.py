"""The root verb and the object of an instruction."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class VerbObject:
    """The root verb and the object of an instruction; None if there is none or the rules do not find it."""

    verb: str | None
    object: str | None
