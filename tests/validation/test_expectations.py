"""Great Expectations, the real one: it decides like the fake, and its Data Docs need no network."""

from __future__ import annotations

import html
import re
from urllib.parse import unquote

import pytest
from tests.validation.checks import answer_cases, task_cases, text_cases

from seodang.validation.expectations import open_validator
from seodang.validation.repeats import find_repeats
from seodang.validation.validator import ValidationContext, validate_rows

PHONE_NUMBER = "010-2738-4916"


@pytest.fixture(scope="module")
def rows_of_all_rules(make_row):
    return [
        make_row(**{name: value for name, value in case.items() if name != "language"}, source_row=index)
        for index, (_, case) in enumerate(
            [*text_cases.VIOLATIONS, *answer_cases.VIOLATIONS, *task_cases.VIOLATIONS, *text_cases.NEAR_MISSES]
        )
    ]


@pytest.fixture(scope="module")
def validate(build_expectations):
    def validate(folder, rows, *, stream=None, dataset=()):
        expectations = build_expectations(
            limits={"max_instruction_characters": 40, "max_input_characters": 60, "max_output_characters": 60}
        )
        context = ValidationContext(expectations, find_repeats(rows, 30), None, "rows")
        with open_validator(context.rules, expectations, name="records-0123", data_docs=folder) as validator:
            return list(validate_rows(stream or rows, context, validator))

    return validate


@pytest.fixture(scope="module")
def pages(tmp_path_factory, make_row, validate):
    """Data Docs of four rows, two of them invalid, by path."""
    folder = tmp_path_factory.mktemp("validate") / "data_docs"
    validate(
        folder,
        [
            make_row(),
            make_row(output=None, file="영화<b>.json", source_row=7),
            make_row("<script>alert(1)</script>" + "길" * 9000),
            make_row("전화번호는?", output=f"{PHONE_NUMBER}입니다."),
        ],
    )
    return {path: path.read_text("utf-8") for path in folder.rglob("*.html")}


def find_result_page(pages, suite):
    return next(text for path, text in pages.items() if path.name == f"{suite}-{suite}.html")


def test_great_expectations_and_the_fake_decide_alike_on_every_case(
    build_expectations, make_fake_validator, rows_of_all_rules
):
    expectations = build_expectations()
    context = ValidationContext(expectations, find_repeats(rows_of_all_rules, 30), None, "rows")
    with open_validator(context.rules, expectations, name="records-0123", data_docs=None) as validator:
        results = list(validate_rows(rows_of_all_rules, context, validator))
    assert results == list(validate_rows(rows_of_all_rules, context, make_fake_validator(context.rules, expectations)))
    assert {violation.rule.id for result in results for violation in result.errors} > {"output-missing", "refusal"}


@pytest.mark.slow
def test_violations_beyond_those_that_the_pages_show_are_all_named(tmp_path, monkeypatch, make_row, validate):
    monkeypatch.setattr("seodang.validation.validator._CHUNK_ROWS", 1100)
    rows = [make_row(f"질문 {number}번", output=None if number % 3 else "답입니다.") for number in range(1500)]
    results = validate(tmp_path / "data_docs", rows)
    assert sum(not result.is_accepted for result in results) == 1000
    paths = [path.as_posix() for path in (tmp_path / "data_docs").rglob("*.html")]
    chunks = [path for path in paths if "validations/instruction_records" in path]
    assert len(chunks) == 2


def test_the_data_docs_need_no_network_and_show_rules_counts_and_locations(pages):
    result = find_result_page(pages, "instruction_records")
    assert "output-missing" in result
    assert '<span lang="en"><br>Problem: output is missing' in result
    assert '<span lang="ko"><br>문제: 답(output)이 없습니다' in result
    assert 'id="language-ko"' in result
    assert "영화&lt;b&gt;.json:7" in result
    assert not any(re.search(r"<script|<img|<link|길{100}|unexpected_index_query", page) for page in pages.values())


def test_the_data_docs_name_the_fields_with_built_in_expectations_and_show_none_of_their_texts(pages):
    result = html.unescape(re.sub(r"<[^>]+>", "", find_result_page(pages, "instruction_fields")))
    result = " ".join(result.split())
    for field in ("instruction", "output"):
        section = result.split(f" {field} Status Expectation")[1].split(" Status Expectation")[0]
        assert "values must never be null." in section
        assert r"values must match this regular expression: \S" in section
        assert "characters long." in section
        assert "values must not match this regular expression: (?im)^#{2,3}" in section
    assert "1 unexpected values found. 25% of 4 total rows." in result
    assert not any(PHONE_NUMBER in page for page in pages.values())


def test_every_link_in_the_data_docs_leads_to_a_page(pages):
    links = [
        (path, unquote(link)) for path, text in pages.items() for link in re.findall(r'<a [^>]*href="([^"#]+)"', text)
    ]
    assert links
    assert [link for path, link in links if not (path.parent / link).is_file()] == []


def test_an_interrupted_run_leaves_the_previous_data_docs(tmp_path, make_row, validate):
    def interrupt():
        yield make_row()
        raise KeyboardInterrupt

    index = tmp_path / "data_docs" / "index.html"
    index.parent.mkdir()
    index.write_text("previous", "utf-8")
    with pytest.raises(KeyboardInterrupt):
        validate(tmp_path / "data_docs", [make_row()], stream=interrupt())
    assert index.read_text("utf-8") == "previous"
    assert [path.name for path in tmp_path.iterdir()] == ["data_docs"]
