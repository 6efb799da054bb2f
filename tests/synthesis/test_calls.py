import pytest

from seodang.synthesis.calls import Call, Message, make_call, measure_prompt

QUESTION = {
    "model": "teacher-1",
    "messages": [Message(role="user", content="서당은 무엇인가요?")],
    "max_tokens": 20,
    "temperature": 0.7,
}


def call(**changes) -> Call:
    return make_call(**{**QUESTION, **changes})


def test_a_call_that_asks_the_same_has_the_same_key_in_every_process():
    assert call().key == call().key == "fa9425150f41ee2fc6e40dcd62ca3753"


@pytest.mark.parametrize(
    "change",
    [
        {"model": "teacher-2"},
        {"messages": [Message(role="system", content="서당은 무엇인가요?")]},
        {"max_tokens": 21},
        {"temperature": 0.8},
        {"seed": 1},
        {"schema": {"type": "object"}},
        {"ordinal": 1},
    ],
)
def test_a_call_that_asks_something_else_has_another_key(change):
    assert call(**change).key != call().key


def test_a_schema_with_its_names_in_another_order_asks_the_same():
    assert call(schema={"type": "object", "title": "a"}).key == call(schema={"title": "a", "type": "object"}).key


def test_a_prompt_is_measured_in_bytes_and_may_hold_half_a_character():
    assert measure_prompt([Message(role="user", content="가a"), Message(role="system", content="\ud800")]) == 3 + 1 + 3
