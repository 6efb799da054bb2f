"""Stage `validate`: from rows to records, quarantine, counts and Data Docs."""

from __future__ import annotations

import json

import pytest
from data_rows import row, shipped_expectations

from seodang.config import PromptParams
from seodang.errors import ArtefactError, DataRejected, ModelError
from seodang.ingest.rows import make_field_error
from seodang.io.atomic import sha256_of
from seodang.io.jsonl import read_json, read_records, read_rows, write_rows
from seodang.paths import Paths
from seodang.stages import validate

PROMPT = PromptParams(format="koalpaca")
GOOD = [
    row("수도는 어디인가요?", output="서울입니다."),
    row("Say hello to everybody.", output="Hello, everybody!", language="en"),
]
LENIENT = {"quarantined_ratio": {"maximum": 0.9}, "accepted_count": {"minimum": 1}}


@pytest.fixture
def paths(tmp_path):
    return Paths(tmp_path)


def ingested(paths, rows):
    write_rows(paths.records, [{**each, "source_row": number} for number, each in enumerate(rows)])


def run(paths, *, dataset=None, **changes):
    limits = {"max_tokens": None, **changes.pop("limits", {})}
    expectations = shipped_expectations(dataset={**LENIENT, **(data_set or {})}, limits=limits, **changes)
    return validate.run(prompt=PROMPT, expectations=expectations, paths=paths)


def test_accepted_records_carry_role_place_choices_turns_and_preference(paths):
    turns = [{"role": "user", "content": "안녕하세요"}, {"role": "assistant", "content": "네, 안녕하세요."}]
    rows = [
        row(
            "긍정인가요, 부정인가요?",
            "좋다",
            "긍정",
            choices=["부정", "긍정"],
            role="train",
            task="sentiment",
            cluster="opinion",
            file="nsmc.tsv",
        ),
        row(
            "그럼 이름이 무엇인가요?",
            output="서당입니다.",
            turns=turns,
            system="짧게 답하세요.",
            rejected="몰라요.",
            url="https://example.org/1",
        ),
    ]
    ingested(paths, rows)
    run(paths)
    first, second = read_records(paths.accepted)
    assert (first.input, first.output, first.choices, first.role, first.file, first.task) == (
        "좋다",
        "긍정",
        ("부정", "긍정"),
        "train",
        "nsmc.tsv",
        "sentiment",
    )
    assert [turn.content for turn in second.turns] == ["안녕하세요", "네, 안녕하세요."]
    assert (second.system, second.rejected, second.url, second.source_row) == (
        "짧게 답하세요.",
        "몰라요.",
        "https://example.org/1",
        1,
    )


def test_a_rejected_row_is_kept_as_it_was_with_place_rule_reason_and_fix(paths):
    original = {"context": "", "instruction": "답이 없는 질문", "category": "qa"}
    ingested(paths, [*GOOD, row("답이 없는 질문", output=None, original=original)])
    run(paths)
    (line,) = read_rows(paths.quarantine)
    assert (line["source"], line["file"], line["source_row"], line["row"]) == ("films", "films.json", 2, original)
    (rule,) = line["rules"]
    assert (rule["id"], rule["severity"], rule["field"], rule["found"]) == (
        "output-missing",
        "reject",
        "output",
        "null",
    )
    assert (rule["reason_ko"], rule["reason_en"]) == ("답(output)이 없습니다", "output is missing")
    assert rule["fix_ko"]
    assert rule["fix_en"]


def test_accepted_and_quarantined_add_up_to_the_rows(paths):
    ingested(paths, [*GOOD, GOOD[0], row(1, output=None), row("하나 더 주세요", output="둘입니다.")])
    run(paths)
    report = read_json(paths.validate_report)
    assert (report["rows"], report["accepted"], report["quarantined"]) == (5, 3, 2)
    assert report["by_rule"] == {"duplicate": 1, "instruction-not-text": 1, "output-missing": 1}
    assert report["by_source"]["films"]["accepted"] == 3
    assert report["input_sha256"] == sha256_of(paths.records)
    assert (len(list(read_records(paths.accepted))), len(list(read_rows(paths.quarantine)))) == (3, 2)


def test_the_same_rows_give_the_same_bytes(paths):
    ingested(paths, [*GOOD, GOOD[0]])
    files = [paths.accepted, paths.quarantine, paths.data_profile]
    run(paths)
    before = [path.read_bytes() for path in files]
    run(paths)
    assert before == [path.read_bytes() for path in files]


