"""Each rule finds what it is for, and leaves alone what only looks like it."""

from __future__ import annotations

import answer_cases
import pytest
import task_cases
import text_cases
from examined import EVERY, LIMITS, found, row

from seodang.validation.checks.registry import CHECKS, METRICS
from seodang.validation.checks.repair import repair
from seodang.validation.checks.run import examine

BREAKS = [*text_cases.BREAKS, *answer_cases.BREAKS, *task_cases.BREAKS]
MISSES = [*text_cases.MISSES, *answer_cases.MISSES, *task_cases.MISSES]


def names(cases):
    return [f"{id}-{number}" for number, (id, _) in enumerate(cases)]


@pytest.mark.parametrize(("id", "broken"), BREAKS, ids=names(BREAKS))
def test_a_rule_finds_the_row_that_breaks_it(id, broken):
    finding = found(broken)[id]
    assert finding.field in broken
    assert len(finding.excerpt) <= 80
    assert "\n" not in finding.excerpt


@pytest.mark.parametrize(("id", "near"), MISSES, ids=names(MISSES))
def test_a_rule_leaves_the_row_that_nearly_breaks_it(id, near):
    assert id not in found(near)


def test_each_rule_that_looks_at_rows_has_both_kinds_of_example():
    looking = set(CHECKS) | set(METRICS)
    assert {id for id, _ in BREAKS} == looking
    assert {id for id, _ in MISSES} == looking


def test_a_good_record_breaks_no_rule():
    assert found(row()) == {}
    assert found(row("What is a dog?", "", "A dog is an animal that barks.")) == {}


def test_only_the_rules_that_are_asked_for_look():
    broken = row(instruction=None, output="")
    assert set(found(broken, {"output-blank"})) == {"output-blank"}
    assert examine(broken, LIMITS, {"output-blank"}).numbers == {}


def test_findings_come_in_the_order_of_the_catalogue():
    assert list(found(row(instruction="가", output="\x00"))) == ["instruction-too-short", "control-character"]
    assert list(found(row(instruction="가", output=None))) == ["output-missing", "instruction-too-short"]


def test_a_number_is_measured_for_each_numeric_rule_and_is_none_where_there_is_no_text():
    numbers = examine(row(instruction="네 글자", input="", output=None), LIMITS, EVERY).numbers
    assert numbers == {
        "instruction-too-short": 4.0,
        "instruction-too-long": 4.0,
        "input-too-long": None,
        "output-too-long": None,
        "repetition": None,
        "loop": None,
        "input-thin": None,
    }


def test_the_share_of_repeated_groups_is_counted_by_hand():
    # 16 words make 13 groups of four; the second half repeats the first, whose 8 words make 8 different groups with the seam.
    output = "가 나 다 라 마 바 사 아 " * 2
    assert examine(row(output=output), LIMITS, {"repetition"}).numbers["repetition"] == pytest.approx(1 - 8 / 13)


def test_a_hangul_syllable_counts_as_two_letters_of_an_article():
    article = row(instruction="기사를 요약하세요.", input="가나다 abc")
    assert examine(article, LIMITS, {"input-thin"}).numbers["input-thin"] == 3 * 2 + 1 + 3


def test_the_row_is_not_changed():
    broken = row(output="대한\u200b민국 &amp; 서울")
    copy = {**broken}
    found(broken)
    assert broken == copy


def test_personal_data_is_not_in_the_finding():
    for id, broken in text_cases.BREAKS:
        if id.startswith(("personal-", "secret-")):
            shown = found(broken)[id].excerpt
            assert not set("0123456789") & set(shown) or "@" not in shown
            assert "[" in shown
            assert "4916" not in shown
            assert "kim@" not in shown


LONG = 200_000  # characters: ingest.max_field_characters as shipped
HARD = [
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


@pytest.mark.timeout(120)
@pytest.mark.parametrize("piece", HARD)
def test_a_long_text_made_to_be_hard_is_examined_all_the_same(piece):
    text = (piece * LONG)[:LONG]
    for broken in (
        row(instruction=text),
        row(input=text, output=text[:70]),
        row(output=text),
        row(instruction=f"Summarize the article. {text}", input=text, output=text),
    ):
        examine(broken, LIMITS, EVERY)
        repair(broken, EVERY, LIMITS)
