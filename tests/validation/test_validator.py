"""Rows are accepted, repaired or rejected by the actions of the rules that they violate."""

from __future__ import annotations

import unicodedata

import pytest

from seodang.ingest.rows import make_field_error
from seodang.validation.repeats import find_repeats
from seodang.validation.validator import ValidationContext, validate_rows

LIMITS = {"max_instruction_characters": 40, "max_input_characters": 60, "max_output_characters": 60}


@pytest.fixture(scope="module")
def validate(build_expectations, make_fake_validator):
    def validate(rows, *, actions=None, limits=None, validator=None):
        expectations = build_expectations(actions=actions or {}, limits={**LIMITS, **(limits or {})})
        context = ValidationContext(expectations, find_repeats(rows, 30), None, "rows")
        return list(validate_rows(rows, context, validator or make_fake_validator(context.rules, expectations)))

    return validate


def list_errors(results):
    return [[violation.rule.id for violation in result.errors] for result in results]


def test_valid_rows_are_accepted_in_both_languages(make_row, validate):
    rows = [
        make_row(),
        make_row("Name the capital of Korea.", "", "Seoul is the capital of Korea.", language="en"),
        make_row("수도는?", "대한민국", "서울", language="ko"),
    ]
    results = validate(rows)
    assert list_errors(results) == [[], [], []]
    assert [result.to_record().output for result in results] == ["답입니다.", "Seoul is the capital of Korea.", "서울"]


@pytest.mark.parametrize(
    ("changes", "id", "excerpt"),
    [
        ({"instruction": None}, "instruction-missing", "null"),
        ({"instruction": " \n\t"}, "instruction-blank", "   "),
        ({"instruction": ["목록"]}, "instruction-not-text", '["목록"]'),
        ({"instruction": "길" * 41}, "instruction-too-long", "41 characters: " + "길" * 41),
        ({"output": None}, "output-missing", "null"),
        ({"output": make_field_error("label-unknown", "중립")}, "label-unknown", "중립"),
        ({"output": make_field_error("row-unreadable", '{"cut')}, "row-unreadable", '{"cut'),
    ],
)
def test_an_invalid_row_is_rejected_with_an_excerpt(changes, id, excerpt, make_row, validate):
    _, result = validate([make_row(output="옳은 행입니다."), make_row(**changes)])
    assert [(violation.rule.id, violation.severity, violation.finding.excerpt) for violation in result.errors] == [
        (id, "reject", excerpt)
    ]


def test_all_rules_that_a_row_violates_are_named(make_row, validate):
    results = validate([make_row(instruction=None, input=3, output=" ")])
    assert list_errors(results) == [["instruction-missing", "output-blank", "input-not-text"]]


def test_a_rule_that_warns_accepts_the_row_and_marks_the_record(make_row, validate):
    (result,) = validate([make_row(instruction="길" * 41)], actions={"instruction_too_long": "warn"})
    assert result.is_accepted
    assert result.to_record().warnings == ("instruction-too-long",)


def test_a_rule_that_is_off_finds_nothing(make_row, validate):
    assert list_errors(validate([make_row(instruction="길" * 41)], actions={"instruction_too_long": "off"})) == [[]]


def test_a_repairable_row_is_repaired_and_marked_and_the_original_is_kept(make_row, validate):
    decomposed = unicodedata.normalize("NFD", "한국어로 답합니다.")
    (result,) = validate([make_row(output=decomposed)])
    assert result.is_accepted
    assert result.to_record().repairs == ("not-nfc",)
    assert result.to_record().output == "한국어로 답합니다."
    assert result.row["output"] == decomposed


def test_of_equal_rows_the_first_stays_and_the_others_name_it(make_row, validate):
    rows = [
        make_row("같은 질문", source_row=4),
        make_row("다른 질문"),
        make_row("같은 질문", output=" 답입니다.\n", source_row=9),
    ]
    results = validate(rows)
    assert list_errors(results) == [[], [], ["duplicate"]]
    assert results[2].errors[0].finding.excerpt == "films.json:4"


def test_a_training_row_that_repeats_an_evaluation_row_is_left_to_decontamination(make_row, validate):
    rows = [make_row(role="test"), make_row(role="train"), make_row(role="any"), make_row(role="test")]
    assert list_errors(validate(rows)) == [[], [], [], ["duplicate"]]


def test_two_labels_for_the_same_text_contradict_each_other_and_both_rows_name_the_other(make_row, validate):
    question = {"instruction": "감정을 분류하세요", "input": "그 영화 괜찮더라"}
    rows = [
        make_row(**question, output="긍정", source_row=0),
        make_row(**question, output="부정", source_row=1),
        make_row(question["instruction"], "다른 영화", "부정"),
    ]
    results = validate(rows)
    assert list_errors(results) == [["contradiction"], ["contradiction"], []]
    assert [result.errors[0].finding.excerpt for result in results[:2]] == ["films.json:1", "films.json:0"]


def test_two_long_answers_to_one_question_are_a_warning_and_no_contradiction(make_row, validate):
    rows = [
        make_row("봄에 갈 만한 곳은?", "", f"{city}에 가 보세요. 꽃이 많이 피어 산책하기에 좋습니다.")
        for city in ("경주", "진해")
    ]
    results = validate(rows)
    assert list_errors(results) == [[], []]
    assert ["several-answers" in result.to_record().warnings for result in results] == [True, True]


def test_rows_are_validated_in_chunks_of_their_own_title(
    monkeypatch, build_expectations, make_fake_validator, make_row, validate
):
    monkeypatch.setattr("seodang.validation.validator._CHUNK_ROWS", 4)
    rows = [
        make_row(f"질문 {number}번", output=None if number in {1, 6, 8} else f"{number}입니다.") for number in range(9)
    ]
    expectations = build_expectations()
    validator = make_fake_validator(
        ValidationContext(expectations, find_repeats([], 30), None, "rows").rules, expectations
    )
    results = validate(rows, validator=validator)
    assert [index for index, result in enumerate(results) if not result.is_accepted] == [1, 6, 8]
    assert validator.titles == ["rows 1-4", "rows 5-8", "rows 9-9"]
