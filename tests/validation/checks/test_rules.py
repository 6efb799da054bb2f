"""Each rule finds rows that violate it, and accepts rows that only look like violations."""

from __future__ import annotations

import pytest
from tests.validation.checks import answer_cases, escape_cases, task_cases, text_cases
from tests.validation.checks.rows import row

from seodang.validation.checks.registry import CHECKS, METRICS
from seodang.validation.checks.repair import repair
from seodang.validation.checks.run import examine

VIOLATIONS = [*text_cases.VIOLATIONS, *answer_cases.VIOLATIONS, *task_cases.VIOLATIONS, *escape_cases.VIOLATIONS]
NEAR_MISSES = [*text_cases.NEAR_MISSES, *answer_cases.NEAR_MISSES, *task_cases.NEAR_MISSES, *escape_cases.NEAR_MISSES]


def name_cases(cases):
    return [f"{id}-{number}" for number, (id, _) in enumerate(cases)]


@pytest.mark.parametrize(("id", "violating"), VIOLATIONS, ids=name_cases(VIOLATIONS))
def test_a_rule_finds_the_row_that_violates_it(id, violating, find_violations):
    finding = find_violations(violating)[id]
    assert finding.field in violating
    assert len(finding.excerpt) <= 80
    assert "\n" not in finding.excerpt


@pytest.mark.parametrize(("id", "near"), NEAR_MISSES, ids=name_cases(NEAR_MISSES))
def test_a_rule_accepts_the_row_that_nearly_violates_it(id, near, find_violations):
    assert id not in find_violations(near)


def test_each_rule_on_single_rows_has_both_kinds_of_cases():
    rules = set(CHECKS) | set(METRICS)
    assert {id for id, _ in VIOLATIONS} == rules
    assert {id for id, _ in NEAR_MISSES} == rules


def test_a_good_record_violates_no_rule(find_violations):
    assert find_violations(row()) == {}
    assert find_violations(row("What is a dog?", "", "A dog is an animal that barks.")) == {}


REFUSAL = "죄송하지만 그 질문에는 답변할 수 없습니다."


def test_a_refusal_that_people_preferred_or_marked_is_an_answer(find_violations):
    assert "refusal" in find_violations(row(output=REFUSAL))
    assert "refusal" not in find_violations(row(output=REFUSAL, rejected="일곱 개입니다."))
    assert "refusal" not in find_violations(row(output=REFUSAL, desirable=True))


def test_an_answer_that_people_marked_as_bad_may_be_bad(find_violations):
    echo = "서울은 어느 나라의 수도인가요?"
    assert "output-equals-instruction" in find_violations(row(output=echo, desirable=True))
    assert find_violations(row(output=echo, desirable=False)) == {}
    assert "mojibake" in find_violations(row(output="ë‹¤ë¥¸ ë‹µ", desirable=False))


def test_only_the_requested_rules_run(find_violations, limits):
    violating = row(instruction=None, output="")
    assert set(find_violations(violating, {"output-blank"})) == {"output-blank"}
    assert examine(violating, limits, {"output-blank"}).numbers == {}


def test_findings_come_in_the_order_of_the_registry(find_violations):
    assert list(find_violations(row(instruction="가", output="\x00"))) == ["instruction-too-short", "control-character"]
    assert list(find_violations(row(instruction="가", output=None))) == ["output-missing", "instruction-too-short"]


def test_each_numeric_rule_has_a_metric_that_is_none_without_text(all_rules, limits):
    numbers = examine(row(instruction="네 글자", input="", output=None), limits, all_rules).numbers
    assert numbers == {
        "instruction-too-short": 4.0,
        "instruction-too-long": 4.0,
        "input-too-long": None,
        "output-too-long": None,
        "repetition": None,
        "loop": None,
        "input-thin": None,
    }


def test_the_ratio_of_repeated_groups_equals_a_count_by_hand(limits):
    # 16 words make 13 groups of four. The second half repeats the first: 8 groups differ, including those over the
    # seam.
    output = "가 나 다 라 마 바 사 아 " * 2
    assert examine(row(output=output), limits, {"repetition"}).numbers["repetition"] == pytest.approx(1 - 8 / 13)


def test_a_hangul_syllable_counts_as_two_letters_of_an_article(limits):
    article = row(instruction="기사를 요약하세요.", input="가나다 abc")
    assert examine(article, limits, {"input-thin"}).numbers["input-thin"] == 3 * 2 + 1 + 3


def test_checks_do_not_change_the_row(find_violations):
    violating = row(output="대한\u200b민국 &amp; 서울")
    copy = {**violating}
    find_violations(violating)
    assert violating == copy


def test_personal_data_is_not_in_the_finding(find_violations):
    for id, violating in text_cases.VIOLATIONS:
        if id.startswith(("personal-", "secret-")):
            excerpt = find_violations(violating)[id].excerpt
            assert not set("0123456789") & set(excerpt) or "@" not in excerpt
            assert "[" in excerpt
            assert "4916" not in excerpt
            assert "kim@" not in excerpt


LONG = 200_000  # characters; default of ingest.max_field_characters
ADVERSARIAL = [
    "a",
    " ",
    "\n",
    "(",
    "1 ",
    "1(",
    ". ",
    "eyJ-",
    "a.",
    "@a.",
    "<",
    "&",
    '"',
    "\u200b",
    "Ã",
    "가",
    "漢字",
    "[your ",
    "-----BEGIN PRIVATE KEY-----",
    "m.kim@kaist.ac.kr ",
    "{{",
    "``` ",
]


@pytest.mark.slow
@pytest.mark.timeout(120)
@pytest.mark.parametrize("piece", ADVERSARIAL)
def test_a_long_adversarial_text_does_not_stop_the_checks(piece, all_rules, limits):
    text = (piece * LONG)[:LONG]
    for violating in (
        row(instruction=text),
        row(input=text, output=text[:70]),
        row(output=text),
        row(instruction=f"Summarize the article. {text}", input=text, output=text),
    ):
        examine(violating, limits, all_rules)
        repair(violating, all_rules, limits)
