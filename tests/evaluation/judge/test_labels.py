"""Files of human labels: formats, Korean columns, several raters, marks, and every error at once."""

import json

import pytest

from seodang.errors import EvaluationError
from seodang.evaluation.judge.labels import read_labels

ROW = {"id": "1", "question": "수도는?", "answer_a": "서울", "answer_b": "부산", "label": "A"}


def write(path, rows):
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), "utf-8")
    return path


@pytest.fixture
def read(tmp_path):
    return lambda *rows: read_labels(write(tmp_path / "labels.jsonl", rows))


def fail(read, *rows):
    with pytest.raises(EvaluationError) as error:
        read(*rows)
    return str(error.value)


@pytest.mark.parametrize(
    ("label", "score"),
    [
        *[(word, 1.0) for word in ("A", "a", "model_a", "Answer A", "답변 A", 1, "1", 1.0, "[[A]]", "왼쪽", "1번")],
        *[(word, 0.0) for word in ("B", "model_b", "assistant_b", "응답B", 2, "오른쪽", "B안")],
        *[(word, 0.5) for word in ("tie", "C", "tie (bothbad)", "무승부", "비슷함", "동률", "둘 다 나쁨")],
    ],
)
def test_labels_are_read_as_people_write_them(read, label, score):
    assert read({**ROW, "label": label}).pairs[0].label == score


@pytest.mark.parametrize("label", ["0", 0, True, "3", "best", "A or B"])
def test_an_ambiguous_label_is_an_error(read, label):
    assert "row 1, label: must be one of A, B, tie" in fail(read, {**ROW, "label": label})


@pytest.mark.parametrize("encoding", ["utf-8-sig", "cp949", "utf-16"])
def test_korean_columns_of_a_spreadsheet_are_read(tmp_path, encoding):
    path = tmp_path / "라벨.csv"
    path.write_text("문항 번호,질문,답변 A,답변 B,선호,평가자\n7,수도는?,서울,부산,무승부,김\n", encoding)
    [pair] = read_labels(path).pairs
    assert (pair.pair[0].prompt, pair.pair[0].answer, pair.pair[1].answer, pair.label) == (
        "수도는?",
        "서울",
        "부산",
        0.5,
    )
    assert (pair.group, pair.pair[0].language) == ("7", "ko")


def test_tab_separated_files_are_read(tmp_path):
    path = tmp_path / "labels.tsv"
    path.write_text("question\tresponse_a\tresponse_b\twinner\nWhat?\tyes\tno\tmodel_b\n", "utf-8")
    [pair] = read_labels(path).pairs
    assert (pair.label, pair.pair[0].language) == (0.0, "en")


def test_judgments_of_mt_bench_and_exports_of_chatbot_arena_are_read(read, tmp_path):
    turns = [{"role": "user", "content": "Hi?"}, {"role": "assistant", "content": "Hello."}]
    bench = {"question_id": 81, "model_a": "x", "model_b": "y", "winner": "model_b", "judge": "expert_0"}
    [pair] = read(
        {**bench, "conversation_a": turns, "conversation_b": [turns[0], {**turns[1], "content": "No."}]}
    ).pairs
    assert (pair.pair[0].prompt, pair.pair[0].answer, pair.pair[1].answer) == ("Hi?", "Hello.", "No.")
    assert (pair.models, pair.label) == (("x", "y"), 0.0)
    arena = {"id": 3, "prompt": "Hi?", "response_a": "a", "response_b": "b"}
    winners = {"winner_model_a": 0, "winner_model_b": 0, "winner_tie": 1}
    assert read({**arena, **winners}).pairs[0].label == 0.5
    assert "row 1, label" in fail(read, {**arena, **winners, "winner_tie": 0})


def test_the_turns_that_a_rater_of_mt_bench_rated_are_two_pairs_of_one_group(read):
    def talk(*answers):
        return [
            {"role": role, "content": text}
            for number, answer in enumerate(answers, start=1)
            for role, text in (("user", f"Question {number}?"), ("assistant", answer))
        ]

    bench = {
        "question_id": 81,
        "judge": "expert_0",
        "conversation_a": talk("A1", "A2"),
        "conversation_b": talk("B1", "B2"),
    }
    first, second = read({**bench, "turn": 1, "winner": "model_a"}, {**bench, "turn": 2, "winner": "model_b"}).pairs
    assert [(pair.pair[0].prompt, pair.pair[0].answer, pair.label) for pair in (first, second)] == [
        ("Question 1?", "A1", 1.0),
        ("Question 1?\n\nQuestion 2?", "A1\n\nA2", 0.0),
    ]
    assert first.group == second.group


def test_turns_of_an_arena_export_are_read_and_a_list_that_is_an_answer_stays(read):
    winners = {"winner_model_a": 1, "winner_model_b": 0, "winner_tie": 0}
    texts = {"response_a": '["Hello \\"you\\"."]', "response_b": '["No.", null]'}
    [pair] = read({"prompt": '["Hi?", "And?"]', **texts, **winners}).pairs
    assert (pair.pair[0].prompt, pair.pair[0].answer, pair.pair[1].answer) == ("Hi?\n\nAnd?", 'Hello "you".', "No.")
    assert read({**ROW, "answer_a": '["가", "나"]'}).pairs[0].pair[0].answer == '["가", "나"]'


