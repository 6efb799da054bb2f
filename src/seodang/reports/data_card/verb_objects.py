"""A root verb with its object, as the two figures count them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class VerbObject:
    """What an instruction asks to do, to what; None for what is not there or was not found."""

    verb: str | None
    object: str | None
