"""Limits on the length of a text in characters; the tokenizer counts tokens in `token_counts`."""

from __future__ import annotations

from typing import Final

from seodang.i18n import Message
from seodang.validation.checks.row_view import Metric, View
from seodang.validation.checks.rule import Rule

_TOO_LONG: Final = {
    "instruction": (
        Message("instruction is longer than {limit} character", plural="instruction is longer than {limit} characters"),
        Message("shorten it in the source, or raise expectations.limits.max_instruction_characters in params.yaml"),
    ),
    "input": (
        Message("input is longer than {limit} character", plural="input is longer than {limit} characters"),
        Message("shorten it in the source, or raise expectations.limits.max_input_characters in params.yaml"),
    ),
    "output": (
        Message("output is longer than {limit} character", plural="output is longer than {limit} characters"),
        Message("shorten it in the source, or raise expectations.limits.max_output_characters in params.yaml"),
    ),
}

RULES: Final = (
    Rule(
        id="instruction-too-short",
        field="instruction",
        reason=Message(
            "instruction is shorter than {limit} character", plural="instruction is shorter than {limit} characters"
        ),
        fix=Message("describe the task, or lower expectations.limits.min_instruction_characters in params.yaml"),
        minimum="min_instruction_characters",
    ),
    *(
        Rule(id=f"{field}-too-long", field=field, reason=reason, fix=fix, maximum=f"max_{field}_characters")
        for field, (reason, fix) in _TOO_LONG.items()
    ),
    Rule(
        id="too-many-tokens",
        field="record",
        reason=Message(
            "the record is longer than {limit} token of the model",
            plural="the record is longer than {limit} tokens of the model",
        ),
        fix=Message(
            "split the record, or raise train.max_length, which training reads; expectations.actions.too_many_tokens: "
            "repair cuts the end of the answer and counts it"
        ),
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
