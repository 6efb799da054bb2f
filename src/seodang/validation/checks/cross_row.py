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
    Rule(
        id="pair-both-orders",
        field="record",
        reason=Message("another preference pair with the same question has the same two answers the other way round"),
        fix=Message("find out which answer is better, and delete the other row"),
    ),
    Rule(
        id="label-conflict",
        field="record",
        reason=Message("another row marks the same answer to the same question the opposite way: good here, bad there"),
        fix=Message("find out which mark is right, and delete the other row"),
    ),
)
