"""Translation with a scripted teacher: what must survive, and that the output is made anew."""

from __future__ import annotations

import json
import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seodang.errors import SourceError
from seodang.io.jsonl import write_rows
from seodang.synthesis.recipes import build_recipe
from seodang.synthesis.translation_check import find_lost, is_translated

TASKS = [
    {"instruction": "Name three fruits.", "input": "", "output": "Apple, pear, plum"},
    {
        "instruction": "Fill in the letter.",
        "input": "Dear {name}, your order of 1,200 won is late.",
        "output": "Dear Kim",
    },
    {"instruction": "Explain this call.", "input": "`print(1)` writes a number", "output": "It prints."},
    {"instruction": "인사말을 쓰세요.", "input": "", "output": "안녕하세요."},
]
TRANSLATED = {
    1: ("과일 세 가지를 말하세요.", "<없음>"),
    2: ("편지를 완성하세요.", "{name} 님, 1,200원 주문이 늦어집니다."),
    3: ("이 호출을 설명하세요.", "`print(1)`은 숫자를 씁니다"),
}
ANSWERS = {1: "사과, 배, 자두입니다.", 2: "김 님께 사과드립니다.", 3: "숫자 1을 출력합니다."}


def write_translations(translated):
    lines = []
    for number, (instruction, input) in translated.items():
        lines += ["###", f"{number}. 지시문: {instruction}", f"{number}. 입력:", input]
    return "\n".join([*lines, "###"])


def write_answers(answers):
    return "\n".join([*(f"###\n{number}. 답:\n{text}" for number, text in answers.items()), "###"])


@pytest.fixture
def translate(tmp_path, run_recipe):
    """Translates TASKS; `changes` replaces the translations of some of them."""
    write_rows(tmp_path / "tasks.jsonl", TASKS)

    def translate(changes=None, answers=ANSWERS, **settings):
        replies = [write_translations({**TRANSLATED, **(changes or {})}), answers and write_answers(answers)]
        return run_recipe("translate", lambda _prompt, number: replies[number], **settings)

    return translate


def test_instruction_and_input_are_translated_and_the_output_is_made_anew(translate):
    generated = translate()
    assert [(row.content["instruction"], row.content["input"], row.content["output"]) for row in generated.rows] == [
        (instruction, "" if input == "<없음>" else input, ANSWERS[number])
        for number, (instruction, input) in TRANSLATED.items()
    ]
    assert all(len(row.keys) == 2 for row in generated.rows)
    assert generated.figures["skipped"] == {"in_target_language": 1}
    assert not generated.rejections


@pytest.mark.parametrize(
    ("number", "translation", "reason", "detail"),
    [
        (2, ("편지를 완성하세요.", "이름 님, 1,200원 주문이 늦어집니다."), "lost_in_translation", "input: {name}"),
        (2, ("편지를 완성하세요.", "{name} 님, 주문이 늦어집니다."), "lost_in_translation", "input: 1200"),
        (3, ("이 호출을 설명하세요.", "print(1)은 숫자를 씁니다"), "lost_in_translation", "input: `print(1)`"),
        (1, ("Name three fruits.", "<없음>"), "not_translated", "instruction"),
        (3, ("이 호출을 설명하세요.", "<없음>"), "lost_in_translation", "input: `print(1)`"),
        (1, ("과일 세 가지를 말하세요.", "지어낸 입력입니다."), "not_translated", "input"),
    ],
)
def test_a_translation_that_lost_something_is_rejected_and_gets_no_answer(
    translate, number, translation, reason, detail
):
    generated = translate({number: translation}, {1: ANSWERS[1], 2: ANSWERS[2]})
    assert [(each.reason, each.detail) for each in generated.rejections] == [(reason, detail)]
    assert len(generated.rows) == 2


def test_a_task_that_a_batch_leaves_out_has_a_reason_and_so_has_a_number_that_was_not_given(translate):
    generated = translate(
        {9: ("아홉째 지시문입니다.", "<없음>")}, {1: ANSWERS[1], 3: "I am sorry, but I cannot help with that."}
    )
    assert sorted((each.reason, each.detail, len(each.keys)) for each in generated.rejections) == [
        ("missing", "task 2", 2),
        ("refusal", "I am sorry, but I cannot help with that.", 2),
        ("unknown_number", "task 9", 1),
    ]
    assert len(generated.rows) == 1


def test_translations_without_an_answer_are_rejected_because_they_are_paid_for(translate):
    assert translate(answers=None).figures["rejected"] == {"unanswered": 3}
    assert translate(rounds=1).figures["rejected"] == {"unanswered": 3}


