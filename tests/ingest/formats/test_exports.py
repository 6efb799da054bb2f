"""Exports of annotation tools and services give the texts that a user sees in them."""

from __future__ import annotations

import pytest

from seodang.ingest.rows import get_field_error

SUBMITTED = {"user_id": "u", "status": "submitted"}


def make_label_studio(annotations):
    return {"id": 1, "data": {"prompt": "수도는?"}, "annotations": annotations, "predictions": []}


def make_annotation(text, **fields):
    result = {"value": {"text": [text]}, "from_name": "reply", "to_name": "prompt", "type": "textarea"}
    return {"id": 1, "was_cancelled": False, "result": [result], **fields}


@pytest.mark.parametrize(
    "record",
    [
        {
            "fields": {"prompt": "수도는?"},
            "responses": {"reply": [{"value": "서울입니다.", **SUBMITTED}]},
            "status": "completed",
        },
        {
            "fields": {"prompt": "수도는?"},
            "responses": [{"values": {"reply": {"value": "서울입니다."}}, "status": "submitted"}],
        },
        {"fields": {"prompt": "수도는?", "response": "서울입니다."}, "suggestions": {}, "metadata": {}},
        make_label_studio([make_annotation("틀린 답", was_cancelled=True), make_annotation("서울입니다.")]),
        {
            "contents": [
                {"role": "user", "parts": [{"text": "수도는?"}]},
                {"role": "model", "parts": [{"text": "서울입니다."}]},
            ]
        },
        {
            "title": "한국",
            "paragraphs": [{"context": "", "qas": [{"question": "수도는?", "answers": [{"text": "서울입니다."}]}]}],
        },
        {
            "question": "수도는?",
            "context": "",
            "answers": {"text": ["서울입니다.", "서울입니다."], "answer_start": [0, 0]},
        },
    ],
)
def test_question_and_answer_of_an_export_are_read(tmp_path, record, read_rows, get_texts):
    assert get_texts(read_rows(tmp_path, [record])) == [("수도는?", "", "서울입니다.")]


def test_an_openai_pair_is_a_preference_pair(tmp_path, read_rows):
    record = {
        "input": {
            "messages": [{"role": "system", "content": "짧게"}, {"role": "user", "content": "수도는?"}],
            "tools": [],
        },
        "preferred_output": [{"role": "assistant", "content": "서울입니다."}],
        "non_preferred_output": [{"role": "assistant", "content": "부산입니다."}],
    }
    (row,) = read_rows(tmp_path, [record])
    assert (row["format"], row["system"], row["instruction"]) == ("preference", "짧게", "수도는?")
    assert (row["output"], row["rejected"]) == ("서울입니다.", "부산입니다.")


def test_the_system_text_of_gemini_and_bedrock_is_read(tmp_path, read_rows):
    gemini = {
        "systemInstruction": {"parts": [{"text": "짧게"}]},
        "contents": [{"role": "user", "parts": [{"text": "가"}]}, {"role": "model", "parts": [{"text": "나"}]}],
    }
    bedrock = {
        "system": [{"text": "짧게"}],
        "messages": [{"role": "user", "content": [{"text": "가"}]}, {"role": "assistant", "content": [{"text": "나"}]}],
    }
    for record in (gemini, bedrock):
        (row,) = read_rows(tmp_path, [record])
        assert (row["system"], row["instruction"], row["output"]) == ("짧게", "가", "나")


def test_an_answer_that_every_annotator_discarded_is_marked(tmp_path, read_rows):
    discarded = {"fields": {"prompt": "수도는?"}, "responses": {"reply": [{"value": "부산", "status": "discarded"}]}}
    skipped = make_label_studio([make_annotation("부산", was_cancelled=True)])
    rows = read_rows(tmp_path, [discarded, skipped, {"prompt": "색은?", "response": "빨강"}])
    assert [row["marks"].get("record-rejected") for row in rows] == [
        "response_status: discarded",
        "annotation_status: skipped",
        None,
    ]


def test_several_different_answers_are_not_one_text(tmp_path, read_rows):
    (row,) = read_rows(
        tmp_path, [{"question": "수도는?", "answers": {"text": ["서울", "서울시"], "answer_start": [0, 0]}}]
    )
    assert row["output"] == ["서울", "서울시"]


@pytest.mark.parametrize("label", [["긍정"], '["긍정"]', "['긍정']", "긍정"])
def test_a_list_of_one_label_is_the_label(tmp_path, read_rows, label):
    table = {"label_column": "label", "labels": {"긍정": "좋음"}, "input": "{text}", "instructions": ["감정은?"]}
    (row,) = read_rows(tmp_path, [{"text": "재미있다", "label": label}], format="table", table=table)
    assert row["output"] == "좋음"


@pytest.mark.parametrize("label", [["긍정", "부정"], "['긍정', '부정']", [], "긍정#부정"])
def test_several_labels_are_unknown(tmp_path, read_rows, label):
    table = {"label_column": "label", "labels": {"긍정": "좋음"}, "input": "{text}", "instructions": ["감정은?"]}
    (row,) = read_rows(tmp_path, [{"text": "재미있다", "label": label}], format="table", table=table)
    assert get_field_error(row["output"]) == "label-unknown"


def test_a_dot_steps_into_a_list(tmp_path, read_rows, get_texts):
    columns = {"instruction": "turns.0.text", "output": "turns.1.text"}
    rows = read_rows(tmp_path, [{"turns": [{"text": "가"}, {"text": "나"}]}], format="columns", columns=columns)
    assert get_texts(rows) == [("가", "", "나")]


def test_the_history_of_a_query_is_read(tmp_path, read_rows):
    (row,) = read_rows(tmp_path, [{"query": "가", "response": "나", "history": [["안녕", "네"]]}])
    assert [turn["content"] for turn in row["turns"]] == ["안녕", "네"]


@pytest.mark.parametrize("key", ["answers", "responses"])
@pytest.mark.parametrize(
    ("verdicts", "output"),
    [((False, True), "서울"), ((0, "yes"), "서울"), ((1.0, True), ["부산", "서울"]), ((False, False), None)],
)
def test_of_judged_answers_the_accepted_one_is_read(tmp_path, read_rows, key, verdicts, output):
    answers = [{"text": text, "is_accepted": verdict} for text, verdict in zip(("부산", "서울"), verdicts, strict=True)]
    rows = read_rows(tmp_path, [{"question": "수도는?", key: answers}, {"question": "색은?", "output": "빨강"}])
    assert rows[0]["output"] == output