def test_an_answer_that_is_an_object_is_refused(read):
    assert "row 1, answer_a: must be a text" in fail(read, {**ROW, "answer_a": {"text": "서울"}})


def test_two_models_may_give_the_same_answer(read):
    marks = [
        {"question": "수도는?", "answer": answer, "mark": mark, "model": model, "rater": "kim"}
        for model, answer, mark in (("x", "서울", 8), ("y", "서울", 8), ("z", "부산", 1))
    ]
    assert [pair.models for pair in read(*marks).pairs] == [("x", "z"), ("y", "z")]


@pytest.mark.parametrize("label", [-1, "-1", "-2", -1.0])
def test_a_negative_label_is_not_the_number_of_an_answer(read, label):
    assert "row 1, label" in fail(read, {**ROW, "label": label})


def test_raters_who_saw_the_answers_in_the_other_order_are_joined(read):
    swapped = {**ROW, "answer_a": "부산", "answer_b": "서울"}
    labels = read(
        {**ROW, "rater": "kim"}, {**swapped, "label": "B", "rater": "lee"}, {**swapped, "label": "A", "rater": "park"}
    )
    [pair] = labels.pairs
    assert pair.ratings == (1.0, 1.0, 0.0)
    assert (pair.label, labels.raters) == (1.0, 3)


@pytest.mark.parametrize(("first", "second"), [("kim", " kim "), (1, "1"), (0, "0"), (None, " ")])
def test_a_rater_is_known_whatever_surrounds_the_name(read, first, second):
    assert "row 2, rater: rates the answers of row 1 again" in fail(
        read, {**ROW, "rater": first}, {**ROW, "rater": second}
    )


def test_raters_without_a_majority_make_a_tie(read):
    assert read({**ROW, "rater": "1"}, {**ROW, "label": "B", "rater": "2"}).pairs[0].label == 0.5


def test_marks_of_single_answers_make_pairs_of_one_question(read):
    rows = [
        {"id": "1", "question": "왜?", "answer": answer, "mark": mark, "model": answer, "rater": rater}
        for answer, marks in (("가", (8, 9)), ("나", (5, 9)), ("다", (8, 2)))
        for rater, mark in zip(("kim", "lee"), marks, strict=True)
    ]
    labels = read(*rows)
    assert [pair.ratings for pair in labels.pairs] == [(1.0, 0.5), (0.5, 1.0), (0.0, 1.0)]
    assert {pair.group for pair in labels.pairs} == {"1"}
    assert labels.marks == [(8.0, 9.0), (5.0, 9.0), (8.0, 2.0)]
    assert labels.pairs[0].models == ("가", "나")


def test_a_first_answer_without_a_mark_does_not_hide_the_marks_of_others(read):
    rows = [{"id": "1", "question": "왜?", "answer": answer} for answer in ("가", "나", "다")]
    labels = read(rows[0], {**rows[1], "mark": 3}, {**rows[2], "mark": "4"})
    assert (len(labels.pairs), labels.unlabelled, labels.pairs[0].label) == (1, 1, 0.0)


def test_rows_that_are_not_labelled_yet_are_counted(read):
    labels = read(ROW, {**ROW, "id": "2", "label": ""}, {**ROW, "id": "3", "label": None})
    assert (len(labels.pairs), labels.unlabelled) == (1, 2)


def test_a_mark_that_is_no_number_is_an_error(read):
    message = fail(read, {"question": "q", "answer": "a", "mark": "9점"}, {"question": "q", "answer": "b", "mark": 1})
    assert "row 1, mark: must be a number (got 9점)" in message


def test_every_error_has_its_row_and_field(read):
    message = fail(
        read,
        ROW,
        {**ROW, "id": "2", "answer_b": " "},
        {**ROW, "id": "3", "label": "maybe"},
        {**ROW, "question": "다른 질문"},
        ROW,
    )
    assert "has errors (4):" in message
    assert "row 2, answer_b: is missing or blank" in message
    assert "row 3, label: must be one of A, B, tie, model_a, model_b, 무승부 (got maybe)" in message
    assert "row 4, question: differs from row 1, which has the same id" in message
    assert "row 5, rater: rates the answers of row 1 again; name another rater" in message


def test_unreadable_rows_and_wrong_fields_are_reported_together(tmp_path):
    path = tmp_path / "labels.jsonl"
    path.write_text(json.dumps(ROW) + "\n{broken\n" + json.dumps({**ROW, "id": "3", "label": "?"}) + "\n", "utf-8")
    with pytest.raises(EvaluationError) as error:
        read_labels(path)
    assert "line 2" in str(error.value)
    assert "row 3, label" in str(error.value)


def test_a_file_without_a_column_of_labels_names_its_columns(read):
    message = fail(read, {"id": 1, "question": "왜?", "answer_a": "가", "answer_b": "나", "text": "x"})
    assert "no row has a label" in message
    assert "found: id, question, answer_a, answer_b, text" in message
