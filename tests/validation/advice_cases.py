"""Files that break a rule, and the files after its advice was followed literally."""

from __future__ import annotations

import json
import unicodedata
from dataclasses import dataclass, field
from typing import Any

GOOD = {"instruction": "봄에 피는 꽃 하나를 알려 주세요.", "input": "", "output": "개나리가 핍니다."}


@dataclass(frozen=True, slots=True)
class Edit:
    """A file before and after the edit that the advice of a rule describes."""

    before: str
    after: str
    table: dict[str, Any] | None = None  # template of a labelled table
    table_after: dict[str, Any] | None = None
    settings: dict[str, Any] = field(default_factory=dict)  # format of the source after the edit
    name: str = "a.jsonl"


def line(record: Any) -> str:
    return json.dumps(record, ensure_ascii=False)


def change(before: dict[str, Any], **after: Any) -> Edit:
    """Return the edit of one record; a key with the value ... is deleted."""
    edited = {key: value for key, value in {**before, **after}.items() if value is not ...}
    return Edit(line(before), line(edited))


def chat(*flags: dict[str, Any]) -> dict[str, Any]:
    messages = [
        {"role": "user", "content": "비가 오면 무엇을 챙기나요?"},
        {"role": "assistant", "content": "우산입니다.", **flags[0]},
    ]
    return {"messages": messages}


LABELLED = line({"text": "재미있는 영화", "label": "긍정"})
TABLE = {"label_column": "label", "labels": {"1": "좋음", "0": "나쁨"}, "input": "{text}", "instructions": ["감정은?"]}
PAIR = {"prompt": "수도는 어디인가요?", "chosen": "서울입니다.", "rejected": "부산입니다."}
CUT = "글쎄요, 저는 잘 모르겠지만 어쩌면 부산일 수도 있고 인천일 수도 있다고 그리고"
KTO = {"prompt": "수도는 어디인가요?", "completion": "서울입니다.", "label": "3"}

EDITS: dict[str, list[Edit]] = {
    "instruction-missing": [change({**GOOD, "instruction": None}, instruction="무엇인가요?")],
    "instruction-blank": [change({**GOOD, "instruction": " "}, instruction="무엇인가요?")],
    "output-missing": [change({**GOOD, "output": None}, output="답입니다.")],
    "output-blank": [change({**GOOD, "output": " "}, output="답입니다.")],
    "instruction-not-text": [change({**GOOD, "instruction": True}, instruction="true")],
    "input-not-text": [change({**GOOD, "input": {"a": 1}}, input='{"a": 1}')],
    "output-not-text": [change({**GOOD, "output": 3}, output="3"), change({**GOOD, "output": ["가", "나"]}, output="가")],
    "system-not-text": [change({**GOOD, "system": 3}, system="3")],
    "rejected-not-text": [change({**PAIR, "rejected": 3}, rejected="3")],
    "label-unknown": [
        change(KTO, label=True),
        Edit(line({**KTO, "label": "spring"}), line({**KTO, "label": "spring"}), settings={"format": "qa"}),
        Edit(LABELLED, LABELLED, TABLE, {**TABLE, "labels": {**TABLE["labels"], "긍정": "긍정"}}),
    ],
    "text-missing": [Edit(line({"text": "", "label": "1"}), line({"text": "재미있는 영화", "label": "1"}), TABLE, TABLE)],
    "row-ragged": [
        Edit("instruction,output\n수도는?,서울, 한국\n", 'instruction,output\n수도는?,"서울, 한국"\n', name="a.csv"),
        Edit("instruction\toutput\n수도는?\t서울\t한국\n", "instruction\toutput\n수도는?\t서울한국\n", name="a.tsv"),
    ],
    "row-unreadable": [
        Edit(f'{line(GOOD)}\n{{"instruction": "가', f'{line(GOOD)}\n{{"instruction": "가?", "output": "나"}}'),
        Edit('instruction,output\n가?,나\n"다?,라\n', 'instruction,output\n가?,나\n"다?",라\n', name="a.csv"),
    ],
    "turns-malformed": [
        Edit(
            line({"messages": [{"role": "user", "content": "비가 오나요?"}]}),
            line({"messages": [{"role": "user", "content": "비가 오나요?"}, {"role": "assistant", "content": "네, 와요."}]}),
        )
    ],
    "media-part": [
        Edit(
            line({"messages": [{"role": "user", "content": [{"type": "image_url"}]}, {"role": "assistant", "content": "꽃"}]}),
            line({"messages": [{"role": "user", "content": "노란 꽃의 이름은?"}, {"role": "assistant", "content": "개나리"}]}),
        )
    ],
    "not-learned": [
        Edit(line(chat({"weight": 0})), line(chat({"weight": 1}))),
        Edit(line(chat({"loss_mask": 0})), line(chat({"loss_mask": 1}))),
        Edit(line(chat({"train": False})), line(chat({"train": 1}))),
        Edit(line(chat({"status": "rejected"})), line(chat({}))),
    ],
    "loss-flag-unclear": [
        Edit(line(chat({"train": "perhaps"})), line(chat({"weight": 1}))),
        Edit(line({**chat({}), "loss_mask": [0, 1, 1]}), line(chat({"weight": 1}))),
    ],
    "pair-equal": [change({**PAIR, "rejected": PAIR["chosen"]}, rejected="부산입니다.")],
    "rejected-blank": [change({**PAIR, "rejected": " "}, rejected="부산입니다."), Edit(
        line({**PAIR, "rejected": " "}) + "\n" + line({**PAIR, "prompt": "항구는 어디인가요?"}),
        line({**PAIR, "prompt": "항구는 어디인가요?"}),
    )],
    "pair-truncated": [
        change({**PAIR, "rejected": CUT}, rejected=f"{CUT} 생각합니다."),
        change({**PAIR, "chosen": CUT}, chosen=f"{CUT} 생각합니다."),
    ],
    "pair-both-orders": [Edit(
        line(PAIR) + "\n" + line({**PAIR, "chosen": PAIR["rejected"], "rejected": PAIR["chosen"]}), line(PAIR)
    )],
    "label-conflict": [Edit(
        line({**KTO, "label": True}) + "\n" + line({**KTO, "label": False}), line({**KTO, "label": True})
    )],
    "record-rejected": [
        change({**GOOD, "is_correct": False}, is_correct=...),
        change({**GOOD, "status": "rejected"}, status="approved"),
        change({**GOOD, "human_approved": "N"}, human_approved="Y"),
    ],
    "record-doubtful": [change({**GOOD, "reviewed": False}, reviewed=True), change({**GOOD, "quality": "low"}, quality="high")],
    "answer-corrected": [
        change({**GOOD, "corrected_output": "진달래가 핍니다."}, output="진달래가 핍니다."),
        change({**GOOD, "corrected_output": "진달래가 핍니다."}, corrected_output=...),
    ],
    "pair-reversed": [
        change({**PAIR, "score_chosen": 1, "score_rejected": 3}, chosen=PAIR["rejected"], rejected=PAIR["chosen"],
               score_chosen=3, score_rejected=1),
        change({**PAIR, "score_chosen": 1, "score_rejected": 3}, score_chosen=4),
    ],
}  # fmt: skip
"""Rule -> edits that its advice describes."""

