"""Stage `validate` writes records, quarantine, counts and Data Docs."""

from __future__ import annotations

import json

import pytest

from seodang.config import PromptParams
from seodang.errors import ArtifactError, DataRejected, ModelError
from seodang.ingest.rows import make_field_error
from seodang.io.atomic import compute_sha256
from seodang.io.jsonl import read_json, read_records, read_rows, write_rows
from seodang.paths import Paths
from seodang.stages import validate

PROMPT = PromptParams(format="koalpaca")
LENIENT = {"quarantined_ratio": {"maximum": 0.9}, "accepted_count": {"minimum": 1}}


@pytest.fixture
def paths_with_data_docs(tmp_path):
    return Paths(tmp_path)


@pytest.fixture
def paths(tmp_path, fake_validator):
    """Paths of a project; the stage runs without Great Expectations, which takes seconds to start."""
    return Paths(tmp_path)


@pytest.fixture(scope="module")
def good_rows(make_row):
    return [
        make_row("수도는 어디인가요?", output="서울입니다."),
        make_row("Say hello to everybody.", output="Hello, everybody!", language="en"),
    ]


def write_ingested(paths, rows):
    write_rows(paths.records, [{**fields, "source_row": index} for index, fields in enumerate(rows)])


@pytest.fixture(scope="module")
def run(build_expectations):
    def run(paths, *, dataset=None, **changes):
        max_length = changes.pop("max_length", None)
        actions = {"too_many_tokens": "reject" if max_length else "off", **changes.pop("actions", {})}
        expectations = build_expectations(dataset={**LENIENT, **(dataset or {})}, actions=actions, **changes)
        return validate.run(prompt=PROMPT, expectations=expectations, max_length=max_length or 1, paths=paths)

    return run


def test_accepted_records_carry_role_location_choices_turns_and_preference(paths, make_row, run):
    turns = [{"role": "user", "content": "안녕하세요"}, {"role": "assistant", "content": "네, 안녕하세요."}]
    rows = [
        make_row(
            "긍정인가요, 부정인가요?",
            "좋다",
            "긍정",
            choices=["부정", "긍정"],
            role="train",
            task="sentiment",
            cluster="opinion",
            file="nsmc.tsv",
        ),
        make_row(
            "그럼 이름이 무엇인가요?",
            output="서당입니다.",
            turns=turns,
            system="짧게 답하세요.",
            rejected="몰라요.",
            url="https://example.org/1",
        ),
    ]
    write_ingested(paths, rows)
    run(paths)
    first, second = read_records(paths.accepted_records)
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


def test_a_rejected_row_is_kept_with_location_rule_reason_and_fix(paths, make_row, run, good_rows):
    original = {"context": "", "instruction": "답이 없는 질문", "category": "qa"}
    write_ingested(paths, [*good_rows, make_row("답이 없는 질문", output=None, original=original)])
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


def test_accepted_and_quarantined_add_up_to_the_rows(paths, make_row, run, good_rows):
    write_ingested(
        paths, [*good_rows, good_rows[0], make_row(1, output=None), make_row("하나 더 주세요", output="둘입니다.")]
    )
    run(paths)
    report = read_json(paths.validate_report)
    assert (report["rows"], report["accepted"], report["quarantined"]) == (5, 3, 2)
    assert report["by_rule"] == {"duplicate": 1, "instruction-not-text": 1, "output-missing": 1}
    assert report["by_source"]["films"]["accepted"] == 3
    assert report["input_sha256"] == compute_sha256(paths.records)
    assert (len(list(read_records(paths.accepted_records))), len(list(read_rows(paths.quarantine)))) == (3, 2)


def test_the_same_rows_give_the_same_bytes(paths, run, good_rows):
    write_ingested(paths, [*good_rows, good_rows[0]])
    files = [paths.accepted_records, paths.quarantine, paths.data_profile]
    run(paths)
    before = [path.read_bytes() for path in files]
    run(paths)
    assert before == [path.read_bytes() for path in files]


def test_too_many_rejected_rows_stop_the_run_and_the_reports_remain(paths_with_data_docs, make_row, run, good_rows):
    paths = paths_with_data_docs
    write_ingested(
        paths,
        [
            good_rows[0],
            *(make_row(f"질문 {number}번", output=None) for number in range(5)),
            make_row("빈 답", output=""),
        ],
    )
    with pytest.raises(DataRejected) as raised:
        run(paths, dataset={"quarantined_ratio": {"maximum": 0.5}, "accepted_count": {"minimum": 2}})
    message = str(raised.value)
    assert "rows: 7, accepted: 1, quarantined: 6 (85.7%)" in message
    assert "more than 50.0% of the rows are quarantined (all: 0.8571)" in message
    assert "fewer than 2 rows are accepted" in message
    assert "5 output-missing: output is missing" in message
    assert str(paths.quarantine) in message
    assert not paths.accepted_records.exists()
    assert len(list(read_rows(paths.quarantine))) == 6
    assert (paths.data_docs / "index.html").stat().st_size > 0
    assert read_json(paths.validate_report)["dataset_errors"] == ["quarantined-ratio", "accepted-count"]


def test_a_rejected_data_set_removes_the_previous_records_but_not_the_profile(paths, run, good_rows):
    write_ingested(paths, good_rows)
    run(paths)
    profile = paths.data_profile.read_bytes()
    with pytest.raises(DataRejected):
        run(paths, dataset={"accepted_count": {"minimum": 3}})
    assert not paths.accepted_records.exists()
    assert paths.data_profile.read_bytes() == profile


