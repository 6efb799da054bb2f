"""Records and rules of the small artifacts that fixture `write_card_artifacts` writes; they can be counted by hand."""

from __future__ import annotations

from typing import Any

from seodang.config.prepare import CardParams
from seodang.records import Record, make_record

CARD = CardParams(instructions=100, examples=2)
HOSTILE = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)> `code` | [a](http://evil.example) **b** @someone"


def _build_record(
    instruction: str, output: str, input: str = "", source: str = "films", task: str = "t", **others: Any
) -> Record:
    """Return a record of the file of its source."""
    return make_record(
        instruction=instruction,
        input=input,
        output=output,
        source=source,
        task=task,
        cluster=task,
        file=f"{source}.json",
        **others,
    )


TRAIN = [
    _build_record("시를 쓰세요.", "가나다라"),
    _build_record("시를 쓰세요.", "가나"),
    _build_record("감정을 분류하세요.", "긍정", input="좋다", task="sentiment", choices=("긍정", "부정")),
    _build_record("감정을 분류하세요.", "긍정", input="아주 좋다", task="sentiment", choices=("긍정", "부정")),
    _build_record("감정을 분류하세요.", "부정", input="싫다", task="sentiment", choices=("긍정", "부정")),
    _build_record("Write a poem.", "Roses are red.", source="poems"),
]
TEST = [
    _build_record("Write a story.", "Once upon a time.", source="poems"),
    _build_record("뜻을 설명하세요.", "뜻은 이렇다."),
]
NEAR = _build_record("시를 쓰세요!", "가나다라!")
LEAK = _build_record("Write a  story", "Once upon a time", source="poems")
RULES = {
    "output-missing": {
        "severity": "reject",
        "reason_ko": "답이 없습니다",
        "reason_en": "output is missing",
        "fix_ko": "채우세요",
        "fix_en": "fill it in",
    },
    "personal-phone": {
        "severity": "reject",
        "reason_ko": "전화번호가 들어 있습니다",
        "reason_en": "there is a phone number",
        "fix_ko": "지우세요",
        "fix_en": "take it out",
    },
    "several-answers": {
        "severity": "warn",
        "reason_ko": "답이 여럿입니다",
        "reason_en": "several answers",
        "fix_ko": "고르세요",
        "fix_en": "choose",
    },
    "stray-quotes": {
        "severity": "repair",
        "reason_ko": "남은 따옴표",
        "reason_en": "stray quotes",
        "fix_ko": "고쳤습니다",
        "fix_en": "repaired",
    },
}
DRIFT = {
    "id": "drift",
    "of": "task",
    "value": 0.4,
    "bound": 0.3,
    "severity": "warn",
    "reason_ko": "지난번과 다릅니다",
    "reason_en": "differs",
    "fix_ko": "보세요",
    "fix_en": "look",
}
PHONE = "010-9381-4027"
