"""What becomes of rows: Great Expectations, the real one, judges; actions decide; its Data Docs show it."""

from __future__ import annotations

import re
import unicodedata
from urllib.parse import unquote

import pytest
from data_rows import row, shipped_expectations

from seodang.ingest.rows import make_field_error
from seodang.validation.expectations import open_validator
from seodang.validation.repeats import find_repeats
from seodang.validation.validator import ValidationContext, validate_rows

LIMITS = {"max_instruction_characters": 40, "max_input_characters": 60, "max_output_characters": 60}


def screened(tmp_path, rows, *, actions=None, limits=None, stream=None):
    expectations = shipped_expectations(actions=actions or {}, limits={**LIMITS, **(limits or {})})
    with_ = ValidationContext(expectations, find_repeats(rows, 30), None)
    with open_validator(with_.rules, expectations, name="records-0123", data_docs=tmp_path / "data_docs") as judge:
        return list(validate_rows(stream or rows, with_, judge))


def faults(judged):
    return [[broken.rule.id for broken in each.errors] for each in judged]


def test_rows_in_order_come_out_in_both_languages(tmp_path):
    rows = [
        row(),
        row("Name the capital of Korea.", "", "Seoul is the capital of Korea.", language="en"),
        row("수도는?", "대한민국", "서울", language="ko"),
    ]
    judged = screened(tmp_path, rows)
    assert faults(judged) == [[], [], []]
    assert [each.to_record().output for each in judged] == ["답입니다.", "Seoul is the capital of Korea.", "서울"]


@pytest.mark.parametrize(
    ("faulty", "id", "found"),
    [
        (row(instruction=None), "instruction-missing", "null"),
        (row(instruction=" \n\t"), "instruction-blank", "   "),
        (row(instruction=["목록"]), "instruction-not-text", '["목록"]'),
        (row(instruction="길" * 41), "instruction-too-long", "41 characters: " + "길" * 41),
        (row(output=None), "output-missing", "null"),
        (row(output=make_field_error("label-unknown", "중립")), "label-unknown", "중립"),
        (row(output=make_field_error("row-unreadable", '{"cut')), "row-unreadable", '{"cut'),
    ],
)
def test_a_faulty_row_is_rejected_with_what_stands_there(tmp_path, faulty, id, found):
    _, judged = screened(tmp_path, [row(output="옳은 행입니다."), faulty])
    assert [(broken.rule.id, broken.severity, broken.finding.excerpt) for broken in judged.errors] == [
        (id, "reject", found)
    ]


def test_a_row_that_breaks_several_rules_is_told_all_of_them(tmp_path):
    judged = screened(tmp_path, [row(instruction=None, input=3, output=" ")])
    assert faults(judged) == [["instruction-missing", "output-blank", "input-not-text"]]


def test_a_rule_that_warns_leaves_the_row_in_and_the_record_says_so(tmp_path):
    (judged,) = screened(tmp_path, [row(instruction="길" * 41)], actions={"instruction_too_long": "warn"})
    assert judged.is_accepted
    assert judged.to_record().warnings == ("instruction-too-long",)


def test_a_rule_that_is_off_finds_nothing(tmp_path):
    assert faults(screened(tmp_path, [row(instruction="길" * 41)], actions={"instruction_too_long": "off"})) == [[]]


def test_a_fault_that_can_be_mended_is_mended_and_counted_and_the_row_as_it_was_is_kept(tmp_path):
    decomposed = unicodedata.normalize("NFD", "한국어로 답합니다.")
    (judged,) = screened(tmp_path, [row(output=decomposed)])
    assert judged.is_accepted
    assert judged.to_record().repairs == ("not-nfc",)
    assert judged.to_record().output == "한국어로 답합니다."
    assert judged.row["output"] == decomposed


def test_of_equal_rows_the_first_stays_and_the_others_name_it(tmp_path):
    rows = [row("같은 질문", source_row=4), row("다른 질문"), row("같은 질문", output=" 답입니다.\n", source_row=9)]
    judged = screened(tmp_path, rows)
    assert faults(judged) == [[], [], ["duplicate"]]
    assert judged[2].errors[0].finding.excerpt == "films.json:4"


