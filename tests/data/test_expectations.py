"""What Great Expectations, the real one, turns away, and what its Data Docs show."""

from __future__ import annotations

import re
import unicodedata
from urllib.parse import unquote

import pytest

from seodang.data.expectations import judge
from seodang.data.rows import fault
from seodang.data.rules import data_rules, row_rules
from seodang.params import ExpectationsParams

BOUNDS = ExpectationsParams(
    min_instruction_characters=2,
    max_instruction_characters=20,
    max_input_characters=30,
    max_output_characters=30,
    max_quarantined_share=0.9,
    min_accepted=1,
)


def row(instruction="무엇인가요?", input="", output="답입니다", **changes):
    fields = {
        "language": "ko",
        "source": "films",
        "task": "t",
        "cluster": "c",
        "choices": [],
        "role": "any",
        "file": "films.json",
        "source_row": 0,
        "oversized": [],
    }
    return {"instruction": instruction, "input": input, "output": output, **fields, **changes}


def judged(tmp_path, rows, **changes):
    return judge(rows, BOUNDS.model_copy(update=changes), run_name="records-0123", data_docs=tmp_path / "data_docs")


def ids(outcome):
    return {number: [failure.rule.id for failure in failures] for number, failures in outcome.failures.items()}


FAULTY = [
    (row(instruction=None), "instruction-missing", "null"),
    (row(instruction=" \n\t"), "instruction-blank", "   "),
    (row(instruction="\u3164\u200b\ufeff"), "instruction-blank", "\u3164  "),
    (row(instruction=["목록"]), "instruction-not-text", '["목록"]'),
    (row(instruction="half an emoji \ud83d"), "instruction-broken", "half an emoji  "),
    (row(instruction="가"), "instruction-too-short", "1 characters: 가"),
    (row(instruction="길" * 21), "instruction-too-long", "21 characters: " + "길" * 21),
    (row(instruction="a" * 20, oversized=["instruction"]), "instruction-oversized", "20 characters: " + "a" * 20),
    (row(input={"a": 1}), "input-not-text", '{"a": 1}'),
    (row(input="\udfff"), "input-broken", " "),
    (row(input="글" * 31), "input-too-long", "31 characters: " + "글" * 31),
    (row(input="b" * 20, oversized=["input"]), "input-oversized", "20 characters: " + "b" * 20),
    (row(input=fault("text-missing", None)), "text-missing", "null"),
    (row(output=None), "output-missing", "null"),
    (row(output=""), "output-blank", ""),
    (row(output=True), "output-not-text", "true"),
    (row(output="ok \ud800"), "output-broken", "ok  "),
    (row(output="x" * 31), "output-too-long", "31 characters: " + "x" * 31),
    (row(output="c" * 20, oversized=["output"]), "output-oversized", "20 characters: " + "c" * 20),
    (row(output=fault("label-unknown", "중립")), "label-unknown", "중립"),
    (row(output=fault("row-ragged", ["a", "b"])), "row-ragged", '["a", "b"]'),
]


def test_each_fault_is_found_by_its_own_rule_and_by_no_other(tmp_path):
    rows = [row(output="이 행은 옳다"), *(faulty for faulty, _, _ in FAULTY)]
    outcome = judged(tmp_path, rows)
    assert ids(outcome) == {number: [id] for number, (_, id, _) in enumerate(FAULTY, start=1)}
    found = [outcome.failures[number][0].found(rows[number]) for number in range(1, len(rows))]
    assert found == [text for _, _, text in FAULTY]


def test_every_rule_is_broken_by_a_row_of_these_tests():
    tried = {id for _, id, _ in FAULTY} | {"duplicate"}
    assert tried == {rule.id for rule in row_rules(BOUNDS)}


def test_every_rule_gives_its_reason_and_fix_in_korean_and_english():
    for rule in [*row_rules(BOUNDS), *data_rules(BOUNDS)]:
        assert all(re.search("[가-힣]", text) for text in (rule.reason_ko, rule.fix_ko))
        assert not any(re.search("[가-힣]", text) for text in (rule.reason_en, rule.fix_en))


def test_a_row_that_breaks_several_rules_is_told_all_of_them(tmp_path):
    outcome = judged(tmp_path, [row(), row(instruction=None, input=3, output=" ")])
    assert ids(outcome) == {1: ["instruction-missing", "input-not-text", "output-blank"]}


