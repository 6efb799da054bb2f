"""Score files: JSONL, one line per item and metric, from any evaluation.

    {"task": "nsmc", "item": "17", "metric": "accuracy", "language": "ko", "score": 1}

`item` may be a number. The optional field `fingerprint`, of prompt, shots and seed, must be equal for both models;
files written before it got this name call it `asked`. The optional field `group`, text, a number or null, is equal for
items that are not independent, such as the questions on one passage. Null and blank text are an independent item. The
first of the fields `content`, `doc_hash`, `prompt_hash`, `prompt`, `question` and `input` identifies the text of an
item for the ledger, under any name and in any order. Other fields are ignored. Files of LogicKor and MT-Bench with the
scores of a judge are read as they are (judged_scores.py).
"""

from __future__ import annotations

import hashlib
import json
import unicodedata
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from seodang.errors import EvaluationError
from seodang.gate.judged_scores import expand_judged_row
from seodang.gate.scores import Score, ScoreKey, parse_finite
from seodang.i18n import _

_CONTENT_FIELDS = ("content", "doc_hash", "prompt_hash", "prompt", "question", "input")
_MESSAGE_LIMIT = 20  # errors of a file that a message lists
_MAX_VALUE_LENGTH = 60  # characters of a value in a message


def read_scores(path: Path) -> dict[ScoreKey, Score]:
    """Return the scores of a file; a byte order mark and blank lines are skipped.

    Raises:
        EvaluationError: If the file cannot be read, is empty, or has lines with errors; it lists up to 20 of them.
    """
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise EvaluationError(_("{path} cannot be read: {error}", path=path, error=error.strerror)) from error
    except UnicodeDecodeError as error:
        raise EvaluationError(
            _("{path} is not UTF-8 (byte {position}); save it as UTF-8", path=path, position=error.start + 1)
        ) from error
    scores: dict[ScoreKey, Score] = {}
    lines: dict[ScoreKey, int] = {}
    errors: list[str] = []
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        for key, score, line_errors in _parse_line(line):
            if key is not None and score is not None and key in scores:
                line_errors = [
                    _("repeats line {first}: {score} has a score already", first=lines[key], score="/".join(key))
                ]
            errors += [_("line {number}: {error}", number=number, error=error) for error in line_errors]
            if key is not None and score is not None and not line_errors:
                scores[key], lines[key] = score, number
    if errors:
        raise EvaluationError(_format_errors(path, errors))
    if not scores:
        raise EvaluationError(_("{path} has no score", path=path))
    return scores


def _format_errors(path: Path, errors: Sequence[str]) -> str:
    lines = [_("{path} has errors ({count}):", path=path, count=len(errors))]
    lines += [f"  {error}" for error in errors[:_MESSAGE_LIMIT]]
    if len(errors) > _MESSAGE_LIMIT:
        lines.append(_("  ... and {count} more", count=len(errors) - _MESSAGE_LIMIT))
    return "\n".join(lines)


class _RepeatedFieldError(Exception):
    """A JSON object has a field twice; its name is the first argument."""


def _build_row(fields: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return a JSON object; of two values for one field neither can be preferred."""
    row = dict(fields)
    if len(row) < len(fields):
        names = [name for name, _value in fields]
        raise _RepeatedFieldError(next(name for name in names if names.count(name) > 1))
    return row


_ScoreOrErrors = tuple[ScoreKey | None, Score | None, list[str]]


def _parse_line(line: str) -> list[_ScoreOrErrors]:
    """Return the scores of a line, or their errors; only a line of a question set has several scores."""
    try:
        row = json.loads(line, object_pairs_hook=_build_row)
    except _RepeatedFieldError as error:
        return [(None, None, [_("{field}: stands twice in the line", field=_shorten(error.args[0]))])]
    except (ValueError, RecursionError):
        return [(None, None, [_("is not JSON: {text}", text=_shorten(line))])]
    if not isinstance(row, dict):
        return [(None, None, [_("is not a JSON object: {text}", text=_shorten(line))])]
    return [_parse_row(each) for each in expand_judged_row(row)]


def _parse_row(row: dict[str, Any]) -> _ScoreOrErrors:
    for field in ("item", "group"):
        if isinstance(row.get(field), int) and not isinstance(row[field], bool):
            row[field] = str(row[field])
    if row.get("group", "") is None or str(row.get("group", "x")).isspace():
        del row["group"]
    if "fingerprint" not in row and "asked" in row:
        row["fingerprint"] = row["asked"]
    errors = list(_iter_errors(row))
    if errors:
        return None, None, errors
    score = parse_finite(row["score"])
    assert score is not None
    return (
        ScoreKey(row["task"], row["item"], row["metric"]),
        Score(
            row["language"], score, row.get("fingerprint", ""), group=row.get("group", ""), content=_read_content(row)
        ),
        [],
    )


def _read_content(row: dict[str, Any]) -> str:
    """Return a checksum of the field that identifies the text of the item; "" without one."""
    texts = (row[field] for field in _CONTENT_FIELDS if isinstance(row.get(field), str) and row[field].strip())
    text = " ".join(unicodedata.normalize("NFC", next(texts, "")).split())
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16] if text else ""


def _iter_errors(row: dict[str, Any]) -> Iterator[str]:
    for field in ("task", "item", "metric", "language"):
        if field not in row:
            yield _("{field}: is missing", field=field)
        elif not isinstance(row[field], str) or not row[field].strip():
            yield _("{field}: must be text (got {value})", field=field, value=_shorten(row[field]))
    for field in ("fingerprint", "group"):
        if field in row and not isinstance(row[field], str):
            yield _("{field}: must be text (got {value})", field=field, value=_shorten(row[field]))
    if "score" not in row:
        yield _("{field}: is missing", field="score")
    elif parse_finite(row["score"]) is None:
        yield _(
            "score: must be a finite number, and without quotes (got {value})",
            value=_shorten(json.dumps(row["score"], ensure_ascii=False)),
        )


def _shorten(value: object) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _MAX_VALUE_LENGTH else f"{text[: _MAX_VALUE_LENGTH - 3]}..."
