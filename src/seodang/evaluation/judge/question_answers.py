"""Answers of a model behind an OpenAI-compatible endpoint to a question set with several turns."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from seodang.errors import EvaluationError
from seodang.evaluation.judge.endpoint import Endpoint, request_completion
from seodang.evaluation.judge.question_sets import LOGICKOR, Question, parse_question
from seodang.evaluation.result_log import ResultLog
from seodang.i18n import _
from seodang.ingest.readers.strict import read_rows_strict
from seodang.io.jsonl import write_rows

ANSWERS_NAME: Final = "answers.jsonl"


@dataclass(frozen=True, slots=True)
class AnswerSummary:
    """What a model answered."""

    questions: int
    turns: int
    truncated: int
    """Answers that ended at the maximum number of tokens."""


def read_questions(path: Path) -> list[Question]:
    """Return the questions of a file: JSONL, JSON or Parquet, with or without a byte order mark.

    Raises:
        EvaluationError: If a row is no question of a known shape, an id occurs twice, or the file is empty.
        SourceError: If the file cannot be read.
    """
    questions: dict[str, Question] = {}
    for number, row in enumerate(read_rows_strict(path, path.name), start=1):
        question = parse_question(row)
        if question is None or question.id in questions:
            raise EvaluationError(
                _(
                    "{path}, row {number}: is no question of LogicKor (id, questions) or MT-Bench (question_id, turns), "
                    "or repeats one",
                    path=path,
                    number=number,
                )
            )
        questions[question.id] = question
    if not questions:
        raise EvaluationError(_("{path} holds no question", path=path))
    return list(questions.values())


def answer_questions(path: Path, folder: Path, endpoint: Endpoint) -> AnswerSummary:
    """Ask every turn after the model's own earlier answers, and write the answers; an interrupted run resumes.

    Args:
        path: Questions of LogicKor or MT-Bench.
        folder: Receives replies.jsonl with every reply, and answers.jsonl for `seodang judge`.
        endpoint: The model, asked greedily.

    Raises:
        EvaluationError: If the file has errors, or the endpoint refuses a request.
        JudgeUnreachable: If the endpoint does not answer; exit code 75, try again.
    """
    questions = read_questions(path)
    with ResultLog(folder / "replies.jsonl", _compute_fingerprint(endpoint, questions)) as result_log:
        replies = {(row["id"], row["turn"]): row for row in result_log.rows}
        for question in questions:
            _answer_turns(question, replies, endpoint, result_log)
    write_rows(folder / ANSWERS_NAME, (_build_row(question, replies) for question in questions))
    truncated = sum(bool(reply["is_truncated"]) for reply in replies.values())
    return AnswerSummary(len(questions), len(replies), truncated)


def _answer_turns(
    question: Question, replies: dict[tuple[str, int], dict[str, Any]], endpoint: Endpoint, result_log: ResultLog
) -> None:
    """Add the missing replies to the turns of a question."""
    conversation: list[dict[str, str]] = []
    for turn, text in enumerate(question.turns, start=1):
        conversation.append({"role": "user", "content": text})
        if (question.id, turn) not in replies:
            reply = request_completion(endpoint, conversation)
            row = {"id": question.id, "turn": turn, "text": reply.text, "is_truncated": reply.is_truncated}
            result_log.append([row])
            replies[question.id, turn] = row
        conversation.append({"role": "assistant", "content": replies[question.id, turn]["text"]})


def _build_row(question: Question, replies: Mapping[tuple[str, int], Mapping[str, Any]]) -> dict[str, Any]:
    """Return a question with its answers, in the shape of its set."""
    answers = [replies[question.id, turn]["text"] for turn in range(1, len(question.turns) + 1)]
    turns, references = list(question.turns), [text or None for text in question.references]
    if question.task == LOGICKOR:
        row = {"id": question.id, "category": question.category, "questions": turns, "outputs": answers}
        return {**row, "references": references}
    row = {"question_id": question.id, "category": question.category, "turns": turns, "reference": references}
    return {**row, "choices": [{"index": 0, "turns": answers}]}


def _compute_fingerprint(endpoint: Endpoint, questions: list[Question]) -> str:
    """Return the sha256 of everything that the replies depend on."""
    inputs = [endpoint.base_url, endpoint.model, endpoint.max_tokens, [[each.id, each.turns] for each in questions]]
    return hashlib.sha256(json.dumps(inputs).encode("utf-8", "surrogatepass")).hexdigest()
