"""Judge scores in the files of LogicKor and MT-Bench, as rows of a score file. Pure.

    {"id": 14, "questions": [...], "query_single": {"judge_score": 9.0}, "query_multi": {"judge_score": 8.0}}
    {"question_id": 81, "model": "...", "user_prompt": "...", "score": 9, "turn": 1}

The first one has the metrics judge_single and judge_multi; the second one judge_single for turn 1 and judge_multi for
turn 2. Scores lie between 0 or 1 and 10.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from seodang.records import Language, detect_language

_LOGICKOR_METRICS = {"query_single": "judge_single", "query_multi": "judge_multi"}
# The question in the prompts of FastChat, for one turn and for several.
_QUESTION: Final = re.compile(
    r"(?:\[Question\]|### User:)\s*(.+?)\s*(?:\[The Start|### (?:Assistant|Reference))", re.DOTALL
)
_HANGUL: Final = re.compile("[가-힣]")
_TURN_METRICS = {1: "judge_single", 2: "judge_multi"}


def expand_judged_row(row: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the scores that a row holds; the row itself where it has another shape."""
    if "id" in row and any(name in row for name in _LOGICKOR_METRICS):
        return [
            {
                "task": "logickor",
                "item": str(row["id"]),
                "metric": metric,
                "language": "ko",
                "score": row[name].get("judge_score") if isinstance(row[name], dict) else row[name],
                **_build_content(row.get("questions")),
            }
            for name, metric in _LOGICKOR_METRICS.items()
            if name in row
        ]
    if "question_id" in row and "turn" in row and "score" in row:
        return [_convert_judgment(row)]
    return [row]


def _convert_judgment(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return the score of a judgment; FastChat writes -1 where the judge gave none, which is an error."""
    language = _detect_question_language(row.get("user_prompt"))
    return {
        "task": "komt_bench" if language == "ko" else "mt_bench",
        "item": str(row["question_id"]),
        "metric": _TURN_METRICS.get(row["turn"], f"judge_turn_{row['turn']}"),
        "language": language,
        "score": None if row["score"] == -1 else row["score"],
    }


def _detect_question_language(prompt: object) -> Language:
    """Return the language of the question in a judge's prompt, not of the answer: each model has another one."""
    if not isinstance(prompt, str) or not prompt:
        return "ko"
    question = _QUESTION.search(prompt)
    if question:
        return detect_language(question[1])
    return "ko" if _HANGUL.search(prompt) else "en"


def _build_content(questions: object) -> dict[str, str]:
    """Return the field that identifies the text of the item for the ledger."""
    texts = [text for text in questions if isinstance(text, str)] if isinstance(questions, list) else []
    return {"content": "\n".join(texts)} if texts else {}