LIMITS: dict[str, dict[str, Any]] = {
    "pair-truncated": {**PAIR, "rejected": CUT},
    "rejected-language": {**PAIR, "rejected": "I think that it is the city of Busan."},
    "oversized": {**GOOD, "output": "".join(f"{i}번째 문장입니다. " for i in range(17_000))},
    "instruction-too-short": {**GOOD, "instruction": "꽃"},
    "instruction-too-long": {**GOOD, "instruction": "".join(f"{i}번째 질문입니다. " for i in range(3_000))},
    "input-too-long": {**GOOD, "input": "".join(f"{i}번째 문장입니다. " for i in range(9_000))},
    "output-too-long": {**GOOD, "output": "".join(f"{i}번째 문장입니다. " for i in range(9_000))},
    "repetition": {**GOOD, "output": "비가 온다 " * 40 + "."},
    "refusal": {
        "instruction": "Tell me a joke about cats.",
        "input": "",
        "output": "I'm sorry, but I cannot help with that.",
    },
}
"""Rule whose advice names a parameter -> a record that breaks it."""

REPAIRS: dict[str, dict[str, Any]] = {
    "control-character": {**GOOD, "output": "개나리가\x07 핍니다."},
    "not-nfc": {**GOOD, "output": unicodedata.normalize("NFD", "개나리가 핍니다.")},
    "zero-width": {**GOOD, "output": "개나리\u200b가 핍니다."},
    "escaped-text": {**GOOD, "output": "개나리\\n진달래\\n벚꽃"},
    "html-entity": {**GOOD, "output": "개나리 &amp; 진달래"},
    "html-break": {**GOOD, "output": "개나리<br>진달래"},
    "placeholder-input": {**GOOD, "input": "<noinput>"},
    "personal-resident-number": {**GOOD, "output": "번호는 900101-1234568입니다."},
    "personal-phone": {**GOOD, "output": "전화는 010-8273-4619입니다."},
    "personal-email": {**GOOD, "output": "주소는 kim@naver.com입니다."},
    "personal-card": {**GOOD, "output": "카드는 4539-1488-0343-6467입니다."},
    "secret-key": {**GOOD, "output": "키는 sk-a1B2c3D4e5F6g7H8i9J0k1L2입니다."},
    "output-quoted": {**GOOD, "output": '"개나리가 핍니다."'},
}
"""Rule whose advice names repair -> a record that breaks it."""

TEXT = (
    "the author has to write the text again; tests/validation/checks/test_rules.py has rows with and without the fault"
)
ELSEWHERE: dict[str, str] = {
    **dict.fromkeys(
        (
            *("lone-surrogate", "mojibake", "replacement-character", "special-token", "prompt-marker", "html-tag"),
            *("unfilled-placeholder", "bracketed-blank", "placeholder-output", "spreadsheet-error", "rounded-number"),
            *("output-equals-instruction", "instruction-echo", "output-equals-input", "asks-back", "truncated", "loop"),
            *("output-language", "foreign-script", "missing-input", "input-thin", "external-link", "external-media"),
            *("beyond-text", "current-data", "claimed-action", "human-experience", "bare-number", "wrong-result"),
        ),
        TEXT,
    ),
    "preference-missing": "a row of a preference source, which this file reads as a source of records",
    "held-out": "the role of a source; test_a_row_of_a_test_split_passes_in_the_role_that_the_advice_names follows it",
    "too-many-tokens": "needs a tokenizer; tests/stages/test_validate.py cuts and counts",
    **dict.fromkeys(("duplicate", "contradiction", "several-answers"), "a decision between two rows"),
}
"""Rule -> why its advice is not followed here."""
