"""Scores of answers that do not depend on the question."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.constants import ITEM_SCORE

from seodang.evaluation.aggregate import GUESS, SHUFFLED, ItemScore
from seodang.evaluation.metrics import compute_chrf
from seodang.evaluation.question_blind import score_question_blind


def build_score(number, reference, answer, *, variant="tuned", task="faq", accuracy=None):
    chrf = None if answer is None else compute_chrf(answer, reference)
    changes = {"variant": variant, "item": f"{number:03}", "task": task, "reference": reference, "accuracy": accuracy}
    changes |= {"kind": "open", "primary_metric": "chrf", "loss": 1.0, "answer": answer, "chrf": chrf, "eos_rate": True}
    changes["exact_match"] = None if answer is None else float(answer == reference)
    return ItemScore(**{**ITEM_SCORE, **changes, "extra_metrics": {"rouge_l": 0.5}})


ANSWERS = [f"{place}에서 {day}일 안에 받습니다." for place in ("서울", "부산", "제주") for day in range(1, 9)]


def mean(values):
    values = list(values)
    return sum(values) / len(values)


def test_answers_in_another_order_score_as_much_as_shuffled_references():
    order = random.Random(1).sample(ANSWERS, len(ANSWERS))
    scores = [build_score(number, reference, order[number]) for number, reference in enumerate(ANSWERS)]
    shuffled = list(score_question_blind(scores, {}))
    assert mean(score.chrf for score in shuffled) == pytest.approx(mean(score.chrf for score in scores), abs=6)
    right = [build_score(number, reference, reference) for number, reference in enumerate(ANSWERS)]
    assert mean(score.chrf for score in right) > mean(score.chrf for score in score_question_blind(right, {})) + 30


def test_an_item_gets_the_mean_over_the_references_of_the_other_items_of_its_task():
    scores = [build_score(0, "가", "나"), build_score(1, "나", "나"), build_score(2, "다", "나")]
    scores += [build_score(0, "가", "가", variant="zero_shot"), build_score(3, "라", "나", task="other")]
    shuffled = list(score_question_blind(scores, {}))
    assert [(score.variant, score.item, score.chrf, score.exact_match) for score in shuffled] == [
        (SHUFFLED, "000", 50.0, 0.5),
        (SHUFFLED, "001", 0.0, 0.0),
        (SHUFFLED, "002", 50.0, 0.5),
    ]
    assert {(score.loss, score.accuracy, score.answer) for score in shuffled} == {(None, None, None)}


def test_a_single_answer_has_no_other_reference_and_no_baseline():
    assert list(score_question_blind([build_score(0, "가", "가"), build_score(1, "나", None)], {})) == []


def test_a_guess_is_right_once_in_as_many_options():
    score = build_score(0, "가", None, accuracy=1.0)
    [guess] = score_question_blind([score], {("faq", "000"): 4})
    assert (guess.variant, guess.accuracy, guess.chrf) == (GUESS, 0.25, None)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.text(alphabet="가나다 ", min_size=1, max_size=4), min_size=2, max_size=30), st.text(max_size=4))
def test_a_constant_answer_never_beats_its_baseline(references, answer):
    scores = [build_score(number, reference, answer) for number, reference in enumerate(references)]
    own, blind = mean(s.chrf for s in scores), mean(s.chrf for s in score_question_blind(scores, {}))
    assert own == pytest.approx(blind)
