"""The Korean tasks of lm-evaluation-harness ask as the harness does, on invented rows in the shape of their data.

benchmarks/korean_tasks.py compares them with the harness itself.

Run: pytest tests/evaluation/tasks/test_korean_tasks.py
"""

import csv
import json
from pathlib import Path

import pytest

from seodang.errors import EvaluationError
from seodang.evaluation.tasks.loading import load_task
from seodang.evaluation.tasks.spec import load_specs
from seodang.ingest.readers.strict import read_rows_strict

FOLDER = Path(__file__).resolve().parents[3] / "tasks"
CHOICES = ["하나", "둘", "셋", "넷"]
CLICK = {"paragraph": "", "question": "알맞은 것은?", "choices": CHOICES, "answer": "둘"}
LETTERS = {"A": "하나", "B": "둘", "C": "셋", "D": "넷", "E": "다섯"}


@pytest.fixture
def load(tmp_path):
    """Returns the items of a task by the number of their row."""

    def load(name, file, rows):
        path = tmp_path / file
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix == ".csv":
            with path.open("w", encoding="utf-8", newline="") as stream:
                writer = csv.DictWriter(stream, list(rows[0]))
                writer.writeheader()
                writer.writerows(rows)
        elif path.name == "csatqa_eval.json":
            path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), "utf-8")
        else:
            path.write_text(json.dumps(rows, ensure_ascii=False), "utf-8")
        task = load_task(load_specs(FOLDER, [name])[0], tmp_path, read_rows_strict, seed=1)
        return {int(sample.id.rpartition("/")[2]): sample for sample in task.samples}

    return load


@pytest.mark.parametrize("name", ["kmmlu", "kmmlu_direct"])
def test_kmmlu_strips_the_question_and_counts_answers_from_one(load, name):
    rows = [{"question": " 질문?\n", "answer": number, **LETTERS} for number in (1, 4)]
    items = load(name, "HAERAE-HUB/KMMLU/data/Accounting-test.csv", rows)
    assert items[1].prompt == "질문?\nA. 하나\nB. 둘\nC. 셋\nD. 넷\n정답："
    assert [items[row].reference for row in (1, 2)] == ["A", "D"]
    assert items[1].id == "Accounting-test/1"


@pytest.mark.parametrize("answer", ["0", "5", "-1", "A", "가", "①", "3번"])
@pytest.mark.parametrize("name", ["kmmlu", "kmmlu_direct"])
def test_an_answer_of_kmmlu_that_is_no_number_of_an_option_is_refused(load, name, answer):
    rows = [{"question": "질문?", "answer": value, **LETTERS} for value in ("1", answer)]
    with pytest.raises(EvaluationError, match="row 2"):
        load(name, "HAERAE-HUB/KMMLU/data/Accounting-test.csv", rows)


def test_data_that_are_not_the_complete_set_are_named(load, caplog):
    rows = [{"question": f"질문 {answer}?", "answer": answer, **LETTERS} for answer in (1, 4)]
    load("kmmlu", "HAERAE-HUB/KMMLU/data/Accounting-test.csv", rows)
    assert "kmmlu: items in the data: 2, in the complete set: 35030" in caplog.text


@pytest.mark.parametrize("answer", ["1", "가", "F", "A. 하나", "정답: A"])
def test_an_answer_of_kbl_that_no_answer_could_match_is_refused(load, answer):
    rows = [{"question": "질문?", **LETTERS, "gt": value} for value in ("b", answer)]
    with pytest.raises(EvaluationError, match="row 2"):
        load("kbl_bar_exam_civil", "lbox/kbl/bar_exam/civil/civil2012.json", rows)


def test_options_of_click_that_are_one_text_are_refused(load):
    rows = [{**CLICK, "id": f"KIIP_law_{number}", "choices": str(CHOICES), "answer": "하나"} for number in (1, 2)]
    with pytest.raises(EvaluationError, match="not in list"):
        load("click_cul_law", "EunsuKim/CLIcK/Dataset/Culture/Korean Law/Law_KIIP.json", rows)


def test_click_asks_about_a_paragraph_only_where_there_is_one(load):
    rows = [{**CLICK, "id": "KIIP_law_1"}, {**CLICK, "id": "PSAT_2", "paragraph": "글", "answer": "넷"}]
    items = load("click_cul_law", "EunsuKim/CLIcK/Dataset/Culture/Korean Law/Law_KIIP.json", rows)
    end = "질문: 알맞은 것은?\n보기:\nA:하나, B: 둘, C: 셋, D: 넷\n정답:"
    assert items[1].prompt == (
        f"주어진 질문을 천천히 읽고, 적절한 정답을 A, B, C, D 중에 골라 알파벳 하나로 답하시오.\n\n{end}"
    )
    assert items[2].prompt == (
        "주어진 맥락을 천천히 읽고, 질문에 대한 적절한 정답을 A, B, C, D 중에 골라 알파벳 하나로 답하시오.\n\n"
        f"맥락: 글\n{end}"
    )
    assert [items[row].reference for row in (1, 2)] == ["B", "D"]
    assert items[1].choices == ("A", "B", "C", "D")


