"""What a check of `seodang doctor` finds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

State = Literal["ok", "warning", "error"]
"""warning: a run can start, but it may fail or be slow; error: a run cannot start or end."""


@dataclass(frozen=True, slots=True)
class Finding:
    """The result of one check."""

    check: str
    """What was looked at, translated."""
    state: State
    text: str
    """Translated; for an error also what follows from it."""
    command: str = ""
    """A line for the shell that fixes it; empty where nothing is to be done, or the text says what."""
