"""A model answers a question set turn by turn. Run: pytest tests/evaluation/judge/test_question_answers.py"""

import json

import pytest

from seodang.cli.main import main
from seodang.evaluation.judge.answers import read_answers

LOGICKOR = {"id": 7, "category": "c", "questions": ["왜?", "다시?"], "references": ["그래서", None]}
MT = {"question_id": 81, "category": "c", "turns": ["무엇?", "또?"]}


@pytest.fixture
def answer(tmp_path, judge_server, monkeypatch):
    """Runs `seodang judge answer` on questions, and returns the folder of the answers."""

    def build_reply(body):
        messages = body["messages"]
        message = {"role": "assistant", "content": f"{messages[-1]['content']} 답 {len(messages)}"}
        return json.dumps({"model": "m", "choices": [{"message": message, "finish_reason": "stop"}]}).encode()

    monkeypatch.setattr(judge_server, "answer", build_reply)

    def run(*rows, code=0):
        path = tmp_path / "questions.jsonl"
        path.write_text("\ufeff" + "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), "utf-8")
        options = ["--questions", str(path), "--out", str(tmp_path / "out"), "--endpoint", judge_server.url]
        assert main(["judge", "answer", *options, "--model", "tuned"]) == code
        return tmp_path / "out"

    return run


@pytest.mark.parametrize(("row", "task", "id"), [(LOGICKOR, "logickor", 7), (MT, "komt_bench", 81)])
def test_the_second_turn_follows_the_model_s_own_answer(answer, judge_server, row, task, id):
    answers = read_answers(answer(row) / "answers.jsonl")
    turns = row.get("questions") or row["turns"]
    assert answers[task, f"{id}/1"].answer == f"{turns[0]} 답 1"
    assert answers[task, f"{id}/2"].answer == f"[1] {turns[0]} 답 1\n\n[2] {turns[1]} 답 3"
    second = judge_server.received[1][2]["messages"]
    assert [message["role"] for message in second] == ["user", "assistant", "user"]
    assert judge_server.received[0][2]["temperature"] == 0


def test_an_interrupted_run_asks_only_what_is_missing(answer, judge_server):
    judge_server.failures = [None, 401]
    answer(LOGICKOR, {**LOGICKOR, "id": 8}, code=2)
    asked = len(judge_server.received)
    folder = answer(LOGICKOR, {**LOGICKOR, "id": 8})
    assert len(judge_server.received) - asked == 3
    assert len(read_answers(folder / "answers.jsonl")) == 4


def test_a_file_without_a_question_is_refused(answer, judge_server, capsys):
    answer(code=2)
    assert "holds no question" in capsys.readouterr().err
    assert judge_server.received == []


def test_a_row_of_another_shape_is_refused(answer, judge_server, capsys):
    answer(LOGICKOR, {"id": 1, "text": "?"}, code=2)
    assert "row 2: is no question of LogicKor" in capsys.readouterr().err
    assert judge_server.received == []
