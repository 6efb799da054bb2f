"""Formats with one question and one answer."""

from __future__ import annotations

import pytest

from seodang.ingest.rows import get_field_error


def formats(rows):
    return {row["format"] for row in rows}


def test_alpaca_has_instruction_input_and_output(tmp_path, get_texts, read_rows):
    rows = read_rows(
        tmp_path, [{"instruction": "Add.", "input": "1 2", "output": "3"}, {"instruction": "더해라", "output": "3"}]
    )
    assert formats(rows) == {"alpaca"}
    assert get_texts(rows) == [("Add.", "1 2", "3"), ("더해라", "", "3")]


def test_llama_factorys_system_and_history_stand_before_the_question(tmp_path, list_messages, read_rows):
    (row,) = read_rows(
        tmp_path,
        [{"instruction": "셋은?", "output": "3", "system": "짧게", "history": [["하나는?", "1"], ["둘은?", "2"]]}],
    )
    assert row["system"] == "짧게"
    assert list_messages(row) == [
        ("user", "하나는?"),
        ("assistant", "1"),
        ("user", "둘은?"),
        ("assistant", "2"),
        ("question", "셋은?"),
        ("answer", "3"),
    ]


@pytest.mark.parametrize("history", ["하나는?", [["하나는?"]], [["하나는?", 1]], {"하나": "1"}])
def test_a_history_without_pairs_is_an_error_of_its_row(tmp_path, history, read_rows):
    (row,) = read_rows(tmp_path, [{"instruction": "둘은?", "output": "2", "history": history}])
    assert get_field_error(row["output"]) == "turns-malformed"
    assert row["turns"] == []


def test_koalpaca_keeps_the_address_that_the_answer_comes_from(tmp_path, read_rows):
    (row,) = read_rows(
        tmp_path, [{"instruction": "왜 하늘은 파란가요?", "output": "빛이 흩어져서요.", "url": "https://example.org/1"}]
    )
    assert (row["format"], row["url"]) == ("koalpaca", "https://example.org/1")


def test_a_seed_task_gives_a_row_for_each_instance_all_with_the_number_of_their_record(tmp_path, get_texts, read_rows):
    tasks = [
        {
            "id": "t0",
            "instruction": "Antonym?",
            "instances": [{"input": "hot", "output": "cold"}, {"input": "", "output": "none"}],
        },
        {"id": "t1", "instruction": "Rhyme!", "instances": [{"input": "sky", "output": "fly"}]},
    ]
    rows = read_rows(tmp_path, tasks)
    assert formats(rows) == {"self-instruct"}
    assert get_texts(rows) == [("Antonym?", "hot", "cold"), ("Antonym?", "", "none"), ("Rhyme!", "sky", "fly")]
    assert [row["source_row"] for row in rows] == [0, 0, 1]


@pytest.mark.parametrize("instances", [[], None, "hot: cold", ["cold"]])
def test_a_seed_task_without_instances_is_one_row_with_a_field_error(tmp_path, instances, read_rows):
    (row,) = read_rows(tmp_path, [{"instruction": "Antonym?", "instances": instances}])
    assert (row["instruction"], get_field_error(row["output"])) == ("Antonym?", "turns-malformed")


def test_dollys_context_is_the_input_and_its_category_the_task(tmp_path, read_rows):
    (row,) = read_rows(
        tmp_path, [{"instruction": "Who won?", "context": "Kim beat Lee.", "response": "Kim", "category": "closed_qa"}]
    )
    assert (row["format"], row["input"], row["output"], row["task"]) == ("dolly", "Kim beat Lee.", "Kim", "closed_qa")
    (row,) = read_rows(
        tmp_path, [{"instruction": "Who won?", "category": "closed_qa", "input": "Kim beat Lee.", "output": "Kim"}]
    )
    assert (row["format"], row["input"], row["output"], row["task"]) == ("dolly", "Kim beat Lee.", "Kim", "closed_qa")


