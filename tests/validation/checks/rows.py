"""A good row in each language, of which the cases of the rules are changes."""

from __future__ import annotations

from typing import Any

from seodang.records import detect_language


def row(
    instruction: Any = "서울은 어느 나라의 수도인가요?",
    input: Any = "",
    output: Any = "대한민국의 수도입니다.",
    **changes: Any,
) -> dict[str, Any]:
    language = detect_language(instruction if isinstance(instruction, str) else "")
    fields: dict[str, Any] = {
        "system": "",
        "turns": [],
        "rejected": "",
        "desirable": None,
        "language": language,
        "choices": [],
        "oversized": [],
        "marks": {},
    }
    return {"instruction": instruction, "input": input, "output": output, **fields, **changes}


def english(
    instruction: Any = "What is the capital of Korea?",
    input: Any = "",
    output: Any = "Seoul is the capital of Korea.",
    **changes: Any,
) -> dict[str, Any]:
    return row(instruction, input, output, **changes)
