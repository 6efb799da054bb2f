"""Small artefacts of ingest, validate and prepare that can be counted by hand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from seodang.config.prepare import CardParams
from seodang.io.jsonl import serialize_record, write_json, write_rows
from seodang.paths import Paths
from seodang.records import Record, make_record

CARD = CardParams(instructions=100, examples=2)
HOSTILE = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)> `code` | [a](http://evil.example) **b** @someone"


def record(
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
    record("시를 쓰세요.", "가나다라"),
    record("시를 쓰세요.", "가나"),
    record("감정을 분류하세요.", "긍정", input="좋다", task="sentiment", choices=("긍정", "부정")),
    record("감정을 분류하세요.", "긍정", input="아주 좋다", task="sentiment", choices=("긍정", "부정")),
    record("감정을 분류하세요.", "부정", input="싫다", task="sentiment", choices=("긍정", "부정")),
    record("Write a poem.", "Roses are red.", source="poems"),
]
TEST = [record("Write a story.", "Once upon a time.", source="poems"), record("뜻을 설명하세요.", "뜻은 이렇다.")]
NEAR = record("시를 쓰세요!", "가나다라!")
LEAK = record("Write a  story", "Once upon a time", source="poems")
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


def write_artefacts(
    root: Path, *, licences: tuple[str, str] = ("CC0-1.0", "Apache-2.0"), text: str = "없는 답"
) -> Paths:
    """Write the artefacts of the three stages.

    13 rows read, 12 ingested, 2 quarantined, 1 near-duplicate, 1 leak, 6 train, 2 test.

    Args:
        root: Folder of the project.
        licences: Licences of the sources films and poems.
        text: Output of the quarantined row.

    """
    paths = Paths(root)
    write_json(paths.ingest_report, _build_manifest(licences))
    write_json(paths.validate_report, _build_validate_report())
    write_rows(
        paths.quarantine,
        [
            _build_quarantine_line("output-missing", 7, text, text),
            _build_quarantine_line("personal-phone", 8, f"전화 {PHONE}", PHONE),
        ],
    )
    write_rows(paths.accepted_records, [serialize_record(row) for row in (*TRAIN, *TEST, NEAR, LEAK)])
    write_json(paths.prepare_report, _build_prepare_report())
    write_rows(
        paths.duplicates,
        [
            {
                "id": NEAR.id,
                "kept": TRAIN[0].id,
                "kind": "near",
                "similarity": 0.875,
                "source": "films",
                "file": "films.json",
                "source_row": 3,
            }
        ],
    )
    leak = {
        "item": TEST[0].id,
        "item_task": "t",
        "record": LEAK.id,
        "kind": "ngram",
        "overlap": 1.0,
        "source": "poems",
        "file": "poems.json",
        "source_row": 1,
    }
    write_rows(paths.leaks, [leak])
    for name, records in {"train": TRAIN, "validation": [], "test": TEST, "unseen": []}.items():
        write_rows(paths.get_split_path(name), [serialize_record(row) for row in records])
    return paths


def _build_manifest(licences: tuple[str, str]) -> dict[str, Any]:
    def source(name: str, licence: str, read: int, written: int) -> dict[str, Any]:
        files = [{"path": f"data/{name}.json", "sha256": name[0] * 64, "bytes": 1234}]
        counts = {"rows_read": read, "rows_written": written, "by_language": {}, "by_task": {}, "ignored_keys": []}
        return {"name": name, "kind": "file", "format": "alpaca", "files": files, "licence": licence, **counts}

    sources = [source("films", licences[0], 10, 9), source("poems", licences[1], 3, 3)]
    return {"rows": 12, "records_sha256": "ab" * 32, "sources": sources}


def _build_validate_report() -> dict[str, Any]:
    by_source = {
        "films": {"rows": 9, "accepted": 7, "quarantined": 2, "repaired": 1, "rules": {}},
        "poems": {"rows": 3, "accepted": 3, "quarantined": 0, "repaired": 0, "rules": {}},
    }
    counts = {"rows": 12, "accepted": 10, "quarantined": 2, "repaired": 1, "warned": 1}
    rules = {
        "by_rule": {"output-missing": 1, "personal-phone": 1},
        "warnings": {"several-answers": 1},
        "repairs": {"stray-quotes": 1},
        "dataset": [DRIFT],
        "rules": RULES,
    }
    return {"input_sha256": "ab" * 32, **counts, **rules, "by_source": by_source}


def _build_prepare_report() -> dict[str, Any]:
    zeros = dict.fromkeys(
        (
            "exact_duplicate",
            "near_duplicate",
            "leak",
            "undesirable",
            "cap",
            "weight",
            "replay",
            "train",
            "validation",
            "test",
            "unseen",
        ),
        0,
    )
    return {
        "records": 10,
        "splits": {"train": 6, "validation": 0, "test": 2, "unseen": 0},
        "by_source": {
            "films": {**zeros, "accepted": 7, "near_duplicate": 1, "train": 5, "test": 1},
            "poems": {**zeros, "accepted": 3, "leak": 1, "train": 1, "test": 1},
        },
        "languages": {"train": {"ko": 5, "en": 1}, "validation": {}, "test": {"ko": 1, "en": 1}, "unseen": {}},
        "tasks": {"train": {"t": 3, "sentiment": 3}, "validation": {}, "test": {"t": 2}, "unseen": {}},
        "sha256": {"train": "cd" * 32},
        "duplicates": {"clusters": 1, "largest": 2, "removed": 1},
        "leaks": {"items": 1, "records": 1, "by_kind": {"ngram": 1}},
    }


def _build_quarantine_line(rule: str, row: int, text: str, found: str) -> dict[str, Any]:
    violation = {
        "id": rule,
        "severity": "reject",
        "field": "output",
        "found": found,
        **{name: RULES[rule][name] for name in ("reason_ko", "reason_en", "fix_ko", "fix_en")},
    }
    return {
        "source": "films",
        "file": "films.json",
        "source_row": row,
        "row": {"instruction": "묻는 말", "output": text},
        "rules": [violation],
    }
