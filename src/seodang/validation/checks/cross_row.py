"""Rules that compare a row with other rows; `find_repeats` supplies their findings."""

from __future__ import annotations

from typing import Final

from seodang.i18n import Message
from seodang.validation.checks.rule import Rule

RULES: Final = (
    Rule(
        id="duplicate",
        field="record",
        reason=Message("instruction, input and output equal those of an earlier row"),
        fix=Message("nothing to do: the earlier row is used"),
    ),
    Rule(
        id="contradiction",
        field="record",
        reason=Message("another row with the same instruction and input has another label"),
        fix=Message("find out which label is right, and delete the other row"),
    ),
    Rule(
        id="several-answers",
        field="record",
        reason=Message("another row with the same instruction and input has another answer"),
        fix=Message("leave it if the task has many answers; otherwise keep the better answer"),
    ),
)