def test_translations_and_answers_come_in_json_too(tmp_path, run_recipe):
    write_rows(tmp_path / "tasks.jsonl", TASKS)

    def teach(prompt, number):
        keys = ("instruction", "input") if number == 0 else ("output",)
        assert '"number": 3' in prompt
        values = TRANSLATED if number == 0 else {each: (text,) for each, text in ANSWERS.items()}
        return json.dumps(
            {"tasks": [{"number": each, **dict(zip(keys, texts, strict=True))} for each, texts in values.items()]}
        )

    assert len(run_recipe("translate", teach, structured=True).rows) == 3


def test_tasks_in_the_target_language_alone_are_refused(tmp_path, make_recipe_params):
    write_rows(tmp_path / "tasks.jsonl", TASKS[3:])
    with pytest.raises(SourceError, match="no task in another language than ko"):
        build_recipe(make_recipe_params("translate"), tmp_path)


@pytest.mark.parametrize(
    ("source", "translation", "lost"),
    [
        ("12,000 people in 3 cities", "세 도시의 1.2만 명", "3"),
        ("12,000 people in 3 cities", "도시 3곳의 1.2만 명", ""),
        ("2 million", "200만", ""),
        ("version 3.10", "버전 3.10", ""),
        ("see https://a.example/b?c=1 now", "지금 https://a.example/b?c=1을 보세요", ""),
        ("write to a@b.example", "a@c.example로 쓰세요", "a@b.example"),
        ("<b>bold</b>", "<b>굵게</b>", ""),
        ("{{x}} and {y}", "{{x}}와 y", "{y}"),
        ("```\nfor i in x:\n```", "```\nfor i in x:\n```", ""),
        ("pay $PRICE", "PRICE를 내세요", "$PRICE"),
        ("three", "3", ""),
        ("Print $HOME and %s now.", "지금 $HOME과 %s를 출력하세요.", ""),
        ("Print $HOMES.", "$HOME을 출력하세요.", "$HOMES"),
        ("Mail a@b.example.", "a@b.example로 메일을 보내세요.", ""),
        ("See (https://a.example/b).", "https://a.example/b를 보세요.", ""),
        ("35,000 won, 120 million people, 1,234,567", "3만 5천 원, 1억 2천만 명, 123만 4567", ""),
        ("3만5천 원", "35,000 won", ""),
        ("35,000 won", "3만 6천 원", "35000"),
        ("1만 2개", "10,000 and 2", ""),
        ("Sort 3,1,2.", "3, 1, 2를 정렬하세요.", ""),
        ("3 trillion won, 500 people", "3조 원, 5백 명", ""),
        ("제12조 2항", "Article 12, paragraph 2", ""),
        ("1" * 30, "1" * 29 + "2", "1" * 30),
    ],
)
def test_numbers_code_addresses_and_placeholders_survive_a_translation(source, translation, lost):
    assert find_lost(source, translation) == lost


@pytest.mark.parametrize(
    ("source", "translation", "expected"),
    [
        ("Hello there", "안녕하세요", True),
        ("Hello there", "Hello there", False),
        ("x = 1", "x = 1", True),
        ("", "", True),
        ("", "지어낸 입력입니다.", False),
        ("Hello", "", False),
        ("한국어 글", "한국어 글", True),
    ],
)
def test_a_translation_is_in_the_target_language(source, translation, expected):
    assert is_translated(source, translation, "ko") == expected


@given(st.text())
def test_a_text_loses_nothing_to_itself(text):
    assert find_lost(text, text) == ""


@given(st.text(st.sampled_from("0123456789.,만천 million"), max_size=30))
def test_any_numbers_are_read_without_an_error(text):
    assert find_lost(text, re.sub(r"\d", "", text)) == "" or any(map(str.isdigit, text))


def test_a_translation_that_is_asked_again_moves_the_answers_after_it_to_other_calls(tmp_path, run_recipe):
    write_rows(tmp_path / "tasks.jsonl", TASKS)
    answers = []
    for failed in (1, None):
        asked = []

        def teach(prompt, number, failed=failed, asked=asked):
            if number < len(TRANSLATED):
                return None if number == failed else write_translations({1: TRANSLATED[number + 1]})
            asked.append(prompt)
            return "답입니다."

        run_recipe("translate", teach, tasks_per_call=1)
        answers.append(asked)
    before, after = answers
    assert (len(before), len(after)) == (2, 3)
    assert before[0] == after[0]
    assert before[1] == after[2] != after[1]  # the same task, but the number of the call belongs to its key


def test_a_long_text_without_blanks_takes_no_time():
    start = time.monotonic()
    assert find_lost("a" * 100_000, "b") == ""
    assert time.monotonic() - start < 2
