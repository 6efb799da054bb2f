"""Reasons why a run cannot start or does not fit."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from seodang.config import TrainParams
from seodang.errors import SeodangError
from seodang.i18n import Message
from seodang.models.loading import get_context_length
from seodang.models.methods import get_method
from seodang.training.distributed import check_processes
from seodang.training.planning.base import Base
from seodang.training.planning.machine import Machine
from seodang.training.planning.memory import Memory
from seodang.training.planning.sampling import Sample
from seodang.training.tracking import check_trackers

_GIGABYTE = 1e9


def find_reasons(
    base: Base, train: TrainParams, sample: Sample | None, machine: Machine, memory: Memory
) -> list[Message]:
    """Return every reason why the run cannot start or does not fit."""
    reasons = _check_machine(train, machine.device) if machine.is_here else []
    context = get_context_length(base.config)
    if context is not None and train.max_length > context:
        reasons.append(
            Message(
                "train.max_length {max_length} is above the {context} tokens that the model reads;"
                " set it to {context} or less",
                {"max_length": train.max_length, "context": context},
            )
        )
    if sample is not None and not len(sample.dataset):
        reasons.append(
            Message("no record fits into train.max_length {max_length}; raise it", {"max_length": train.max_length})
        )
    if memory.peak > machine.memory:
        sizes = {"needed": memory.peak / _GIGABYTE, "total": machine.memory / _GIGABYTE}
        reasons.append(
            Message("the GPU memory is too small: {needed:.1f} GB needed, {total:.1f} GB available", sizes)
            if machine.device == "cuda"
            else Message("the memory (RAM) is too small: {needed:.1f} GB needed, {total:.1f} GB available", sizes)
        )
    return reasons


def _check_machine(train: TrainParams, device: str) -> list[Message]:
    """Return the errors of this machine's setup with which stage `train` would end at once."""
    reasons = []
    checks: tuple[Callable[[], None], ...] = (
        partial(check_trackers, train.report_to),
        partial(check_processes, train, device),
        get_method(train).check_package,
    )
    for check in checks:
        try:
            check()
        except SeodangError as error:
            reasons.append(Message("this machine is not set up for the run: {error}", {"error": str(error)}))
    return reasons
