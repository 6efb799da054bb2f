"""Files of answers that the LLM judge compares."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

from seodang.errors import EvaluationError
from seodang.evaluation.judge.prompt import ModelAnswer
from seodang.evaluation.judge.question_sets import Question, convert_answer_row, is_answer_row, parse_question
from seodang.i18n import _, ngettext

_MESSAGE_LIMIT = 5  # errors or items that a message lists


def read_answers(path: Path) -> dict[tuple[str, str], ModelAnswer]:
    """Return the answers of a file by task and item.

    Args:
        path: JSONL; a line is one answer, or the answers to a question of LogicKor or MT-Bench. Lines of the set's
            question file may stand before answers that do not repeat their questions.

    Raises:
        EvaluationError: With up to five errors of its lines.
    """
    answers: dict[tuple[str, str], ModelAnswer] = {}
    questions: dict[str, Question] = {}
    errors: list[str] = []
    try:
        lines = path.read_bytes().decode("utf-8-sig").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise EvaluationError(_("{path} cannot be read: {error}", path=path, error=error)) from error
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        parsed = _parse_answers(line, questions)
        if isinstance(parsed, str):
            errors.append(_("line {number}: {error}", number=number, error=parsed))
            continue
        errors += [
            _(
                "line {number}: repeats the item {task}/{item}; remove it",
                number=number,
                task=answer.task,
                item=answer.item,
            )
            for answer in parsed
            if (answer.task, answer.item) in answers
        ]
        answers = {(answer.task, answer.item): answer for answer in parsed} | answers
    if errors or not answers:
        lines = [_("{path} cannot be judged; errors: {count}", path=path, count=len(errors))]
        lines += [f"  {error}" for error in errors[:_MESSAGE_LIMIT]] or [f"  {_('the file has no answer')}"]
        raise EvaluationError("\n".join(lines))
    return answers


def _parse_answers(line: str, questions: dict[str, Question]) -> list[ModelAnswer] | str:
    """Return the answers of a line, or its error; a question without answers is added to the known ones."""
    try:
        row: Any = json.loads(line)
    except ValueError:
        return _("is not JSON")
    if not isinstance(row, dict):
        return _("is not a JSON object")
    if is_answer_row(row):
        return convert_answer_row(row, questions)
    if question := parse_question(row):
        questions[question.id] = question
        return []
    values = {
        field.name: str(row[field.name]) if isinstance(row[field.name], str | int) else None
        for field in fields(ModelAnswer)
        if field.name in row
    }
    missing = [name for name in ("task", "item", "language", "prompt", "answer") if values.get(name) is None]
    return (
        _("{fields} must be present, as text", fields=", ".join(missing))
        if missing
        else [ModelAnswer(**{name: value or "" for name, value in values.items()})]
    )


def pair_answers(
    candidate: Mapping[tuple[str, str], ModelAnswer], champion: Mapping[tuple[str, str], ModelAnswer]
) -> list[tuple[ModelAnswer, ModelAnswer]]:
    """Return the answers of both models in pairs, sorted by task and item.

    Raises:
        EvaluationError: If the files hold other items or other prompts.
    """
    differing = sorted({"/".join(key) for key in candidate.keys() ^ champion.keys()})
    differing += [
        "/".join(key)
        for key in sorted(candidate.keys() & champion.keys())
        if candidate[key].prompt != champion[key].prompt
    ]
    if differing:
        raise EvaluationError(
            ngettext(
                "the two files must answer the same prompts, but {count} item differs ({items})",
                "the two files must answer the same prompts, but {count} items differ ({items})",
                len(differing),
                items=", ".join(differing[:_MESSAGE_LIMIT]),
            )
        )
    return [(candidate[key], champion[key]) for key in sorted(candidate)]
