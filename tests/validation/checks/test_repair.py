"""What can be mended is mended, once and for all."""

from __future__ import annotations

import pytest
import text_cases
from answer_cases import BREAKS as ANSWERS
from examined import EVERY, LIMITS, english, found, row
from hypothesis import given, settings
from hypothesis import strategies as st

from seodang.validation.checks.registry import REGISTRY, REPAIRERS
from seodang.validation.checks.repair import repair
from seodang.validation.checks.run import examine

MENDED = [
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
    ("id", "broken", "field", "expected"), MENDED, ids=[f"{id}-{number}" for number, (id, *_) in enumerate(MENDED)]
)
def test_a_repair_mends_the_field_and_nothing_else(id, broken, field, expected):
    mended, repairs = repair(broken, [id], LIMITS)
    assert mended == {**broken, field: expected}
    assert [(each.id, each.field) for each in repairs] == [(id, field)]
    assert all(len(text) <= 80 for each in repairs for text in (each.before, each.after))


def test_each_rule_that_can_mend_is_tried():
    assert {id for id, *_ in MENDED} == set(REPAIRERS)


def test_turns_system_text_and_the_worse_answer_are_mended_too():
    turns = [{"role": "user", "content": "안\u200b녕"}, {"role": "assistant", "content": "네"}]
    mended, repairs = repair(row(turns=turns, system="\ufeff답하세요", rejected="몰라\u200b요"), ["zero-width"], LIMITS)
    assert (mended["turns"][0]["content"], mended["system"], mended["rejected"]) == ("안녕", "답하세요", "몰라요")
    assert {each.field for each in repairs} == {"turns", "system", "rejected"}
    assert turns[0]["content"] == "안\u200b녕"


def test_a_rule_that_is_not_asked_for_mends_nothing():
    broken = row(output="대한\u200b민국")
    assert repair(broken, ["not-nfc", "truncated"], LIMITS) == (broken, [])


def test_what_one_repair_uncovers_another_mends():
    mended, repairs = repair(row(output="첫째&amp;lt;br&amp;gt;둘째"), ["html-entity", "html-break"], LIMITS)
    assert mended["output"] == "첫째\n둘째"
    assert {each.id for each in repairs} == {"html-entity", "html-break"}


def test_the_repair_of_personal_data_does_not_show_it():
    for id, broken, _, _ in MENDED:
        if id.startswith(("personal-", "secret-")):
            _, repairs = repair(broken, [id], LIMITS)
            assert not any(
                part in each.before + each.after
                for each in repairs
                for part in ("4916", "4719", "kim", "5787", "1234568", "a1B2")
            )


@settings(deadline=None, max_examples=300)
@given(ROWS)
def test_after_a_repair_the_rule_finds_nothing_and_a_second_repair_changes_nothing(broken):
    mended, _ = repair(broken, REPAIRERS, LIMITS)
    assert not set(found(mended, REPAIRERS))
    assert repair(mended, REPAIRERS, LIMITS) == (mended, [])


@settings(deadline=None, max_examples=100)
@given(ROWS, st.sampled_from(sorted(REPAIRERS)))
def test_one_repair_alone_is_enough_for_its_own_rule(broken, id):
    mended, repairs = repair(broken, [id], LIMITS)
    assert id not in found(mended, [id])
    assert all(each.id == id for each in repairs)


@settings(deadline=None, max_examples=300)
@given(
    st.fixed_dictionaries(
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
def test_no_row_whatever_stands_in_it_stops_the_examination(values):
    broken = row(**values)
    examination = examine(broken, LIMITS, EVERY)
    order = [rule.id for rule in REGISTRY]
    assert list(examination.findings) == sorted(examination.findings, key=order.index)
    assert all(len(finding.excerpt) <= 80 for finding in examination.findings.values())
    repair(broken, EVERY, LIMITS)


@pytest.mark.parametrize(("id", "broken"), [*text_cases.BREAKS, *ANSWERS])
def test_a_broken_row_that_is_mended_by_all_rules_keeps_its_other_faults(id, broken):
    mended, _ = repair(broken, EVERY, LIMITS)
    assert (id in found(mended)) == (id not in REPAIRERS)