def test_rows_within_the_bounds_in_both_languages_all_pass(tmp_path):
    rows = [row(instruction="가나", output="다"), row(instruction="a" * 20, input="b" * 30, output="c" * 30), row(instruction="🙂🙂", input=" ", output="0")]
    assert judged(tmp_path, rows).failures == {}


def test_of_equal_rows_the_first_stays_and_the_others_name_it(tmp_path):
    composed, decomposed = "한국은?", unicodedata.normalize("NFD", "한국은?")
    rows = [row(composed, source_row=4), row("다른 질문"), row(decomposed, input=" ", output=" 답입니다\n"), row(composed, output="다른 답")]
    outcome = judged(tmp_path, rows)
    assert ids(outcome) == {2: ["duplicate"]}
    assert outcome.failures[2][0].found(rows[2]) == "line 1 (films.json:4)"


def test_what_is_found_is_shown_in_eighty_characters_at_most(tmp_path):
    rows = [row(), row(output=["가" * 500]), row(output="a\n" * 500)]
    outcome = judged(tmp_path, rows)
    assert [len(outcome.failures[number][0].found(rows[number])) for number in (1, 2)] == [80, 80]


def test_a_set_without_a_single_good_row_is_judged_too(tmp_path):
    outcome = judged(tmp_path, [row(instruction=None, input=1, output=None)] * 3)
    assert (outcome.rows, len(outcome.failures)) == (3, 3)
    assert [failure.rule.id for failure in outcome.data_failures] == ["quarantined-share", "accepted-count"]


@pytest.mark.parametrize(("share", "accepted", "failed"), [(0.5, 2, []), (0.49, 2, ["quarantined-share"]), (0.5, 3, ["accepted-count"])])
def test_the_bounds_of_the_whole_set_belong_to_what_is_allowed(tmp_path, share, accepted, failed):
    rows = [row("질문 하나"), row("질문 둘"), row(output=None), row(output="")]
    outcome = judged(tmp_path, rows, max_quarantined_share=share, min_accepted=accepted)
    assert [failure.rule.id for failure in outcome.data_failures] == failed


def test_far_more_faults_than_great_expectations_shows_are_all_named(tmp_path):
    outcome = judged(tmp_path, [row(f"질문 {number}", output=None if number % 3 else "답") for number in range(1500)])
    assert len(outcome.failures) == 1000


def test_the_data_docs_open_without_a_network_and_show_rules_counts_and_places(tmp_path):
    judged(tmp_path, [row(), row(output=None, file="영화<b>.json", source_row=7), row(output="<script>alert(1)</script>" + "길" * 9000)])
    pages = {path.name: path.read_text("utf-8") for path in (tmp_path / "data_docs").rglob("*.html")}
    result = pages["instruction_records-instruction_records.html"]
    assert "index.html" in pages
    assert "output-missing" in result
    assert "답(output)이 없습니다" in result
    assert "output is missing" in result
    assert "1 unexpected values found" in result
    assert "영화&lt;b&gt;.json:7" in result
    assert not any(re.search(r"<script|<img|<link|길{100}|unexpected_index_query", page) for page in pages.values())


def test_every_link_in_the_data_docs_leads_to_a_page(tmp_path):
    judged(tmp_path, [row(), row(output=None)])
    pages = list((tmp_path / "data_docs").rglob("*.html"))
    links = [(page, unquote(link)) for page in pages for link in re.findall(r'<a [^>]*href="([^"#]+)"', page.read_text("utf-8"))]
    assert links
    assert [link for page, link in links if not (page.parent / link).is_file()] == []


def test_data_docs_are_replaced_as_a_whole_and_nothing_is_left_beside_them(tmp_path):
    judged(tmp_path, [row()])
    (tmp_path / "data_docs" / "old.html").write_text("old", "utf-8")
    judged(tmp_path, [row()])
    assert not (tmp_path / "data_docs" / "old.html").exists()
    assert [path.name for path in tmp_path.iterdir()] == ["data_docs"]


def test_a_run_that_dies_leaves_the_former_data_docs_alone(tmp_path):
    def dying():
        yield row()
        raise KeyboardInterrupt

    judged(tmp_path, [row()])
    before = (tmp_path / "data_docs" / "index.html").read_bytes()
    with pytest.raises(KeyboardInterrupt):
        judged(tmp_path, dying())
    assert (tmp_path / "data_docs" / "index.html").read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["data_docs"]