@pytest.mark.parametrize(
    "header",
    [
        "question,answer",
        "Q,A",
        "q,a",
        "query,response",
        "prompt,completion",
        "prompt,response",
        "질문,답변",
        "Question, Answer",
        "Instruction,Output",
        "instruction,response",
    ],
)
def test_a_table_of_questions_and_answers_is_known_by_its_columns(tmp_path, header, get_texts, read_rows):
    rows = read_rows(tmp_path, f"{header}\n자니?,아니\n", file="qa.csv")
    assert formats(rows) == {"qa"}
    assert get_texts(rows) == [("자니?", "", "아니")]


def test_a_label_beside_question_and_answer_is_of_no_account(tmp_path, get_texts, read_rows):
    rows = read_rows(tmp_path, "Q,A,label\n자니?,아니,0\n가니?,응,2   \n", file="chat.csv")
    assert get_texts(rows) == [("자니?", "", "아니"), ("가니?", "", "응")]


def test_a_context_beside_question_and_answer_is_the_input(tmp_path, get_texts, read_rows):
    assert get_texts(
        read_rows(tmp_path, [{"context": "해는 동쪽에서 뜬다.", "question": "어디서?", "answer": "동쪽"}])
    ) == [("어디서?", "해는 동쪽에서 뜬다.", "동쪽")]


def test_prompt_and_completion_may_be_messages(tmp_path, list_messages, read_rows):
    (row,) = read_rows(
        tmp_path,
        [{"prompt": [{"role": "user", "content": "Hi"}], "completion": [{"role": "assistant", "content": "Hello"}]}],
    )
    assert list_messages(row) == [("question", "Hi"), ("answer", "Hello")]


def test_prompts_have_no_answer(tmp_path, read_rows):
    (vicuna,) = read_rows(tmp_path, [{"question_id": 1, "text": "Why?", "category": "generic"}])
    (ifeval,) = read_rows(tmp_path, [{"key": 1, "prompt": "Write 300 words.", "kwargs": [{}]}])
    assert (vicuna["format"], vicuna["instruction"], vicuna["output"], vicuna["task"]) == (
        "prompts",
        "Why?",
        None,
        "generic",
    )
    assert (ifeval["format"], ifeval["instruction"], ifeval["output"]) == ("prompts", "Write 300 words.", None)


def test_each_turn_of_a_prompt_is_a_row_that_follows_those_before_it(tmp_path, read_rows):
    first, second = read_rows(tmp_path, [{"question_id": 81, "category": "writing", "turns": ["Write.", "Rewrite."]}])
    assert (first["instruction"], first["turns"], first["source_row"]) == ("Write.", [], 0)
    assert (second["instruction"], second["turns"], second["source_row"]) == (
        "Rewrite.",
        [{"role": "user", "content": "Write."}],
        0,
    )


def test_columns_say_where_the_fields_stand_and_step_into_objects(tmp_path, get_texts, read_rows):
    columns = {
        "instruction": "raw.question",
        "output": "raw.reply",
        "input": "about",
        "url": "from",
        "task": "kind",
        "system": "role",
        "rejected": "worse",
    }
    record = {
        "raw": {"question": "왜?", "reply": "그냥"},
        "about": None,
        "from": "https://example.org",
        "kind": "chat",
        "role": "짧게",
        "worse": "몰라",
    }
    (row,) = read_rows(tmp_path, [record], format="columns", columns=columns)
    assert get_texts([row]) == [("왜?", "", "그냥")]
    assert [row[name] for name in ("format", "url", "task", "system", "rejected")] == [
        "columns",
        "https://example.org",
        "chat",
        "짧게",
        "몰라",
    ]


def test_a_key_with_a_dot_of_its_own_is_taken_as_it_is(tmp_path, get_texts, read_rows):
    columns = {"instruction": "a.b", "output": "c"}
    assert get_texts(
        read_rows(tmp_path, [{"a.b": "가", "a": {"b": "나"}, "c": "다"}], format="columns", columns=columns)
    ) == [("가", "", "다")]
