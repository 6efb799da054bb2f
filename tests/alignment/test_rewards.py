"""Rules alone decide what an answer earns."""

import pytest

from seodang.alignment.rewards import Goal, compute_reward
from seodang.errors import EvaluationError

NO_COMMA = Goal(ids=("punctuation:no_comma",), arguments=({},), language="ko")
TWO = Goal(
    ids=("punctuation:no_comma", "startend:end_checker"),
    arguments=({}, {"end_phrase": "이상입니다."}),
    language="ko",
)
CLOSED = Goal(answer="긍정", language="ko")


@pytest.mark.parametrize(
    ("goal", "answer", "ends", "value"),
    [
        (NO_COMMA, "사과와 배를 샀습니다.", True, 1.0),
        (NO_COMMA, "사과, 배를 샀습니다.", True, 0.2),
        (NO_COMMA, "사과와 배를 샀습니다.", False, 0.9),
        (NO_COMMA, "I bought apples.", True, 0.9),
        (TWO, "사과를 샀습니다. 이상입니다.", True, 1.0),
        (TWO, "사과를 샀습니다.", True, 0.6),
        (TWO, "사과, 배.", True, 0.2),
        (CLOSED, "긍정.", True, 1.0),
        (CLOSED, "부정", True, 0.2),
        (CLOSED, "positive", True, 0.1),
    ],
)
def test_the_task_earns_four_fifths_and_end_and_language_the_rest(goal, answer, ends, value):
    assert compute_reward(goal, answer, ends=ends).value == pytest.approx(value)


def test_an_english_answer_is_checked_by_the_same_rules():
    goal = Goal(ids=("change_case:english_lowercase",), arguments=({},), language="en")
    values = [compute_reward(goal, text, ends=True).value for text in ("it is late", "It is late", "늦었습니다")]
    assert values == pytest.approx([1.0, 0.2, 0.1])


def test_a_blank_answer_earns_only_its_end():
    assert [compute_reward(goal, " ", ends=True).value for goal in (NO_COMMA, CLOSED)] == pytest.approx([0.1, 0.1])


def test_a_number_has_any_language():
    assert compute_reward(Goal(answer="42", language="ko"), "42", ends=True).value == 1.0


def test_damaged_constraints_are_refused():
    with pytest.raises(EvaluationError, match="there is no rule for it"):
        compute_reward(Goal(ids=("no:rule",), arguments=({},), language="ko"), "답", ends=True)
