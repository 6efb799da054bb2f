"""The machine that a plan is made for."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Machine:
    """The device of the run and its memory, in bytes."""

    device: str  # "cpu", "mps" or "cuda"
    memory: int
    free: int
    process_bytes: int  # of a process that has loaded libraries and tokenizer
    is_here: bool = True  # whether this is the machine that the plan is made on
