"""The exam stays the exam: rules against a champion when test items, answers or the champion's scores changed."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.fixtures.gate import build_gate

from seodang.evaluation.exam import ExamItem, compare_exam, find_other_protocols, read_promoted_run
from seodang.gate.decision import decide
from seodang.gate.scores import Pairs
from seodang.io.jsonl import serialize_record
from seodang.records import Turn, make_record

NOT_WORSE = {"against": "champion", "test": "non_inferiority", "margin": 0.03}
LABELS = ("긍정", "부정")


def build_review(number: int, label: str, **fields):
    return make_record(
        instruction="감정을 고르세요.",
        input=f"{number}번째 리뷰입니다.",
        output=label,
        source="reviews",
        task="sentiment",
        cluster="sentiment",
        choices=LABELS,
        **fields,
    )


def read_run(test, train=(), scores=None):
    rows = [serialize_record(record) for record in test]
    scored = [
        {
            "variant": variant,
            "split": "test",
            "task": row["task"],
            "item": row["id"],
            "accuracy": 1.0,
            "extra_metrics": {},
        }
        for row in rows
        for variant in ("zero_shot", "tuned")
    ]
    return read_promoted_run({"train": map(serialize_record, train), "test": rows}, rows, scores or scored)


def list_statuses(run, records):
    return [item.status for item in compare_exam("v0.1.0", run, records)]


def test_items_are_told_apart_by_their_question_and_answer():
    exam = [build_review(number, LABELS[number % 2]) for number in range(4)]
    run = read_run(exam, train=[build_review(9, "긍정")])
    now = [exam[0], build_review(1, "긍정"), build_review(9, "긍정"), build_review(20, "부정")]
    assert list_statuses(run, now) == ["same", "changed", "trained", "new", "removed", "removed"]


def test_a_changed_item_keeps_the_score_on_its_earlier_answer():
    exam = [build_review(1, "부정")]
    [item] = compare_exam("v0.1.0", read_run(exam), [build_review(1, "긍정")])
    assert (item.status, item.scores) == ("changed", {"accuracy": 1.0})


def test_another_wording_of_the_instruction_is_the_same_item():
    review = build_review(1, "부정")
    reworded = make_record(
        instruction="이 글의 감정은?",
        input=review.input,
        output="부정",
        source="reviews",
        task="sentiment",
        cluster="c",
    )
    assert list_statuses(read_run([review]), [reworded]) == ["same"]


def test_the_same_message_in_another_conversation_is_another_item():
    def build(before):
        turns = (Turn(role="user", content=before), Turn(role="assistant", content="네."))
        return make_record(
            instruction="고마워요.",
            input="",
            output=f"{before} 끝",
            turns=turns,
            source="chat",
            task="chat",
            cluster="c",
        )

    assert list_statuses(read_run([build("환불")]), [build("배송")]) == ["new", "removed"]


def test_scores_of_another_protocol_are_not_compared():
    exam = [build_review(1, "부정")]
    scored = {"variant": "tuned", "split": "task", "task": "sentiment", "item": exam[0].id, "extra_metrics": {}}
    run = read_run(exam, scores=[{**scored, "accuracy": 1.0, "fingerprint": "old"}])
    assert find_other_protocols(run, {"sentiment": "old"}) == frozenset()
    assert find_other_protocols(run, {"sentiment": "new", "other": "new"}) == {"sentiment"}
    [item] = compare_exam("v0.1.0", run, exam, {"sentiment"})
    assert (item.status, item.scores) == ("same", {})


def test_a_run_without_recorded_protocols_is_compared():
    run = read_run([build_review(1, "부정")])
    assert find_other_protocols(run, {"sentiment": "new"}) == frozenset()


@settings(max_examples=30, deadline=None)
@given(st.lists(st.sampled_from(LABELS), min_size=1, max_size=12))
def test_every_item_has_one_status_and_unchanged_data_change_nothing(labels):
    records = [build_review(number, label) for number, label in enumerate(labels)]
    assert list_statuses(read_run(records), records) == ["same"] * len(records)


# --- the gate ---


def build_exam(statuses, scores=1.0):
    return [
        ExamItem(version="v0.1.0", task="faq", item=f"{number:03}", status=status, scores={"accuracy": scores})
        for number, status in enumerate(statuses)
    ]


def compare(candidate, champion, base):
    def pair(reference):
        count = len(candidate)
        items = tuple(f"{number:03}" for number in range(count))
        pairs = Pairs(("faq",) * count, ("ko",) * count, items, np.array(candidate), np.array(reference))
        return {"accuracy": pairs}

    return {"base": [("zero_shot", pair(base))], "champion": [("champion v0.1.0", pair(champion))]}


GATE = build_gate({}, NOT_WORSE)
GOOD, BAD = [1.0] * 200, [0.0] * 200


def get_texts(decision):
    return [reason.en for reason in decision.reasons]


def test_a_candidate_that_learned_other_answers_is_not_promoted():
    decision = decide(compare(GOOD, BAD, BAD), GATE, exams=build_exam(["changed"] * 200))
    assert decision.verdict == "inconclusive"
    first, second = decision.reasons[:2]
    assert "200 test items have other reference answers than at the promotion of v0.1.0 (faq 200)" in first.en
    assert "accuracy 1.0000; accuracy 0.0000" in first.en
    assert "gate.changed_items: include" in first.en
    assert "no item is left to compare with the champion" in second.en
    assert "v0.1.0" in first.ko


def test_the_items_that_did_not_change_decide():
    half = [1.0] * 100 + [0.0] * 100  # the candidate learned the changed half of the answers, and lost the other one
    champion = [0.0] * 100 + [1.0] * 90 + [0.0] * 10
    exams = [*build_exam(["changed"] * 100 + ["same"] * 90), *build_exam(["same"] * 200, scores=0.0)[190:]]
    assert decide(compare(half, champion, BAD), GATE, exams=exams).verdict == "reject"
    better = decide(compare(GOOD, champion, BAD), GATE, exams=exams)
    assert better.verdict == "promote"
    assert [result.items for result in better.results] == [200, 100]


def test_a_user_can_accept_changed_answers():
    gate = build_gate({}, NOT_WORSE, changed_items="include")
    decision = decide(compare(GOOD, BAD, BAD), gate, exams=build_exam(["changed"] * 200))
    assert decision.verdict == "promote"
    assert "as gate.changed_items says" in decision.reasons[0].en


def test_items_that_the_champion_was_trained_on_do_not_count_against_the_candidate():
    candidate = [1.0, 0.0] * 50 + [1.0] * 100
    exams = build_exam(["trained"] * 100 + ["same"] * 100)
    champion = [1.0] * 190 + [0.0] * 10
    gate = build_gate({}, {**NOT_WORSE, "margin": 0.12})
    assert decide(compare(candidate, champion, BAD), gate).verdict == "reject"
    decision = decide(compare(candidate, champion, BAD), gate, exams=exams)
    assert decision.verdict == "promote"
    assert "100 test items were training records of v0.1.0 (faq 100)" in decision.reasons[0].en


def test_a_champion_that_answers_worse_than_at_its_promotion_does_not_let_a_bad_candidate_pass():
    candidate = [1.0, 0.0] * 100
    decision = decide(compare(candidate, BAD, BAD), GATE, exams=build_exam(["same"] * 200))
    assert decision.verdict == "reject"
    assert "was 1.0000 at its promotion and is 0.0000" in decision.reasons[0].en
    assert [result.against for result in decision.results][1:] == ["champion v0.1.0", "champion v0.1.0 recorded"]


def test_rounding_of_the_packaged_model_adds_no_reference():
    champion = [0.0] + [1.0] * 199
    decision = decide(compare(GOOD, champion, BAD), GATE, exams=build_exam(["same"] * 200))
    assert [result.against for result in decision.results] == ["zero_shot", "champion v0.1.0"]
    assert not any("recorded" in text for text in get_texts(decision))


def test_new_and_removed_items_are_named_with_the_scores_on_them():
    exams = build_exam(["same"] * 100 + ["new"] * 100)
    champion = [1.0] * 100 + [0.0] * 100
    removed = ExamItem(version="v0.1.0", task="faq", item="gone", status="removed", scores={"accuracy": 0.0})
    texts = get_texts(decide(compare(GOOD, champion, BAD), GATE, exams=[*exams, removed]))
    assert "100 test items are new since the promotion of v0.1.0 (faq 100" in texts[0]
    assert "accuracy 0.0000; accuracy 1.0000" in texts[0]
    assert "1 test item of the promotion of v0.1.0 is gone" in texts[1]


@pytest.mark.parametrize("group_by", ["task", "language"])
def test_a_group_without_items_to_compare_is_undecided(group_by):
    gate = build_gate({}, {**NOT_WORSE, "group_by": group_by, "groups": ["faq" if group_by == "task" else "ko"]})
    decision = decide(compare(GOOD, BAD, BAD), gate, exams=build_exam(["changed"] * 200))
    assert decision.verdict == "inconclusive"


def test_the_interval_of_two_items_stays_within_the_possible_differences():
    gate = build_gate({}, {**NOT_WORSE, "metric": "accuracy"})
    champion = [0.25, 0.75] + [0.0] * 198
    exams = build_exam(["same"] * 2 + ["changed"] * 198, scores=0.5)
    result = decide(compare([0.5, 0.5] + [1.0] * 198, champion, BAD), gate, exams=exams).results[-1]
    assert result.items == 2
    assert -1 <= result.low <= result.high <= 1


def test_no_absurd_number_of_items_is_asked_for():
    candidate, base = [1.0, 0.0] * 100, [0.0, 1.0] * 100
    candidate[1] = 1.0  # one item better, of 200
    result = decide(compare(candidate, GOOD, base), build_gate({})).results[0]
    assert result.passed is None
    assert result.required_items is None or result.required_items <= 1_000_000
