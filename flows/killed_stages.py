"""Why a stage that a signal ended did not finish, in words."""

from __future__ import annotations

import signal
from typing import Final

from seodang.i18n import _

_SHELL_OFFSET: Final = 128  # a shell returns 128 and the number of the signal


def find_signal(code: int | None) -> signal.Signals | None:
    """Return the signal that ended a command with this exit code: negative as Python's, above 128 as a shell's."""
    if code is None or 0 <= code <= _SHELL_OFFSET:
        return None
    try:
        return signal.Signals(-code if code < 0 else code - _SHELL_OFFSET)
    except ValueError:
        return None


def describe_kill(stage: str, ended_by: signal.Signals) -> str:
    """Return why the stage ended, and what to do."""
    if ended_by != signal.SIGKILL:
        return _(
            "stage {stage}: {signal} ended its process; run again",
            stage=stage,
            signal=f"{ended_by.name} ({ended_by.value})",
        )
    if stage == "train":
        return _(
            "stage train was killed (signal 9), probably because the memory ran out. Lower train.tokens_per_micro_batch"
            " or end other programs, then run again: training resumes from its last checkpoint"
        )
    return _(
        "stage {stage} was killed (signal 9), probably because the memory ran out. End other programs, then run again",
        stage=stage,
    )