def test_a_click_item_of_the_entrance_exam_has_a_fifth_letter(load):
    five = [*CHOICES, "다섯"]
    rows = [
        {**CLICK, "id": "CSAT_korean_22_1", "choices": five, "answer": "다섯"},
        {**CLICK, "id": "TK_2016_5"},
        {**CLICK, "id": "TK_2016_4"},
        {**CLICK, "id": "CSAT_korean_23_35"},
    ]
    items = load("click_lang_text", "EunsuKim/CLIcK/Dataset/Language/Textual/Textual_CSAT.json", rows)
    assert sorted(items) == [1, 2]
    assert (items[1].choices, items[1].reference) == (("A", "B", "C", "D", "E"), "E")
    assert items[2].choices == ("A", "B", "C", "D")


def test_a_question_of_csatqa_without_a_context_has_none(load):
    options = {f"option#{number}": str(number) for number in range(1, 6)}
    rows = [
        {"context": None, "question": "질문?", "gold": 5, **options, "Category": "GR"},
        {"context": "글", "question": "질문?", "gold": 1, **options, "Category": "GR"},
        {"context": "글", "question": "질문?", "gold": 1, **options, "Category": "WR"},
    ]
    items = load("csatqa_gr", "HAERAE-HUB/csatqa/data/csatqa_eval.json", rows)
    assert sorted(items) == [1, 2]
    assert items[1].prompt == (
        "다음을 읽고 정답으로 알맞은 것을 고르시요.\n### Context: None\n### Question: 질문?\n### Options:\n"
        "(1) 1\n(2) 2\n(3) 3\n(4) 4\n(5) 5\n### Answer: 주어진 문제의 정답은"
    )
    assert items[1].reference == "(5)"


def test_kbl_keeps_the_backslash_of_the_harness(load):
    rows = [{"question": "질문?", **LETTERS, "gt": letter} for letter in "AB"]
    items = load("kbl_bar_exam_civil", "lbox/kbl/bar_exam/civil/civil2012.json", rows)
    assert items[1].prompt.startswith(
        "당신은 사용자의 질문에 친절하고 논리적으로 답변해 주는 법률 전문가 챗봇 입니다.\\n### 질문: 질문?\n"
    )
    assert items[1].prompt.endswith(
        "'답변: A' 와 같이 단답식으로 답해 주세요.\nA. 하나\nB. 둘\nC. 셋\nD. 넷\nE. 다섯\n### 답변:"
    )


def test_hrm8k_asks_for_a_box(load):
    rows = [
        {"question": " 1+1은? ", "answer": 2.0, "original": "1+1?"},
        {"question": "2+2는?", "answer": 4.0, "original": "?"},
    ]
    items = load("hrm8k_mmmlu", "HAERAE-HUB/HRM8K/HRM8K/mmmlu_test.csv", rows)
    assert items[1].prompt == (
        "주어진 문제를 풀어보세요.\n문제를 푼 후, 주어진 선택지 (1, 2, 3, 4) 중 최종 선택지를 다음 형식으로 작성하세요: "
        "$\\boxed{N}$.\n\n문제: 1+1은?\n답변:"
    )
    assert items[1].reference == "2.0"


@pytest.mark.parametrize(
    ("name", "file", "row"),
    [
        (
            "logickor",
            "logickor/questions.jsonl",
            {"id": 7, "category": "추론(Reasoning)", "questions": ["왜?", "다시?"], "references": ["그래서", None]},
        ),
        (
            "komt_bench",
            "LGAI-EXAONE/KoMT-Bench/raw/question_ko.jsonl",
            {"question_id": 7, "category": "writing", "turns": ["왜?", "다시?"]},
        ),
    ],
)
def test_the_first_turn_of_a_question_set_is_answered_freely(tmp_path, name, file, row):
    path = tmp_path / file
    path.parent.mkdir(parents=True)
    path.write_text("\ufeff" + json.dumps(row, ensure_ascii=False) + "\n", "utf-8")
    [sample] = load_task(load_specs(FOLDER, [name])[0], tmp_path, read_rows_strict, seed=1).samples
    assert (sample.id, sample.prompt, sample.reference) == ("7/1", "왜?", "")