def test_a_data_set_unlike_the_last_accepted_one_is_reported(paths, make_row, run, good_rows):
    write_ingested(paths, good_rows)
    assert run(paths)["dataset"] == []
    write_ingested(
        paths, [make_row(f"{number}번 문제를 번역하세요", output="번역했습니다.", task="other") for number in range(3)]
    )
    drift = [
        (metric["id"], metric["of"], metric["value"]) for metric in run(paths)["dataset"] if metric["id"] == "drift"
    ]
    assert drift == [("drift", "language", 0.5), ("drift", "task", 1.0), ("drift", "length", 0.5)]


def test_an_unbalanced_task_and_a_missing_language_are_reported(paths, make_row, run):
    write_ingested(
        paths,
        [
            make_row("긍정인가요?", f"{number}번 영화평", "긍정" if number else "부정", choices=["긍정", "부정"])
            for number in range(20)
        ],
    )
    warnings = [(metric["id"], metric["of"], metric["severity"]) for metric in run(paths)["dataset"]]
    assert warnings == [("language-ratio", "en", "warn"), ("label-ratio", "t", "warn")]


def test_records_with_too_many_tokens_are_rejected_or_truncated_and_counted(
    paths, tmp_path, make_row, run, make_tiny_model, good_rows
):
    make_tiny_model(paths.base)
    long = make_row("길게 말해 주세요", output="오늘 점심은 김치찌개를 먹었어요. " * 30)
    write_ingested(paths, [*good_rows, long])
    report = run(paths, max_length=100, actions={"too_many_tokens": "reject", "repetition": "off"})
    assert report["by_rule"] == {"too-many-tokens": 1}
    report = run(paths, max_length=100, actions={"too_many_tokens": "repair", "repetition": "off"})
    assert (report["quarantined"], report["repairs"]) == (0, {"too-many-tokens": 1})
    truncated = list(read_records(paths.accepted_records))[2]
    assert long["output"].startswith(truncated.output)
    assert 0 < len(truncated.output) < len(long["output"])


def test_a_token_limit_without_a_tokenizer_is_an_error(paths, run, good_rows):
    write_ingested(paths, good_rows)
    with pytest.raises(ModelError, match=r"tokenizer\.json does not exist.*dvc repro base"):
        run(paths, max_length=100)


def test_errors_of_the_readers_go_to_quarantine_under_their_names(paths, make_row, run, good_rows):
    unreadable = make_field_error("row-unreadable", '{"instruction": "잘린')
    write_ingested(paths, [*good_rows, make_row(unreadable, unreadable, unreadable, original='{"instruction": "잘린')])
    run(paths)
    (line,) = read_rows(paths.quarantine)
    assert line["row"] == '{"instruction": "잘린'
    assert [rule["id"] for rule in line["rules"]] == ["row-unreadable"]


@pytest.mark.parametrize(
    "content", [None, "", '{"instruction": "가"}\n', '{"instr'], ids=["missing", "empty", "other fields", "damaged"]
)
def test_rows_that_ingest_did_not_write_are_an_error_that_names_the_command(paths, content, run):
    if content is not None:
        paths.records.parent.mkdir(parents=True)
        paths.records.write_text(content, "utf-8")
    with pytest.raises(ArtifactError, match=r"records\.jsonl.*; run: dvc repro .*ingest"):
        run(paths)


def test_the_report_is_json_with_reasons_in_both_languages(paths, make_row, run, good_rows):
    write_ingested(paths, [*good_rows, make_row("답이 없는 질문", output=None)])
    run(paths)
    report = json.loads(paths.validate_report.read_text("utf-8"))
    assert set(report["rules"]["output-missing"]) == {"severity", "reason_ko", "reason_en", "fix_ko", "fix_en"}


def test_a_rejection_is_korean_where_the_terminal_is(paths, monkeypatch, run, good_rows):
    monkeypatch.setenv("SEODANG_LANG", "ko")
    write_ingested(paths, good_rows)
    with pytest.raises(DataRejected, match="통과한 행이 3개보다 적습니다"):
        run(paths, dataset={"accepted_count": {"minimum": 3}})


def test_preference_rows_are_validated_beside_the_records(paths, make_row, run, good_rows):
    write_ingested(paths, good_rows)
    run(paths)
    accepted, report = paths.accepted_records.read_bytes(), read_json(paths.validate_report)
    assert paths.accepted_preferences.read_bytes() == b""
    pair = make_row(output="네, 그럼요.", rejected="아니요.")
    rows = [
        pair,
        make_row("왜 그런가요?", rejected="답입니다"),
        make_row(marks={"preference-missing": "format alpaca"}),
    ]
    write_rows(paths.preference_rows, rows)
    preferences = run(paths, dataset={"quarantined_ratio": {"maximum": 0.9}})["preferences"]
    assert paths.accepted_records.read_bytes() == accepted
    assert (preferences["accepted"], preferences["by_rule"]) == (1, {"pair-equal": 1, "preference-missing": 1})
    (record,) = read_records(paths.accepted_preferences)
    assert (record.output, record.rejected) == ("네, 그럼요.", "아니요.")
    assert [line["rules"][0]["id"] for line in read_rows(paths.quarantine)] == ["pair-equal", "preference-missing"]
    assert {name: read_json(paths.validate_report)[name] for name in ("rows", "by_rule", "rules")} == {
        name: report[name] for name in ("rows", "by_rule", "rules")
    }


def test_preferences_that_are_mostly_bad_stop_the_run(paths, make_row, run, good_rows):
    write_ingested(paths, good_rows)
    write_rows(paths.preference_rows, [make_row(f"{number}번은?", rejected="답입니다") for number in range(9)])
    with pytest.raises(DataRejected) as raised:
        run(paths)
    assert "all (preferences): 1" in str(raised.value)
    assert "9 pair-equal" in str(raised.value)
    assert not paths.accepted_records.exists()
    assert not paths.accepted_preferences.exists()
