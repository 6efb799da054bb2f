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
from seodang.gate.scores import Key, Score, finite

_SHOWN = 20  # faults told of a file
_LONGEST = 60  # characters of a value in a message


def read_scores(path: Path) -> dict[Key, Score]:
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
    scores: dict[Key, Score] = {}
    lines: dict[Key, int] = {}
    faults: list[str] = []
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        key, score, found = _parsed(line)
        if key is not None and score is not None and key in scores:
            found = [
                f"repeats line {lines[key]}: {'/'.join(key)} has a score already / 같은 문항과 지표가 두 번 나옵니다"
            ]
        faults += [f"line {number}: {fault}" for fault in found]
        if key is not None and score is not None and not found:
            scores[key], lines[key] = score, number
    if faults:
        shown = [f"  {fault}" for fault in faults[:_SHOWN]] + (
            [f"  ... and {len(faults) - _SHOWN} more / 외 {len(faults) - _SHOWN}건"] if len(faults) > _SHOWN else []
        )
        raise EvaluationError(f"{path} has {len(faults)} faults / 오류 {len(faults)}건:\n" + "\n".join(shown))
    if not scores:
        raise EvaluationError(f"{path} holds no score / 점수가 없습니다")
    return scores


def _parsed(line: str) -> tuple[Key | None, Score | None, list[str]]:
    """Return what a line says, or what is wrong with it."""
    try:
        row = json.loads(line)
    except (json.JSONDecodeError, RecursionError):
        return None, None, [f"is not JSON / JSON이 아닙니다: {_shown(line)}"]
    if not isinstance(row, dict):
        return None, None, [f"is no JSON object / JSON 객체가 아닙니다: {_shown(line)}"]
    if isinstance(row.get("item"), int) and not isinstance(row["item"], bool):
        row["item"] = str(row["item"])
    faults = list(_faults(row))
    if faults:
        return None, None, faults
    score = finite(row["score"])
    assert score is not None
    return Key(row["task"], row["item"], row["metric"]), Score(row["language"], score, row.get("asked", "")), []


def _faults(row: dict[str, Any]) -> Iterator[str]:
    for field in ("task", "item", "metric", "language"):
        if field not in row:
            yield f"{field}: is missing / 없습니다"
        elif not isinstance(row[field], str) or not row[field].strip():
            yield f"{field}: must be text / 글자여야 합니다 (got {_shown(row[field])})"
    if "asked" in row and not isinstance(row["asked"], str):
        yield f"asked: must be text / 글자여야 합니다 (got {_shown(row['asked'])})"
    if "score" not in row:
        yield "score: is missing / 없습니다"
    elif finite(row["score"]) is None:
        yield f"score: must be a finite number / 유한한 수여야 합니다 (got {_shown(row['score'])})"


def _shown(value: object) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 3]}..."
