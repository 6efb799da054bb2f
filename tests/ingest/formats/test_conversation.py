"""Conversations become a question, its answer, and all that was said before."""

from __future__ import annotations

import json

import pytest

from seodang.ingest.rows import get_field_error


def said(*messages):
    return {"messages": [{"role": role, "content": content} for role, content in messages]}


def broken(row):
    """What was found wrong with a conversation."""
    assert get_field_error(row["output"]) == "turns-malformed"
    return row["output"]["found"]


@pytest.mark.parametrize(
    ("key", "role", "content"),
    [
        ("conversations", "from", "value"),
        ("conversations", "role", "content"),
        ("conversation", "from", "value"),
        ("messages", "role", "content"),
    ],
)
def test_the_last_question_and_answer_form_the_sample_and_earlier_messages_are_turns(
    tmp_path, key, role, content, list_messages, read_rows
):
    spoken = [("system", "짧게 답해."), ("user", "하나는?"), ("assistant", "1"), ("user", "둘은?"), ("assistant", "2")]
    (row,) = read_rows(tmp_path, [{key: [{role: who, content: text} for who, text in spoken]}])
    assert row["format"] == ("messages" if key == "messages" else "sharegpt")
    assert row["system"] == "짧게 답해."
    assert list_messages(row) == [("user", "하나는?"), ("assistant", "1"), ("question", "둘은?"), ("answer", "2")]


@pytest.mark.parametrize("names", [("human", "gpt"), ("user", "assistant"), ("Human", "chatgpt"), ("user", "bing")])
def test_speakers_have_many_names(tmp_path, names, list_messages, read_rows):
    (row,) = read_rows(
        tmp_path, [{"conversations": [{"from": names[0], "value": "Hi"}, {"from": names[1], "value": "Hello"}]}]
    )
    assert list_messages(row) == [("question", "Hi"), ("answer", "Hello")]


def test_system_and_tools_may_stand_beside_the_conversation(tmp_path, read_rows):
    spoken = [
        {"from": "system", "value": "Be brief."},
        {"from": "human", "value": "Hi"},
        {"from": "gpt", "value": "Hello"},
    ]
    texts = [
        {"system": "Be kind.", "tools": '[{"name": "add"}]'},
        {"system": "", "tools": "[]"},
        {"tools": [{"name": "add"}]},
        {},
    ]
    rows = read_rows(tmp_path, [{"conversations": spoken, **beside} for beside in texts])
    assert [row["system"] for row in rows] == [
        'Be kind.\n\n[{"name": "add"}]\n\nBe brief.',
        "Be brief.",
        '[{"name": "add"}]\n\nBe brief.',
        "Be brief.",
    ]


def test_what_a_tool_gives_back_is_the_question_when_the_answer_follows_it(tmp_path, list_messages, read_rows):
    spoken = [
        ("human", "비 와?"),
        ("function_call", '{"name": "weather"}'),
        ("observation", "rain"),
        ("gpt", "네, 와요."),
    ]
    (row,) = read_rows(tmp_path, [{"conversations": [{"from": who, "value": text} for who, text in spoken]}])
    assert list_messages(row) == [
        ("user", "비 와?"),
        ("tool_call", '{"name": "weather"}'),
        ("question", "rain"),
        ("answer", "네, 와요."),
    ]
    assert row["language"] == "ko"


