"""Repairs remove the findings of their rules and change nothing else."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.validation.checks import answer_cases, text_cases
from tests.validation.checks.escape_cases import ESCAPED, LITERAL
from tests.validation.checks.rows import english, row

from seodang.validation.checks.escapes import decode_escapes
from seodang.validation.checks.registry import REGISTRY, REPAIRERS
from seodang.validation.checks.repair import repair
from seodang.validation.checks.run import examine

REPAIRS = [
    ("escaped-text", row(output="서울\\n부산"), "output", "서울\n부산"),
    ("control-character", row(output="대한\x00민국\r\n서울\x0b부산"), "output", "대한민국\n서울\n부산"),
    ("not-nfc", row(output="\u1112\u1161\u11ab국"), "output", "한국"),
    ("zero-width", row(instruction="\ufeff서울은 어디\u200b인가요?"), "instruction", "서울은 어디인가요?"),
    ("html-entity", row(output="삼성 &amp;amp; 엘지&nbsp;&lt;3"), "output", "삼성 & 엘지 <3"),
    ("html-break", row(output="<p>첫째<br/>둘째</p><p>셋째</p>"), "output", "첫째\n둘째\n셋째"),
    ("placeholder-input", english(input="<noinput>"), "input", ""),
    ("output-quoted", row(output='"서울입니다."'), "output", "서울입니다."),
    ("output-quoted", row(output='서울입니다."'), "output", "서울입니다."),
    ("personal-resident-number", row(output="900101-1234568입니다."), "output", "[주민등록번호]입니다."),
    (
        "personal-phone",
        row(output="집은 02-738-4916, 손전화는 010-2738-4916입니다."),
        "output",
        "집은 [전화번호], 손전화는 [전화번호]입니다.",
    ),
    ("personal-phone", english(output="Call (212) 684-4719."), "output", "Call [PHONE]."),
    ("personal-email", english(output="Write to m.kim@kaist.ac.kr."), "output", "Write to [EMAIL]."),
    ("personal-card", english(output="Card 4539578763621486."), "output", "Card [CARD NUMBER]."),
    ("secret-key", row(output=f"키는 {text_cases.TOKEN}입니다."), "output", "키는 [비밀키]입니다."),
]
SECRETS = (
    "010-2738-4916",
    "m.kim@kaist.ac.kr",
    "4539 5787 6362 1486",
    "900101-1234568",
    text_cases.TOKEN,
    "+44 20 7946 1958",
    "-----BEGIN PRIVATE KEY-----",
)
PIECES = st.sampled_from(
    (
        *"\"“”‘'\r\x00\x85\u200b\u200d\ufeff\u200e\u05d0\u1112\u1161\u11ab😀 가나a.\n",
        "&amp;",
        "amp;",
        "&lt;",
        "&#39;",
        "&#0;",
        "<br>",
        "<p>",
        "</p>",
        "<",
        "noinput",
        "없음",
        *SECRETS,
    )
)
TEXTS = st.one_of(st.lists(PIECES, max_size=12).map("".join), st.text(max_size=60))
VALUES = st.one_of(
    TEXTS,
    st.none(),
    st.integers(),
    st.booleans(),
    st.lists(TEXTS, max_size=2),
    st.dictionaries(st.text(max_size=3), TEXTS, max_size=2),
)
ROWS = st.builds(
    row,
    instruction=TEXTS,
    input=TEXTS,
    output=TEXTS,
    system=TEXTS,
    rejected=TEXTS,
    turns=st.lists(st.fixed_dictionaries({"role": st.just("user"), "content": TEXTS}), max_size=2),
)


@pytest.mark.parametrize(
    ("id", "violating", "field", "expected"), REPAIRS, ids=[f"{id}-{number}" for number, (id, *_) in enumerate(REPAIRS)]
)
def test_a_repair_changes_the_field_and_nothing_else(id, violating, field, expected, limits):
    repaired, repairs = repair(violating, [id], limits)
    assert repaired == {**violating, field: expected}
    assert [(change.id, change.field) for change in repairs] == [(id, field)]
    assert all(len(text) <= 80 for change in repairs for text in (change.before, change.after))


def test_each_repairer_has_a_case():
    assert {id for id, *_ in REPAIRS} == set(REPAIRERS)


def test_turns_system_text_and_the_rejected_answer_are_repaired_too(limits):
    turns = [{"role": "user", "content": "안\u200b녕"}, {"role": "assistant", "content": "네"}]
    repaired, repairs = repair(
        row(turns=turns, system="\ufeff답하세요", rejected="몰라\u200b요"), ["zero-width"], limits
    )
    assert (repaired["turns"][0]["content"], repaired["system"], repaired["rejected"]) == ("안녕", "답하세요", "몰라요")
    assert {change.field for change in repairs} == {"turns", "system", "rejected"}
    assert turns[0]["content"] == "안\u200b녕"


def test_a_rule_that_is_not_requested_repairs_nothing(limits):
    violating = row(output="대한\u200b민국")
    assert repair(violating, ["not-nfc", "truncated"], limits) == (violating, [])


def test_a_repair_handles_text_that_another_repair_uncovers(limits):
    repaired, repairs = repair(row(output="첫째&amp;lt;br&amp;gt;둘째"), ["html-entity", "html-break"], limits)
    assert repaired["output"] == "첫째\n둘째"
    assert {change.id for change in repairs} == {"html-entity", "html-break"}


def test_the_repair_of_personal_data_does_not_show_it(limits):
    for id, violating, _, _ in REPAIRS:
        if id.startswith(("personal-", "secret-")):
            _, repairs = repair(violating, [id], limits)
            assert not any(
                part in change.before + change.after
                for change in repairs
                for part in ("4916", "4719", "kim", "5787", "1234568", "a1B2")
            )


@settings(deadline=None, max_examples=300)
@given(violating=ROWS)
def test_after_a_repair_the_rule_finds_nothing_and_a_second_repair_changes_nothing(violating, find_violations, limits):
    repaired, _ = repair(violating, REPAIRERS, limits)
    assert not set(find_violations(repaired, REPAIRERS))
    assert repair(repaired, REPAIRERS, limits) == (repaired, [])


@settings(deadline=None, max_examples=100)
@given(violating=ROWS, id=st.sampled_from(sorted(REPAIRERS)))
def test_a_single_repair_removes_the_findings_of_its_rule(violating, id, find_violations, limits):
    repaired, repairs = repair(violating, [id], limits)
    assert id not in find_violations(repaired, [id])
    assert all(change.id == id for change in repairs)


@settings(deadline=None, max_examples=300)
@given(
    values=st.fixed_dictionaries(
        {
            "instruction": VALUES,
            "input": VALUES,
            "output": VALUES,
            "system": VALUES,
            "rejected": VALUES,
            "turns": VALUES,
        }
    )
)
def test_no_value_in_a_row_stops_the_checks(values, all_rules, limits):
    violating = row(**values)
    examination = examine(violating, limits, all_rules)
    order = [rule.id for rule in REGISTRY]
    assert list(examination.findings) == sorted(examination.findings, key=order.index)
    assert all(len(finding.excerpt) <= 80 for finding in examination.findings.values())
    repair(violating, all_rules, limits)


@pytest.mark.parametrize(("id", "violating"), [*text_cases.VIOLATIONS, *answer_cases.VIOLATIONS])
def test_a_row_repaired_by_all_rules_keeps_its_other_findings(id, violating, all_rules, find_violations, limits):
    repaired, _ = repair(violating, all_rules, limits)
    assert (id in find_violations(repaired)) == (id not in REPAIRERS)


@pytest.mark.parametrize(("escaped", "text"), ESCAPED)
def test_escaped_text_is_decoded_in_each_field(escaped, text, limits):
    escaped_row = row(output=escaped, turns=[{"role": "user", "content": escaped}])
    repaired, repairs = repair(escaped_row, {"escaped-text", "control-character"}, limits)
    assert (repaired["output"], repaired["turns"][0]["content"]) == (text, text)
    assert {change.field for change in repairs} == {"output", "turns"}


@pytest.mark.parametrize("text", LITERAL)
def test_code_paths_formulas_and_addresses_stay_as_they_are(text):
    assert decode_escapes(text) == text
