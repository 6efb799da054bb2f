"""How long a text may be, in characters; the number of tokens is measured where the tokenizer is."""

from __future__ import annotations

from typing import Final

from seodang.validation.checks.row_view import Metric, View
from seodang.validation.checks.rule import Rule

_FIELD_NAMES_KO: Final = {"instruction": "지시문", "input": "입력", "output": "답"}


def _create_too_long_rule(field: str) -> Rule:
    name = f"max_{field}_characters"
    return Rule(
        id=f"{field}-too-long",
        field=field,
        reason_ko=f"{_FIELD_NAMES_KO[field]}({field})이 {{limit}}자보다 깁니다",
        reason_en=f"{field} is longer than {{limit}} characters",
        fix_ko=f"원본을 줄이거나 params.yaml의 expectations.limits.{name}를 키우세요",
        fix_en=f"shorten it at the source, or raise expectations.limits.{name} in params.yaml",
        maximum=name,
    )


RULES: Final = (
    Rule(
        id="instruction-too-short",
        field="instruction",
        reason_ko="지시문(instruction)이 {limit}자보다 짧습니다",
        reason_en="instruction is shorter than {limit} characters",
        fix_ko="무엇을 하라는지 적거나 params.yaml의 expectations.limits.min_instruction_characters를 낮추세요",
        fix_en="say what is asked, or lower expectations.limits.min_instruction_characters in params.yaml",
        minimum="min_instruction_characters",
    ),
    *(_create_too_long_rule(field) for field in ("instruction", "input", "output")),
    Rule(
        id="too-many-tokens",
        field="record",
        reason_ko="모델의 토큰으로 세면 {limit}개가 넘습니다",
        reason_en="the record is longer than {limit} tokens of the model",
        fix_ko="레코드를 나누거나 expectations.limits.max_tokens를 키우세요. expectations.actions.too_many_tokens를 repair로 두면 답의 끝을 자르고 셉니다",
        fix_en="split the record, or raise expectations.limits.max_tokens; with expectations.actions.too_many_tokens: repair the answer's end is cut, and counted",
        repairable=True,
        maximum="max_tokens",
    ),
)


def _create_character_metric(field: str) -> Metric:
    def count_characters(view: View) -> float | None:
        text = view.row[field]
        return float(len(text.strip())) if isinstance(text, str) and not text.isspace() and text else None

    return count_characters


METRICS: Final[dict[str, Metric]] = {
    "instruction-too-short": _create_character_metric("instruction"),
    **{f"{field}-too-long": _create_character_metric(field) for field in ("instruction", "input", "output")},
}
