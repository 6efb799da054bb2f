"""Questions, answers and judge scores of LogicKor and MT-Bench.

Run: pytest tests/evaluation/judge/test_question_sets.py
"""

import json

import pytest

from seodang.errors import EvaluationError
from seodang.evaluation.judge.answers import pair_answers, read_answers
from seodang.gate.score_files import read_scores
from seodang.gate.scores import ScoreKey

QUESTIONS = ["1부터 3까지 더하면?", "그 수를 두 배로 하면?"]
LOGICKOR = {
    "id": 3,
    "category": "수학(Math)",
    "questions": [*QUESTIONS, "그 수를 두 배로 하면 몇?"],  # one row of the real set has a question too many
    "outputs": ["6입니다.", "12입니다."],
    "references": ["6", None],
    "query_single": {"judge_message": "맞다", "judge_score": 9.0},
    "query_multi": {"judge_message": "맞다", "judge_score": 7.5},
}
MT_QUESTION = {"question_id": 81, "category": "math", "turns": QUESTIONS, "reference": ["6", "12"]}
MT_ANSWER = {"question_id": 81, "model_id": "a", "choices": [{"index": 0, "turns": ["육", "십이"]}], "tstamp": 1.5}


@pytest.fixture
def write(tmp_path):
    def write(name, *rows, mark=""):
        path = tmp_path / name
        path.write_text(mark + "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), "utf-8")
        return path

    return write


@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_answers_of_logickor_are_one_item_per_turn_with_the_conversation(write, mark):
    answers = read_answers(write("a.jsonl", LOGICKOR, mark=mark))
    first, second = answers["logickor", "3/1"], answers["logickor", "3/2"]
    assert (first.prompt, first.answer, first.reference, first.language) == (QUESTIONS[0], "6입니다.", "6", "ko")
    assert second.prompt == f"[1] {QUESTIONS[0]}\n\n[2] {QUESTIONS[1]}"
    assert (second.answer, second.reference) == ("[1] 6입니다.\n\n[2] 12입니다.", "")


def test_two_models_have_the_same_prompts(write):
    other = {**LOGICKOR, "outputs": ["5", "10"]}
    pairs = pair_answers(read_answers(write("a.jsonl", LOGICKOR)), read_answers(write("b.jsonl", other)))
    assert [one.item for one, _other in pairs] == ["3/1", "3/2"]


def test_answers_of_mt_bench_need_their_questions(write):
    with pytest.raises(EvaluationError, match="put the lines of the question file before the answers"):
        read_answers(write("a.jsonl", MT_ANSWER))
    answers = read_answers(write("a.jsonl", MT_QUESTION, MT_ANSWER))
    assert answers["komt_bench", "81/1"].answer == "육"
    assert answers["komt_bench", "81/2"].reference == "[2] 12"


def test_english_questions_are_mt_bench(write):
    question = {"question_id": 1, "category": "c", "turns": ["Hi?", "Why?"]}
    answers = read_answers(write("a.jsonl", question, {**MT_ANSWER, "question_id": 1}))
    assert answers["mt_bench", "1/2"].language == "en"


def test_a_file_of_questions_alone_has_no_answer(write):
    with pytest.raises(EvaluationError, match="the file has no answer"):
        read_answers(write("q.jsonl", MT_QUESTION))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"outputs": []}, "outputs must be present"),
        ({"outputs": ["6", None]}, "outputs must be present"),
        ({"outputs": ["1", "2", "3", "4"]}, "more answers than question 3 has turns"),
    ],
)
def test_an_incomplete_answer_is_named_with_its_line(write, changes, message):
    with pytest.raises(EvaluationError, match=f"line 2: .*{message}"):
        read_answers(write("a.jsonl", {**LOGICKOR, "id": 2}, {**LOGICKOR, **changes}))


@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_judge_scores_of_logickor_are_read_as_a_score_file(write, mark):
    scores = read_scores(write("a.jsonl", LOGICKOR, mark=mark))
    assert scores[ScoreKey("logickor", "3", "judge_single")].score == 9.0
    assert scores[ScoreKey("logickor", "3", "judge_multi")].score == 7.5
    assert {score.language for score in scores.values()} == {"ko"}


def test_judgments_of_mt_bench_are_read_as_a_score_file(write):
    judgment = {
        "question_id": 81,
        "model": "a",
        "user_prompt": "평가해 주세요",
        "judgment": "[[8]]",
        "score": 8,
        "turn": 1,
    }
    scores = read_scores(write("a.jsonl", judgment, {**judgment, "turn": 2, "score": 6}))
    assert {(key.metric, score.score) for key, score in scores.items()} == {("judge_single", 8), ("judge_multi", 6)}


@pytest.mark.parametrize("question", ["수도는 어디인가요?", "What is the capital?"])
def test_the_question_decides_the_task_of_a_judgment_and_not_the_answer(write, question):
    prompts = [
        f"[Instruction]\n{'Please act as an impartial judge. ' * 9}\n\n[Question]\n{question}\n\n"
        f"[The Start of Assistant's Answer]\n{answer}\n[The End of Assistant's Answer]"
        for answer in ("서울", "서울입니다. " * 99, "Seoul.")
    ] + [f"### User:\n{question}\n\n### Assistant A:\n{'서울입니다. ' * 99}\n\n### User:\nAnd?\n\n### Assistant A:\nNo"]
    tasks = set()
    for prompt in prompts:
        row = {"question_id": 81, "user_prompt": prompt, "score": 8, "turn": 1}
        tasks |= {key.task for key in read_scores(write("a.jsonl", row))}
    assert tasks == {"komt_bench" if "수도" in question else "mt_bench"}


@pytest.mark.parametrize(
    ("references", "expected"),
    [("답은 6", ["답은 6", ""]), (6, ["6", ""]), ([6, 12], ["6", "[2] 12"]), ({"a": 1}, ["", ""]), (None, ["", ""])],
)
def test_a_reference_may_be_one_text_or_a_number(write, references, expected):
    answers = read_answers(write("a.jsonl", {**LOGICKOR, "references": references}))
    assert [answer.reference for answer in answers.values()] == expected


def test_a_judgment_without_a_score_is_an_error(write):
    rows = [{**LOGICKOR, "query_single": {"judge_message": "?", "judge_score": None}}]
    with pytest.raises(EvaluationError, match="score: must be a finite number"):
        read_scores(write("a.jsonl", *rows))
    judgment = {"question_id": 81, "model": "a", "user_prompt": "평가", "score": -1, "turn": 1}
    with pytest.raises(EvaluationError, match="score: must be a finite number"):
        read_scores(write("b.jsonl", judgment))
