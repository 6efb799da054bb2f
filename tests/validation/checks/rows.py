"""Rows for tests of the checks, and their findings."""

from __future__ import annotations

from pathlib import Path

from seodang.config.expectations import LimitsParams
from seodang.config.load import load_params
from seodang.records import detect_language
from seodang.validation.checks.registry import REGISTRY
from seodang.validation.checks.run import examine

SHIPPED = load_params(Path(__file__).parents[3] / "params.yaml").expectations
LIMITS = LimitsParams(
    min_instruction_characters=2,
    max_instruction_characters=400,
    max_input_characters=800,
    max_output_characters=1600,
    max_label_characters=30,
    max_tokens=None,
    max_refusal_characters=300,
    max_repeated_ratio=0.5,
    max_loop=5,
    min_other_language_words=4,
    min_article_characters=200,
    max_bare_answer_characters=80,
)
ALL_RULES = frozenset(rule.id for rule in REGISTRY)


def row(instruction="서울은 어느 나라의 수도인가요?", input="", output="대한민국의 수도입니다.", **changes):
    language = detect_language(instruction if isinstance(instruction, str) else "")
    fields = {
        "system": "",
        "turns": [],
        "rejected": "",
        "desirable": None,
        "language": language,
        "choices": [],
        "oversized": [],
    }
    return {"instruction": instruction, "input": input, "output": output, **fields, **changes}


def english(instruction="What is the capital of Korea?", input="", output="Seoul is the capital of Korea.", **changes):
    return row(instruction, input, output, **changes)


def find_violations(row, rules=ALL_RULES, limits=LIMITS):
    return examine(row, limits, rules).findings
