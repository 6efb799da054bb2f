"""Question sets with several turns, and answers in their shapes: LogicKor and MT-Bench (KoMT-Bench).

LogicKor, one line per question; an answer file adds `outputs`:

    {"id": 14, "category": "...", "questions": ["...", "..."], "references": ["...", null], "outputs": ["...", "..."]}

MT-Bench, as FastChat reads and writes it; answers name their question only:

    {"question_id": 81, "category": "...", "turns": ["...", "..."], "reference": ["...", "..."]}
    {"question_id": 81, "model_id": "...", "choices": [{"index": 0, "turns": ["...", "..."]}]}

A file of such answers begins with the lines of its question file. Each turn is one item, `14/1` and `14/2`. The prompt
holds the questions up to the turn and the answer those of the model, so that a judge sees the conversation.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from seodang.evaluation.judge.prompt import ModelAnswer
from seodang.i18n import _
from seodang.records import detect_language

LOGICKOR = "logickor"
KOMT_BENCH, MT_BENCH = "komt_bench", "mt_bench"


@dataclass(frozen=True, slots=True)
class Question:
    """One question of a set, with its follow-ups."""

    task: str
    """logickor, komt_bench or mt_bench."""
    id: str
    category: str
    turns: tuple[str, ...]
    """At least one."""
    references: tuple[str, ...]
    """One for each turn; "" where there is none."""


def parse_question(row: Mapping[str, Any]) -> Question | None:
    """Return the question of a row; None for a row of another shape."""
    if "questions" in row and "id" in row:
        task, id, turns, references = LOGICKOR, row["id"], row["questions"], row.get("references")
    elif "turns" in row and "question_id" in row:
        task, id, turns, references = "", row["question_id"], row["turns"], row.get("reference")
    else:
        return None
    if not _is_list_of_texts(turns) or not isinstance(id, int | str):
        return None
    texts = tuple(turns)
    known = _list_references(references)
    return Question(
        task or (KOMT_BENCH if detect_language(texts[0]) == "ko" else MT_BENCH),
        str(id),
        str(row.get("category", "")),
        texts,
        tuple([*known, *[""] * len(texts)][: len(texts)]),
    )


def _list_references(value: object) -> list[str]:
    """Return a text for each turn, "" for a missing one; a single text or number belongs to the first turn."""
    references = value if isinstance(value, list) else [value]
    is_known = [isinstance(one, str | int | float) and not isinstance(one, bool) for one in references]
    return [str(one) if known else "" for one, known in zip(references, is_known, strict=True)]


def _is_list_of_texts(value: object) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(text, str) and text.strip() for text in value)


def is_answer_row(row: Mapping[str, Any]) -> bool:
    """Return whether a row holds the answers to the turns of a question."""
    return "outputs" in row or ("question_id" in row and "choices" in row)


def convert_answer_row(row: Mapping[str, Any], questions: Mapping[str, Question]) -> list[ModelAnswer] | str:
    """Return the answers of a row, one for each turn, or its error.

    Args:
        row: For which is_answer_row() holds.
        questions: Of the set by id, for rows that do not repeat their question.
    """
    question = parse_question(row) or questions.get(str(row.get("question_id", row.get("id", ""))))
    if question is None:
        return _("names a question that the file does not hold; put the lines of the question file before the answers")
    answers = row.get("outputs", _get_first_choice(row))
    if not isinstance(answers, list) or not answers or not all(isinstance(text, str) for text in answers):
        return _("{fields} must be present, as text", fields="outputs" if "outputs" in row else "choices[0].turns")
    if len(answers) > len(question.turns):
        return _("has more answers than question {id} has turns", id=question.id)
    return [_build_turn(question, answers, turn) for turn in range(1, len(answers) + 1)]


def _get_first_choice(row: Mapping[str, Any]) -> Any:
    choices = row.get("choices")
    first = choices[0] if isinstance(choices, list) and choices else None
    return first.get("turns") if isinstance(first, dict) else None


def _build_turn(question: Question, answers: Sequence[str], turn: int) -> ModelAnswer:
    reference = question.references[turn - 1]
    return ModelAnswer(
        task=question.task,
        item=f"{question.id}/{turn}",
        language="en" if question.task == MT_BENCH else "ko",
        prompt=_join_turns(question.turns[:turn]),
        answer=_join_turns(answers[:turn]),
        reference=f"[{turn}] {reference}" if reference and turn > 1 else reference,
        group=f"{question.task}/{question.id}",
    )


def _join_turns(texts: Sequence[str]) -> str:
    """Return the only text, or all of them with their numbers."""
    return texts[0] if len(texts) == 1 else "\n\n".join(f"[{turn}] {text}" for turn, text in enumerate(texts, start=1))