def test_too_many_bad_rows_stop_the_run_but_leave_all_that_explains_it(paths):
    ingested(paths, [GOOD[0], *(row(f"질문 {number}번", output=None) for number in range(5)), row("빈 답", output="")])
    with pytest.raises(DataRejected) as raised:
        run(paths, dataset={"quarantined_ratio": {"maximum": 0.5}, "accepted_count": {"minimum": 2}})
    message = str(raised.value)
    assert "of 7 rows 1 are accepted, 6 (85.7%) quarantined" in message
    assert "more than 50.0% of the rows are quarantined (all: 0.8571)" in message
    assert "받아들인 행이 2개보다 적습니다" in message
    assert "5 output-missing: 답(output)이 없습니다 / output is missing" in message
    assert str(paths.quarantine) in message
    assert not paths.accepted.exists()
    assert len(list(read_rows(paths.quarantine))) == 6
    assert (paths.data_docs / "index.html").stat().st_size > 0
    assert read_json(paths.validate_report)["dataset_errors"] == ["quarantined-ratio", "accepted-count"]


def test_a_rejected_set_takes_the_former_records_away_but_not_the_profile(paths):
    ingested(paths, GOOD)
    run(paths)
    profile = paths.data_profile.read_bytes()
    with pytest.raises(DataRejected):
        run(paths, dataset={"accepted_count": {"minimum": 3}})
    assert not paths.accepted.exists()
    assert paths.data_profile.read_bytes() == profile


def test_a_set_unlike_the_last_accepted_one_is_told(paths):
    ingested(paths, GOOD)
    assert run(paths)["dataset"] == []
    ingested(paths, [row(f"{number}번 문제를 번역하세요", output="번역했습니다.", task="other") for number in range(3)])
    drifted = [
        (figure["id"], figure["of"], figure["value"]) for figure in run(paths)["dataset"] if figure["id"] == "drift"
    ]
    assert drifted == [("drift", "language", 0.5), ("drift", "task", 1.0), ("drift", "length", 0.5)]


def test_a_lopsided_task_and_a_language_that_is_missing_are_told(paths):
    ingested(
        paths,
        [
            row("긍정인가요?", f"{number}번 영화평", "긍정" if number else "부정", choices=["긍정", "부정"])
            for number in range(20)
        ],
    )
    told = [(figure["id"], figure["of"], figure["severity"]) for figure in run(paths)["dataset"]]
    assert told == [("language-ratio", "en", "warn"), ("label-ratio", "t", "warn")]


def test_answers_beyond_the_tokens_of_the_chosen_model_are_rejected_or_cut_and_counted(paths, tmp_path):
    from tiny_models import make_tiny_model

    make_tiny_model(paths.base)
    long = row("길게 말해 주세요", output="오늘 점심은 김치찌개를 먹었어요. " * 30)
    ingested(paths, [*GOOD, long])
    report = run(paths, limits={"max_tokens": 100}, actions={"too_many_tokens": "reject", "repetition": "off"})
    assert report["by_rule"] == {"too-many-tokens": 1}
    report = run(paths, limits={"max_tokens": 100}, actions={"too_many_tokens": "repair", "repetition": "off"})
    assert (report["quarantined"], report["repairs"]) == (0, {"too-many-tokens": 1})
    cut = list(read_records(paths.accepted))[2]
    assert long["output"].startswith(cut.output)
    assert 0 < len(cut.output) < len(long["output"])


def test_a_bound_on_tokens_without_a_tokenizer_is_told(paths):
    ingested(paths, GOOD)
    with pytest.raises(ModelError, match=r"tokenizer\.json does not exist.*dvc repro base"):
        run(paths, limits={"max_tokens": 100})


def test_faults_that_the_readers_left_go_to_quarantine_under_their_names(paths):
    broken = make_field_error("row-unreadable", '{"instruction": "잘린')
    ingested(paths, [*GOOD, row(broken, broken, broken, original='{"instruction": "잘린')])
    run(paths)
    (line,) = read_rows(paths.quarantine)
    assert line["row"] == '{"instruction": "잘린'
    assert [rule["id"] for rule in line["rules"]] == ["row-unreadable"]


@pytest.mark.parametrize(
    "content", [None, "", '{"instruction": "가"}\n', '{"instr'], ids=["missing", "empty", "other fields", "damaged"]
)
def test_rows_that_ingest_did_not_write_are_told_with_the_command_that_mends_them(paths, content):
    if content is not None:
        paths.records.parent.mkdir(parents=True)
        paths.records.write_text(content, "utf-8")
    with pytest.raises(ArtefactError, match=r"records\.jsonl.*; run: dvc repro .*ingest"):
        run(paths)


def test_what_the_reports_say_is_json_that_other_programs_read(paths):
    ingested(paths, [*GOOD, row("답이 없는 질문", output=None)])
    run(paths)
    report = json.loads(paths.validate_report.read_text("utf-8"))
    assert set(report["rules"]["output-missing"]) == {"severity", "reason_ko", "reason_en", "fix_ko", "fix_en"}
