"""Build rows from samples: add source, task and language, and truncate long values."""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, Final

from seodang.ingest.formats.mark_findings import Marks
from seodang.ingest.formats.sample import RawRecord, Sample, dump_json
from seodang.ingest.rows import (
    HELD_OUT,
    LABEL_UNKNOWN,
    ROW_RAGGED,
    ROW_UNREADABLE,
    TEXTS,
    Row,
    get_field_error,
    get_malformed_reason,
    get_malformed_text,
    is_malformed,
    make_field_error,
)
from seodang.records import Language, Role, detect_language, normalize

_MAX_DEPTH: Final = 100  # levels of a value; deeper values are truncated, as the JSON encoder has a recursion limit
_SCALAR_CHARACTERS: Final = 8  # characters counted for a number, true, false or null
_TEXT_KEYS: Final = frozenset(TEXTS)
_LIMITED_FIELDS: Final = (*TEXTS, "system", "rejected", "url")


@dataclass(frozen=True, slots=True)
class Origin:
    """Properties shared by all rows of one file."""

    source: str
    role: Role
    limit: int  # maximum characters of a field; longer fields are truncated
    file: str = ""
    format: str = ""
    task: str = ""  # task set by the source; "" for the record's own
    cluster: str = ""
    language: Language | None = None
    default_task: str = ""  # task of a record that names none
    default_cluster: str = ""
    default_language: Language | None = None
    choices: tuple[str, ...] = ()  # closed label set of the answers, set by the source
    is_held_out: bool = False  # the file is a test or validation split of its data set


def build_row(sample: Sample, origin: Origin, number: int, original: object = None, marks: Marks | None = None) -> Row:
    """Return one row of a file.

    Args:
        sample: Texts of the row.
        origin: Properties of the file.
        number: Number of the object in the file, from 0.
        original: The object as it is in the file; None if it holds only the texts of the row.
        marks: What the record says about itself.

    """
    findings = dict(marks.findings) if marks else {}
    role = origin.role
    if origin.is_held_out or (marks and marks.is_held_out):
        if role == "train":
            findings[HELD_OUT] = "role: train"
        role = "test" if role == "any" else role
    values = {name: getattr(sample, name) for name in _LIMITED_FIELDS}
    if origin.choices and isinstance(sample.output, str):
        values["output"] = _select_choice(sample.output, origin.choices)
    oversized = [name for name in _LIMITED_FIELDS if _truncate_field(values, name, origin.limit)]
    turns = _truncate_turns(sample.turns, origin.limit)
    if turns is not sample.turns:
        oversized.append("turns")
    task = origin.task or sample.task or origin.default_task or origin.source
    return {
        "instruction": values["instruction"],
        "input": values["input"],
        "output": values["output"],
        "system": values["system"],
        "turns": turns,
        "rejected": values["rejected"],
        "desirable": sample.desirable,
        "url": values["url"],
        "language": origin.language or origin.default_language or _detect_row_language(values, turns),
        "source": origin.source,
        "task": task,
        "cluster": origin.cluster or origin.default_cluster or task,
        "choices": [choice[: origin.limit] for choice in sample.choices or origin.choices],
        "role": role,
        "file": origin.file,
        "source_row": number,
        "format": origin.format,
        "oversized": oversized,
        "marks": findings,
        "original": original,
    }


def _select_choice(answer: str, choices: Collection[str]) -> Any:
    """Return an answer without the blanks around it; a field error if it is a text that the source does not name."""
    text = answer.strip()
    return text if text in choices or not text else make_field_error(LABEL_UNKNOWN, answer)


def get_original(record: RawRecord, limit: int) -> object:
    """Return an object as it is in the file, with long values truncated; None if it has only the three text keys.

    An object that lacks a text, or has a null input, is kept: quarantine shows the original row.
    """
    if record.keys() == _TEXT_KEYS and record["input"] is not None:
        return None
    return {
        key: value if _compute_size(value, _MAX_DEPTH) <= limit else _truncate(value, limit)
        for key, value in record.items()
    }


def convert_malformed(record: dict[str, Any], origin: Origin, number: int) -> Row | None:
    """Return the row of an object that the reader could not read; None for any other object."""
    if is_malformed(record):
        error = make_field_error(ROW_UNREADABLE, get_malformed_reason(record).translate("en"))
        return build_row(
            Sample(error, error, error), origin, number, get_malformed_text(record).rstrip("\r\n")[: origin.limit]
        )
    first = next(iter(record.values()), None)
    if get_field_error(first) == ROW_RAGGED and isinstance(first, dict):
        cells = first["found"]
        original = cells if _compute_size(cells, _MAX_DEPTH) <= origin.limit else _truncate(cells, origin.limit)
        return build_row(Sample(first, first, first), origin, number, original)
    return None


def _truncate_field(values: dict[str, Any], name: str, limit: int) -> bool:
    """Truncate a value that is too long; return whether the field counts as oversized."""
    value = values[name]
    if isinstance(value, str):
        if len(value) <= limit:
            return False
        values[name] = value[:limit]
        return True
    if value is None or _compute_size(value, _MAX_DEPTH) <= limit:
        return False
    if error := get_field_error(value):
        values[name] = make_field_error(error, _truncate(value["found"], limit))
        return False
    values[name] = _truncate(value, limit)
    return True


def _compute_size(value: object, levels: int) -> float:
    """Return the number of characters in a value, without JSON syntax; infinity if it is nested too deeply."""
    if isinstance(value, str):
        return len(value)
    if not isinstance(value, dict | list):
        return _SCALAR_CHARACTERS
    if not levels:
        return math.inf
    if isinstance(value, dict):
        return sum(len(key) + _compute_size(inner, levels - 1) for key, inner in value.items())
    return sum([_compute_size(inner, levels - 1) for inner in value])


def _truncate(value: object, limit: int) -> str:
    return (value if isinstance(value, str) else dump_json(value))[:limit]


def _truncate_turns(turns: list[dict[str, Any]], limit: int) -> list[dict[str, Any]]:
    """Return the same list if all turns fit into the limit together, else the turns up to the limit."""
    if sum([len(turn["content"]) for turn in turns]) <= limit:
        return turns
    remaining, truncated = limit, []
    for turn in turns:
        truncated.append({**turn, "content": turn["content"][:remaining]})
        remaining -= len(turn["content"])
        if remaining <= 0:
            break
    return truncated


def _detect_row_language(values: dict[str, Any], turns: list[dict[str, Any]]) -> Language:
    """Return the language of instruction and input, as records do, and of the user's earlier messages."""
    user_texts = [turn["content"] for turn in turns if turn["role"] == "user"]
    text = " ".join(
        [*user_texts, *(value for name in ("instruction", "input") if isinstance(value := values[name], str))]
    )
    return "en" if text.isascii() else detect_language(normalize(text))
