"""Report what a record says about itself; `seodang.ingest.formats.record_marks` finds it."""

from __future__ import annotations

from typing import Final

from seodang.i18n import Message
from seodang.ingest.rows import (
    ANSWER_CORRECTED,
    HELD_OUT,
    PAIR_REVERSED,
    PREFERENCE_MISSING,
    RECORD_DOUBTFUL,
    RECORD_REJECTED,
)
from seodang.validation.checks.row_view import Check, Finding, View
from seodang.validation.checks.rule import Rule

RULES: Final = (
    Rule(
        id=RECORD_REJECTED,
        field="record",
        reason=Message("the record says that it is rejected, deleted, wrong or not to be used"),
        fix=Message("delete the row, or delete the key or correct its value if the answer is good"),
    ),
    Rule(
        id=RECORD_DOUBTFUL,
        field="record",
        reason=Message("the record says that it is unfinished, unreviewed, harmful or rated low"),
        fix=Message("review the row; then correct the value of the key, or delete the row"),
    ),
    Rule(
        id=ANSWER_CORRECTED,
        field="record",
        reason=Message("the record holds a corrected answer that differs from its answer"),
        fix=Message("replace the answer by the corrected one, or delete the key of the correction"),
    ),
    Rule(
        id=PAIR_REVERSED,
        field="record",
        reason=Message("the rejected answer of a preference pair has a better score than the chosen one"),
        fix=Message("exchange the two answers, correct the scores, or delete the row"),
    ),
    Rule(
        id=PREFERENCE_MISSING,
        field="record",
        reason=Message("the record of a preference source has neither a rejected answer nor a mark"),
        fix=Message("move the record to ingest.sources, or set the format of the source to preference or kto"),
    ),
    Rule(
        id=HELD_OUT,
        field="record",
        reason=Message("the record belongs to a test or validation split, but its source is for training only"),
        fix=Message("set role of the source to any or test, or move the row to the training split"),
    ),
)


def _create_check(id: str) -> Check:
    def check(view: View) -> Finding | None:
        found = view.row.get("marks", {}).get(id)
        return None if found is None else Finding("marks", found)

    return check


CHECKS: Final[dict[str, Check]] = {rule.id: _create_check(rule.id) for rule in RULES}
