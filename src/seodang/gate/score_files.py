"""Score files: JSONL, one line per item and metric, from whatever evaluated the model.

    {"task": "nsmc", "item": "17", "metric": "accuracy", "language": "ko", "score": 1}

`item` may be a number. `asked`, a fingerprint of prompt, shots and seed, may stand beside: where it does, it must be the same
for both models. Other fields are left alone.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from seodang.errors import EvaluationError
from seodang.gate.scores import Score, ScoreKey, parse_finite

_MESSAGE_LIMIT = 20  # faults told of a file
_MAX_VALUE_LENGTH = 60  # characters of a value in a message


def read_scores(path: Path) -> dict[ScoreKey, Score]:
    """Return the scores of a file; a byte order mark at its begin and blank lines are passed over.

    Raises:
        EvaluationError: If the file cannot be read, is empty, or has faulty lines: all of them at once, up to 20.
    """
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise EvaluationError(f"{path} cannot be read: {error.strerror} / 파일을 읽을 수 없습니다") from error
    except UnicodeDecodeError as error:
        raise EvaluationError(
            f"{path} is not UTF-8 (byte {error.start + 1}); save it as UTF-8 / UTF-8 파일이 아닙니다"
        ) from error
    scores: dict[ScoreKey, Score] = {}
    lines: dict[ScoreKey, int] = {}
    errors: list[str] = []
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        key, score, line_errors = _parse_line(line)
        if key is not None and score is not None and key in scores:
            line_errors = [
                f"repeats line {lines[key]}: {'/'.join(key)} has a score already / 같은 문항과 지표가 두 번 나옵니다"
            ]
        errors += [f"line {number}: {fault}" for fault in line_errors]
        if key is not None and score is not None and not line_errors:
            scores[key], lines[key] = score, number
    if errors:
        details = [f"  {fault}" for fault in errors[:_MESSAGE_LIMIT]] + (
            [f"  ... and {len(errors) - _MESSAGE_LIMIT} more / 외 {len(errors) - _MESSAGE_LIMIT}건"]
            if len(errors) > _MESSAGE_LIMIT
            else []
        )
        raise EvaluationError(f"{path} has {len(errors)} faults / 오류 {len(errors)}건:\n" + "\n".join(details))
    if not scores:
        raise EvaluationError(f"{path} holds no score / 점수가 없습니다")
    return scores


def _parse_line(line: str) -> tuple[ScoreKey | None, Score | None, list[str]]:
    """Return what a line says, or what is wrong with it."""
    try:
        row = json.loads(line)
    except (json.JSONDecodeError, RecursionError):
        return None, None, [f"is not JSON / JSON이 아닙니다: {_shorten(line)}"]
    if not isinstance(row, dict):
        return None, None, [f"is no JSON object / JSON 객체가 아닙니다: {_shorten(line)}"]
    if isinstance(row.get("item"), int) and not isinstance(row["item"], bool):
        row["item"] = str(row["item"])
    errors = list(_iter_errors(row))
    if errors:
        return None, None, errors
    score = parse_finite(row["score"])
    assert score is not None
    return (
        ScoreKey(row["task"], row["item"], row["metric"]),
        Score(row["language"], score, row.get("fingerprint", "")),
        [],
    )


def _iter_errors(row: dict[str, Any]) -> Iterator[str]:
    for field in ("task", "item", "metric", "language"):
        if field not in row:
            yield f"{field}: is missing / 없습니다"
        elif not isinstance(row[field], str) or not row[field].strip():
            yield f"{field}: must be text / 글자여야 합니다 (got {_shorten(row[field])})"
    if "fingerprint" in row and not isinstance(row["fingerprint"], str):
        yield f"asked: must be text / 글자여야 합니다 (got {_shorten(row['asked'])})"
    if "score" not in row:
        yield "score: is missing / 없습니다"
    elif parse_finite(row["score"]) is None:
        yield f"score: must be a finite number / 유한한 수여야 합니다 (got {_shorten(row['score'])})"


def _shorten(value: object) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _MAX_VALUE_LENGTH else f"{text[: _MAX_VALUE_LENGTH - 3]}..."