def test_a_training_row_that_repeats_a_scored_one_is_left_to_the_search_for_leaks(tmp_path):
    rows = [row(role="test"), row(role="train"), row(role="any"), row(role="test")]
    assert faults(screened(tmp_path, rows)) == [[], [], [], ["duplicate"]]


def test_two_labels_for_the_same_text_contradict_each_other_and_both_rows_are_told(tmp_path):
    asked = {"instruction": "감정을 분류하세요", "input": "그 영화 괜찮더라"}
    rows = [
        row(**asked, output="긍정", source_row=0),
        row(**asked, output="부정", source_row=1),
        row(asked["instruction"], "다른 영화", "부정"),
    ]
    judged = screened(tmp_path, rows)
    assert faults(judged) == [["contradiction"], ["contradiction"], []]
    assert [each.errors[0].finding.excerpt for each in judged[:2]] == ["films.json:1", "films.json:0"]


def test_two_long_answers_to_one_question_are_no_contradiction_but_told(tmp_path):
    rows = [
        row("봄에 갈 만한 곳은?", "", f"{place}에 가 보세요. 꽃이 많이 피어 산책하기에 좋습니다.")
        for place in ("경주", "진해")
    ]
    judged = screened(tmp_path, rows)
    assert faults(judged) == [[], []]
    assert ["several-answers" in each.to_record().warnings for each in judged] == [True, True]


def test_far_more_faults_than_great_expectations_shows_are_all_named(tmp_path):
    rows = [row(f"질문 {number}번", output=None if number % 3 else "답입니다.") for number in range(1500)]
    assert sum(not each.is_accepted for each in screened(tmp_path, rows)) == 1000


def test_chunks_are_judged_one_by_one_with_a_page_each(tmp_path, monkeypatch):
    monkeypatch.setattr("seodang.validation.validator._CHUNK_ROWS", 4)
    rows = [row(f"질문 {number}번", output=None if number in {1, 6, 8} else f"{number}입니다.") for number in range(9)]
    judged = screened(tmp_path, rows)
    assert [number for number, each in enumerate(judged) if not each.is_accepted] == [1, 6, 8]
    pages = [path.as_posix() for path in (tmp_path / "data_docs").rglob("*.html") if "validations" in path.as_posix()]
    assert len(pages) == 3


def test_the_data_docs_open_without_a_network_and_show_rules_counts_and_places(tmp_path):
    screened(
        tmp_path,
        [row(), row(output=None, file="영화<b>.json", source_row=7), row("<script>alert(1)</script>" + "길" * 9000)],
    )
    pages = {path.name: path.read_text("utf-8") for path in (tmp_path / "data_docs").rglob("*.html")}
    result = pages["instruction_records-instruction_records.html"]
    assert "output-missing" in result
    assert "답(output)이 없습니다" in result
    assert "output is missing" in result
    assert "영화&lt;b&gt;.json:7" in result
    assert not any(re.search(r"<script|<img|<link|길{100}|unexpected_index_query", page) for page in pages.values())


def test_every_link_in_the_data_docs_leads_to_a_page(tmp_path):
    screened(tmp_path, [row(), row(output=None)])
    pages = list((tmp_path / "data_docs").rglob("*.html"))
    links = [
        (page, unquote(link))
        for page in pages
        for link in re.findall(r'<a [^>]*href="([^"#]+)"', page.read_text("utf-8"))
    ]
    assert links
    assert [link for page, link in links if not (page.parent / link).is_file()] == []


def test_a_run_that_dies_leaves_the_former_data_docs_alone(tmp_path):
    def dying():
        yield row()
        raise KeyboardInterrupt

    screened(tmp_path, [row()])
    before = (tmp_path / "data_docs" / "index.html").read_bytes()
    with pytest.raises(KeyboardInterrupt):
        screened(tmp_path, [row()], stream=dying())
    assert (tmp_path / "data_docs" / "index.html").read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["data_docs"]
