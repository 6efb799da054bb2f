"""Answers to given prompts."""

from __future__ import annotations

import pytest

from seodang.errors import SourceError
from seodang.io.jsonl import write_rows
from seodang.synthesis.recipes import build_recipe

PROMPTS = [
    {"instruction": "물의 끓는점은?", "input": ""},
    {"instruction": "Sum it up.", "input": "A long text about a short day."},
    {"instruction": " "},
    {"instruction": "수도를 말하세요.", "input": "프랑스"},
]


@pytest.fixture
def answer(tmp_path, run_recipe):
    write_rows(tmp_path / "prompts.jsonl", PROMPTS)
    return lambda teach, **settings: run_recipe("answer", teach, **settings)


def test_a_prompt_alone_is_sent_as_it_is_and_the_reply_is_the_answer(answer):
    prompts = []

    def teach(prompt, number):
        prompts.append(prompt)
        return ["섭씨 100도입니다.\n", ("The day was sh", "length"), None][number]

    generated = answer(teach)
    assert prompts == ["물의 끓는점은?", "Sum it up.\n\nA long text about a short day.", "수도를 말하세요.\n\n프랑스"]
    assert [row.content["output"] for row in generated.rows] == ["섭씨 100도입니다."]
    assert [(each.reason, each.text) for each in generated.rejections] == [("cut", "The day was sh")]
    assert generated.figures["skipped"] == {"no_instruction": 1}


def test_several_prompts_of_one_language_share_a_call_and_the_rows_keep_their_order(answer):
    def teach(prompt, number):
        return ["###\n1. 답:\n섭씨 100도\n###\n2. 답:\n파리\n###", "###\n1. Output:\nA short day.\n###"][number]

    generated = answer(teach, tasks_per_call=5)
    assert [row.content["output"] for row in generated.rows] == ["섭씨 100도", "A short day.", "파리"]


def test_a_teacher_that_repeats_the_tasks_is_understood(answer):
    reply = "1. 지시문: 물의 끓는점은?\n1. 답:\n섭씨 100도\n2. 지시문: 수도를 말하세요.\n2. 답:\n파리"
    generated = answer(lambda _prompt, number: reply if number == 0 else None, tasks_per_call=5)
    assert [row.content["output"] for row in generated.rows] == ["섭씨 100도", "파리"]


@pytest.mark.parametrize(
    ("reply", "rule"),
    [
        ("연\ufffd \ufffd\ufffd의", "replacement-character"),
        ("먹었\u0010습니다", "control-character"),
        ("좋아요 " * 60, "repetition"),
    ],
)
def test_an_answer_of_broken_characters_or_in_a_loop_is_rejected(answer, reply, rule):
    generated = answer(lambda _prompt, number: reply if number == 0 else None)
    assert generated.figures["rejected"] == {rule: 1}


def test_an_answer_in_another_language_is_rejected_by_the_rule_of_validate(answer):
    reply = "The boiling point of water is one hundred degrees, and that is all that there is to say about it."
    generated = answer(lambda _prompt, number: reply if number == 0 else None)
    assert generated.figures["rejected"] == {"output-language": 1}


@pytest.mark.parametrize("file", ["alpaca.json", "prompts.txt.jsonl"])
def test_prompts_come_from_any_format_of_ingest(tmp_path, run_recipe, file):
    rows = (
        [{"instruction": "하나를 고르세요.", "input": "", "output": "옛 답"}]
        if file.startswith("a")
        else [{"prompt": "하나를 고르세요."}]
    )
    write_rows(tmp_path / file, rows)
    generated = run_recipe("answer", lambda _prompt, _number: "하나", prompts=file)
    assert [row.content["output"] for row in generated.rows] == ["하나"]


def test_a_file_without_a_prompt_is_refused(tmp_path, make_recipe_params):
    write_rows(tmp_path / "prompts.jsonl", [{"instruction": ""}])
    with pytest.raises(SourceError, match=r"prompts\.jsonl has no task"):
        build_recipe(make_recipe_params("answer"), tmp_path)
    with pytest.raises(SourceError):
        build_recipe(make_recipe_params("answer", prompts="missing.jsonl"), tmp_path)
