"""What a recipe writes is a source like any other: the checks, deduplication and decontamination run on it."""

from __future__ import annotations

import pytest
from tests.stages.test_prepare import PASSAGE

from seodang.config import AlignParams, EvaluateParams, IngestParams, PromptParams, SourceParams
from seodang.config.load import resolve_params
from seodang.io.jsonl import read_json, read_rows, write_rows
from seodang.licences.verdict import judge_licences, list_parts
from seodang.paths import Paths
from seodang.stages import ingest, prepare, validate

NO_ALIGNMENT = AlignParams.model_validate(resolve_params({})["align"])
EVALUATE = EvaluateParams.model_validate(resolve_params({})["evaluate"])
PRIMER = {"seed": 1, "sentiment_per_language": 1, "classification_per_language": 1, "open_per_language": 1}
SUBJECTS = "물 불 흙 바람 나무 강 바다 산 별 달 해 구름 눈 비 꽃 새 말 소 쌀 콩".split()
CLEAN = [
    {
        "instruction": f"{subject}에 얽힌 옛이야기 {number}가지를 들려주세요.",
        "output": f"{subject}의 이야기 {number}가지입니다.",
    }
    for number, subject in enumerate(SUBJECTS, start=1)
]
LEAK = {"instruction": "글에서 계절을 나타내는 낱말을 찾으세요.", "input": PASSAGE, "output": "가을"}
REFUSAL = {"instruction": "물의 끓는점을 알려 주세요.", "output": "죄송하지만 그 요청은 도와드릴 수 없습니다."}
KNOWN = {"instruction": "우리 동네 도서관의 이름을 말해 주세요.", "output": "한빛 도서관입니다."}


@pytest.fixture
def run_stages(tmp_path, build_file_source, build_expectations, build_prepare_params, fake_validator):
    """Runs ingest, validate and prepare on the generated file, a file of the user and a held-out exam."""

    def run_stages(**changes):
        paths = Paths(tmp_path)
        write_rows(tmp_path / "own.jsonl", [KNOWN])
        write_rows(
            tmp_path / "exam.jsonl", [{"instruction": "이 글의 계절은 무엇인가요?", "input": PASSAGE, "output": "가을"}]
        )
        sources = [
            build_file_source("own", "own.jsonl"),
            build_file_source("generated", "generated.jsonl", **changes),
            build_file_source("exam", "exam.jsonl", role="test"),
        ]
        section = {"sources": sources, "primer": PRIMER, "max_field_characters": 2000}
        params = IngestParams.model_validate(section)
        ingest.run(ingest=params, align=NO_ALIGNMENT, paths=paths)
        expectations = build_expectations(
            dataset={"quarantined_ratio": {"maximum": 0.9}, "accepted_count": {"minimum": 1}},
            actions={"too_many_tokens": "off"},
        )
        validate.run(prompt=PromptParams(format="koalpaca"), expectations=expectations, max_length=1, paths=paths)
        prepare.run(ingest=params, prepare=build_prepare_params(), evaluate=EVALUATE, paths=paths)
        return paths

    return run_stages


def test_a_leak_a_refusal_and_a_copy_in_generated_data_are_found(tmp_path, run_recipe, run_stages):
    copy = {**KNOWN, "instruction": KNOWN["instruction"].rstrip(".")}
    rows = [*CLEAN, LEAK, REFUSAL, copy]
    answers = {
        f"{row['instruction']}\n\n{row['input']}" if "input" in row else row["instruction"]: row["output"]
        for row in rows
    }
    write_rows(
        tmp_path / "prompts.jsonl", [{key: row[key] for key in ("instruction", "input") if key in row} for row in rows]
    )
    generated = run_recipe("answer", lambda prompt, _number: answers[prompt])
    assert generated.figures["rejected"] == {"refusal": 1}
    # A teacher may also have refused in words that only a later version of the rule knows.
    refused = {**REFUSAL, "provenance": dict(generated.rows[0].content["provenance"])}
    write_rows(tmp_path / "generated.jsonl", [*(dict(row.content) for row in generated.rows), refused])

    paths = run_stages()
    assert [line["rules"][0]["id"] for line in read_rows(paths.quarantine)] == ["refusal"]
    assert {(line["source"], line["kind"]) for line in read_rows(paths.duplicates)} == {("generated", "exact")}
    (leak,) = read_rows(paths.leaks)
    assert leak["source"] == "generated"
    train = [row["input"] for row in read_rows(paths.get_split_path("train"))]
    assert len(train) > 10
    assert PASSAGE not in train
    source = read_json(paths.ingest_report)["sources"][1]
    assert source["generated"][0]["recipe"] == "answer"
    assert judge_licences("commercial", list_parts("MIT", [source])).findings[-1].part.licence == "Apache-2.0"


def test_generated_pairs_are_read_as_preference_data(tmp_path, run_recipe, build_file_source):
    write_rows(tmp_path / "prompts.jsonl", [{"instruction": row["instruction"], "input": "하나만"} for row in CLEAN])
    replies = ["길고 자세한 옛이야기입니다.", "몰라요, 그런 것은."]

    def teach(prompt, number):
        return replies[number % 2] if number < 2 * len(CLEAN) else "[[A]]" if number % 2 == 0 else "[[B]]"

    generated = run_recipe("preference", teach)
    assert len(generated.rows) == len(CLEAN)
    write_rows(tmp_path / "generated.jsonl", (dict(row.content) for row in generated.rows))
    write_rows(tmp_path / "own.jsonl", [KNOWN])
    paths = Paths(tmp_path)
    section = {"sources": [build_file_source("own", "own.jsonl")], "primer": PRIMER, "max_field_characters": 2000}
    pairs = SourceParams.model_validate(build_file_source("generated", "generated.jsonl"))
    align = NO_ALIGNMENT.model_copy(update={"method": "dpo", "sources": [pairs]})
    ingest.run(ingest=IngestParams.model_validate(section), align=align, paths=paths)
    rows = list(read_rows(paths.preference_rows))
    assert len(rows) == len(CLEAN)
    assert {(row["format"], row["output"], row["rejected"]) for row in rows} == {("preference", *replies)}
    assert (rows[0]["instruction"], rows[0]["input"]) == (CLEAN[0]["instruction"], "하나만")
    (source,) = read_json(paths.ingest_report)["preferences"]["sources"]
    assert (source["generated"][0]["rows"], source["teachers"]) == (len(CLEAN), ["Apache-2.0"])
    assert source["ignored_keys"] == []