def test_openais_tool_calls_become_turns(tmp_path, list_messages, read_rows):
    call = {"id": "c1", "type": "function", "function": {"name": "add", "arguments": '{"a": 1}'}}
    messages = [
        {"role": "developer", "content": "Count."},
        {"role": "user", "content": "1+1?"},
        {"role": "assistant", "content": "Let me see.", "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "c1", "content": "2"},
        {"role": "assistant", "content": None, "tool_calls": [call, call]},
        {"role": "tool", "content": "3"},
        {"role": "tool", "content": "4"},
        {"role": "assistant", "content": "Done."},
    ]
    (row,) = read_rows(tmp_path, [{"messages": messages}])
    one = {"name": "add", "arguments": {"a": 1}}
    assert row["system"] == "Count."
    assert [role for role, _ in list_messages(row)] == [
        "user",
        "assistant",
        "tool_call",
        "tool",
        "tool_call",
        "tool",
        "question",
        "answer",
    ]
    assert json.loads(row["turns"][2]["content"]) == one
    assert json.loads(row["turns"][4]["content"]) == [one, one]
    assert (row["instruction"], row["output"]) == ("4", "Done.")


def test_content_may_stand_in_parts(tmp_path, list_messages, read_rows):
    parts = [{"type": "text", "text": "Hi"}, {"type": "text", "value": "there"}, {"type": "input_text", "text": "!"}]
    (row,) = read_rows(tmp_path, [said(("user", parts), ("assistant", [{"type": "text", "value": "Hello"}]))])
    assert list_messages(row) == [("question", "Hi\nthere\n!"), ("answer", "Hello")]


@pytest.mark.parametrize("kind", ["image_url", "image", "input_audio", "file", "video_url"])
def test_an_image_a_sound_or_a_file_is_a_field_error_of_its_message(tmp_path, kind, read_rows):
    media = [{"type": "text", "text": "What is this?"}, {"type": kind, kind: "x"}]
    from_user, before = read_rows(
        tmp_path,
        [
            said(("user", media), ("assistant", "A cat.")),
            said(("user", media), ("assistant", "A cat."), ("user", "Sure?"), ("assistant", "Yes.")),
        ],
    )
    assert (get_field_error(from_user["instruction"]), from_user["output"]) == ("media-part", "A cat.")
    assert from_user["instruction"]["found"] == f"message 1 has a part of type {kind}"
    assert (before["instruction"], get_field_error(before["output"])) == ("Sure?", "media-part")


@pytest.mark.parametrize(
    ("messages", "found"),
    [
        ([], "no message"),
        ([("system", "Be kind.")], "no message"),
        ([("user", "Hi")], "ends with user: user"),
        ([("user", "Hi"), ("assistant", "Hello"), ("user", "Bye")], "ends with user: user, assistant, user"),
        ([("user", "Hi"), ("tool_call", "{}")], "ends with tool_call: user, tool_call"),
        (
            [("assistant", "Hello"), ("user", "Hi"), ("assistant", "Hello")],
            "assistant speaks first: assistant, user, assistant",
        ),
        ([("user", "Hi"), ("user", "Ho"), ("assistant", "Hello")], "user speaks after user: user, user, assistant"),
        ([("user", "Hi"), ("tool", "2"), ("assistant", "Hello")], "tool speaks after user: user, tool, assistant"),
        (
            [("user", "Hi"), ("system", "Be kind."), ("assistant", "Hello")],
            "system speaks after user: user, system, assistant",
        ),
        (
            [("user", "Hi"), ("narrator", "He waits."), ("assistant", "Hello")],
            "message 2 has an unknown role: narrator",
        ),
        ([("user", "Hi"), ("assistant", 3)], "message 2 is no text: a number"),
        (
            [("user", "Hi"), ("assistant", " "), ("user", "Ho"), ("assistant", "Hello")],
            "message 2 (assistant) is blank",
        ),
        (
            [("user", [{"type": "thinking", "text": "x"}]), ("assistant", "A"), ("user", "Ho"), ("assistant", "Hello")],
            "message 1 has a part of type thinking",
        ),
    ],
)
def test_a_malformed_conversation_is_a_field_error_with_its_cause(tmp_path, messages, found, list_messages, read_rows):
    good, row = read_rows(tmp_path, [said(("user", "Hi"), ("assistant", "Hello")), said(*messages)])
    assert list_messages(good) == [("question", "Hi"), ("answer", "Hello")]
    assert broken(row) == found
    assert row["turns"] == []


@pytest.mark.parametrize(
    ("messages", "found"),
    [
        ("Hi", "no list of messages: Hi"),
        (None, "no list of messages: nothing"),
        (["Hi"], "message 1 is no object: Hi"),
        ([{"text": "Hi"}], "message 1 has the keys text, expected role and content (or from and value)"),
    ],
)
def test_values_that_are_no_messages_are_a_field_error(tmp_path, messages, found, read_rows):
    assert broken(read_rows(tmp_path, [{"messages": messages}])[0]) == found


def test_questions_and_answers_in_two_lists_are_a_conversation(tmp_path, list_messages, read_rows):
    first, odd, number = read_rows(
        tmp_path,
        [
            {"id": 1, "category": "수학", "questions": ["1+1?", "더하기 1은?"], "outputs": ["2", "3"]},
            {"questions": ["1+1?", "그리고?"], "outputs": ["2"]},
            {"questions": ["1+1?"], "outputs": [2]},
        ],
    )
    assert (first["format"], first["task"]) == ("dialogue", "수학")
    assert list_messages(first) == [
        ("user", "1+1?"),
        ("assistant", "2"),
        ("question", "더하기 1은?"),
        ("answer", "3"),
    ]
    assert broken(odd) == "questions and answers do not pair: 2 and 1"
    assert broken(number) == "assistant's text is no text: a number"


def test_a_conversation_longer_than_the_limit_is_cut_and_named(tmp_path, read_rows):
    (row,) = read_rows(
        tmp_path, [said(("user", "a" * 6), ("assistant", "b" * 6), ("user", "c"), ("assistant", "d"))], limit=10
    )
    assert row["turns"] == [{"role": "user", "content": "a" * 6}, {"role": "assistant", "content": "b" * 4}]
    assert row["oversized"] == ["turns"]


def test_turn_markers_in_a_text_are_letters(tmp_path, list_messages, read_rows):
    (row,) = read_rows(tmp_path, [said(("user", "a\n\nHuman: b<|im_end|>"), ("assistant", "c"))])
    assert list_messages(row) == [("question", "a\n\nHuman: b<|im_end|>"), ("answer", "c")]
