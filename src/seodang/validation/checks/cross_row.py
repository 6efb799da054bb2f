"""Rules on what one row alone does not show: what is found comes from outside."""

from __future__ import annotations

from typing import Final

from seodang.validation.checks.rule import Rule

RULES: Final = (
    Rule(
        id="duplicate",
        field="record",
        reason_ko="앞선 행과 지시문, 입력, 답이 모두 같습니다",
        reason_en="instruction, input and output are those of an earlier row",
        fix_ko="할 일이 없습니다. 앞선 행만 씁니다",
        fix_en="nothing to do: the earlier row is used",
    ),
    Rule(
        id="contradiction",
        field="record",
        reason_ko="지시문과 입력이 같은 다른 행과 라벨이 다릅니다",
        reason_en="another row with the same instruction and input has another label",
        fix_ko="어느 라벨이 맞는지 보고 틀린 행을 지우세요",
        fix_en="see which label is right, and delete the other row",
    ),
    Rule(
        id="several-answers",
        field="record",
        reason_ko="지시문과 입력이 같은 다른 행에 다른 답이 있습니다",
        reason_en="another row with the same instruction and input has another answer",
        fix_ko="답이 여럿일 수 있는 과제면 그대로 두고, 아니면 나은 답만 남기세요",
        fix_en="leave it where a task has many answers; else keep the better one",
    ),
)
