"""Preference pairs in every shape give the same row; KTO's labels say whether an answer is good."""

from __future__ import annotations

import pytest

from seodang.ingest.rows import get_field_error


def chat(*messages):
    return [{"role": role, "content": content} for role, content in messages]


def human(*messages):
    return [{"from": who, "value": text} for who, text in messages]


ASKED, GOOD, BAD = ("user", "Capital?"), ("assistant", "Seoul"), ("assistant", "Busan")
ONE_QUESTION = {
    "llama-factory sharegpt": {
        "conversations": human(("human", "Capital?")),
        "chosen": {"from": "gpt", "value": "Seoul"},
        "rejected": {"from": "gpt", "value": "Busan"},
    },
    "llama-factory alpaca": {"instruction": "Capital?", "input": "", "chosen": "Seoul", "rejected": "Busan"},
    "trl": {"prompt": "Capital?", "chosen": "Seoul", "rejected": "Busan"},
    "trl conversational": {"prompt": chat(ASKED), "chosen": chat(GOOD), "rejected": chat(BAD)},
    "trl implicit": {"chosen": chat(ASKED, GOOD), "rejected": chat(ASKED, BAD)},
    "prompt repeated in the answers": {"prompt": "Capital?", "chosen": chat(ASKED, GOOD), "rejected": chat(ASKED, BAD)},
    "prompt as text, answers as messages": {"prompt": "Capital?", "chosen": chat(GOOD), "rejected": chat(BAD)},
    "ultrafeedback binarized": {  # `messages` is the prompt with the better answer
        "prompt": "Capital?",
        "messages": chat(ASKED, GOOD),
        "chosen": chat(ASKED, GOOD),
        "rejected": chat(ASKED, BAD),
    },
    "messages with the better answer, which is a text": {
        "messages": chat(ASKED, GOOD),
        "chosen": "Seoul",
        "rejected": "Busan",
    },
    "prompt as messages, repeated in the answers": {
        "prompt": chat(ASKED),
        "chosen": chat(ASKED, GOOD),
        "rejected": chat(ASKED, BAD),
    },
    "question under input": {"input": "Capital?", "chosen": "Seoul", "rejected": "Busan"},
    "llama-factory v1": {
        "chosen_messages": chat(ASKED, ("assistant", [{"type": "text", "value": "Seoul"}])),
        "rejected_messages": chat(ASKED, BAD),
    },
    "hh-rlhf": {
        "chosen": "\n\nHuman: Capital?\n\nAssistant: Seoul",
        "rejected": "\n\nHuman: Capital?\n\nAssistant: Busan",
    },
    "hh-rlhf with its prompt apart": {
        "prompt": "\n\nHuman: Capital?\n\nAssistant:",
        "chosen": "Seoul",
        "rejected": "Busan",
    },
}


@pytest.mark.parametrize("shape", ONE_QUESTION)
def test_a_pair_has_the_better_answer_as_output_and_keeps_the_worse_one(tmp_path, shape, read_rows):
    (row,) = read_rows(tmp_path, [ONE_QUESTION[shape]])
    assert row["format"] == "preference"
    assert (row["instruction"], row["input"], row["output"], row["rejected"], row["turns"]) == (
        "Capital?",
        "",
        "Seoul",
        "Busan",
        [],
    )


def test_what_was_said_before_both_answers_stands_in_the_turns(tmp_path, list_messages, read_rows):
    before = [("user", "Hi"), ("assistant", "Hello")]
    shapes = [
        {
            "chosen": chat(("system", "Brief."), *before, ASKED, GOOD),
            "rejected": chat(("system", "Brief."), *before, ASKED, BAD),
        },
        {
            "prompt": chat(("system", "Brief."), *before, ASKED),
            "chosen": chat(*before, ASKED, GOOD),
            "rejected": chat(*before, ASKED, BAD),
        },
        {
            "messages": chat(("system", "Brief."), *before, ASKED, BAD),
            "chosen": chat(("system", "Brief."), *before, ASKED, GOOD),
            "rejected": chat(("system", "Brief."), *before, ASKED, BAD),
        },
        {
            "conversations": human(("system", "Brief."), ("human", "Hi"), ("gpt", "Hello"), ("human", "Capital?")),
            "chosen": {"from": "gpt", "value": "Seoul"},
            "rejected": {"from": "gpt", "value": "Busan"},
        },
        {
            "system": "Brief.",
            "instruction": "Capital?",
            "chosen": "Seoul",
            "rejected": "Busan",
            "history": [["Hi", "Hello"]],
        },
    ]
    for shape in shapes:
        (row,) = read_rows(tmp_path, [shape])
        assert list_messages(row) == [*before, ("question", "Capital?"), ("answer", "Seoul")]
        assert (row["system"], row["rejected"]) == ("Brief.", "Busan")


def test_equal_answers_stay_a_pair_so_that_a_rule_can_judge_them(tmp_path, read_rows):
    (row,) = read_rows(tmp_path, [{"chosen": chat(ASKED, GOOD), "rejected": chat(ASKED, GOOD)}])
    assert (row["instruction"], row["output"], row["rejected"]) == ("Capital?", "Seoul", "Seoul")


@pytest.mark.parametrize(
    ("record", "found"),
    [
        ({"chosen": "Seoul", "rejected": "Busan"}, None),
        (
            {
                "chosen": chat(ASKED, GOOD, ("user", "Sure?"), ("assistant", "Yes")),
                "rejected": chat(ASKED, BAD, ("user", "Sure?"), ("assistant", "Yes")),
            },
            "chosen and rejected part before their last answer: 3 and 3 messages differ",
        ),
        (
            {
                "conversations": human(("human", "Hi"), ("gpt", "Hello")),
                "chosen": {"from": "gpt", "value": "a"},
                "rejected": {"from": "gpt", "value": "b"},
            },
            "assistant speaks after assistant: user, assistant, assistant",
        ),
        ({"prompt": chat(ASKED), "chosen": 3, "rejected": chat(BAD)}, "no list of messages: a number"),
    ],
)
def test_an_invalid_pair_is_an_error_of_its_row(tmp_path, record, found, read_rows):
    (row,) = read_rows(tmp_path, [record])
    field = "instruction" if found is None else "output"
    assert get_field_error(row[field]) == "turns-malformed"
    assert row[field]["found"] == (found or "chosen and rejected without a question")


def test_a_pair_without_its_worse_answer_is_not_taken_for_a_plain_row(tmp_path, read_rows):
    rows = read_rows(
        tmp_path,
        [
            ONE_QUESTION["trl"],
            {"prompt": "Capital?", "chosen": "Seoul", "rejected": None},
            {"prompt": "Capital?", "chosen": "Seoul", "rejected": " "},
            {"chosen": chat(ASKED, GOOD), "rejected": chat(ASKED)},
            {"prompt": chat(ASKED), "chosen": chat(GOOD), "rejected": []},
        ],
    )
    assert [get_field_error(row["rejected"]) for row in rows] == [None, *["rejected-blank"] * 4]
    assert [row["output"] for row in rows] == ["Seoul"] * 5


@pytest.mark.parametrize(
    "record",
    [
        {"prompt": "Capital?", "completion": "Seoul"},
        {"prompt": chat(ASKED), "completion": chat(GOOD)},
        {"prompt": "\n\nHuman: Capital?\n\nAssistant:", "completion": "Seoul"},
        {"messages": chat(ASKED, GOOD)},
        {"conversations": human(("human", "Capital?"), ("gpt", "Seoul"))},
    ],
    ids=["trl", "trl conversational", "hh-rlhf", "llama-factory messages", "llama-factory sharegpt"],
)
def test_ktos_label_says_whether_the_answer_is_good(tmp_path, record, read_rows):
    rows = read_rows(tmp_path, [{**record, "label": label} for label in (True, False)])
    assert [(row["format"], row["instruction"], row["output"], row["desirable"]) for row in rows] == [
        ("kto", "Capital?", "Seoul", truth) for truth in (True, False)
    ]


def test_a_table_writes_ktos_label_as_it_can(tmp_path, read_rows):
    rows = read_rows(tmp_path, "prompt,completion,label\nCapital?,Seoul,1\nCapital?,Busan,0\n", file="kto.csv")
    assert [(row["format"], row["output"], row["desirable"]) for row in rows] == [
        ("kto", "Seoul", True),
        ("kto", "Busan", False),
    ]


def test_llama_factorys_kto_tag_stands_beside_alpaca_too(tmp_path, read_rows):
    (row,) = read_rows(
        tmp_path, [{"instruction": "Capital?", "input": "of Korea", "output": "Seoul", "kto_tag": "false"}]
    )
    assert (row["format"], row["input"], row["desirable"]) == ("kto", "of Korea", False)


def test_a_label_that_is_neither_is_a_field_error_and_a_label_of_another_kind_makes_no_kto(tmp_path, read_rows):
    good, odd = read_rows(
        tmp_path,
        [{"instruction": "a", "output": "b", "kto_tag": True}, {"instruction": "a", "output": "b", "kto_tag": "maybe"}],
    )
    assert (good["output"], get_field_error(odd["output"]), odd["desirable"]) == ("b", "label-unknown", None)
    (row,) = read_rows(tmp_path, [{"messages": chat(ASKED, GOOD), "label": "geography"}])
    assert (row["format"], row["desirable"]) == ("messages", None)
