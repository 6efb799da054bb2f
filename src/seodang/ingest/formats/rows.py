"""Samples to rows: whose they are, in which language, and nothing in them without bounds."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Final

from seodang.ingest.formats.sample import Found, Sample, written
from seodang.ingest.rows import ROW_RAGGED, ROW_UNREADABLE, TEXTS, Row, broken_text, fault, fault_of, is_broken
from seodang.records import Language, Role, detect_language, normalise

_NESTED: Final = 100  # levels of a value that isn't text; more is cut, for JSON cannot write what is nested much deeper
_NUMBER: Final = 8  # characters that a number, true or null counts for
_TEXT_KEYS: Final = frozenset(TEXTS)
_BOUNDED: Final = (*TEXTS, "system", "rejected", "url")


@dataclass(frozen=True, slots=True)
class Origin:
    """What all rows of one file have in common."""

    source: str
    role: Role
    limit: int  # characters of a field; the rest is cut off
    file: str = ""
    format: str = ""
    task: str = ""  # that the source forces; "" for the record's own
    cluster: str = ""
    language: Language | None = None
    own_task: str = ""  # of a record that says none
    own_cluster: str = ""
    own_language: Language | None = None


def sample_row(sample: Sample, origin: Origin, number: int, original: object = None) -> Row:
    """Return one row of a file.

    Args:
        sample: Its texts.
        origin: Whose they are.
        number: Of the object in the file, from 0.
        original: The object as it is in the file; None when the row's texts are all of it.

    """
    values = {name: getattr(sample, name) for name in _BOUNDED}
    oversized = [name for name in _BOUNDED if _bound(values, name, origin.limit)]
    turns = _bounded_turns(sample.turns, origin.limit)
    if turns is not sample.turns:
        oversized.append("turns")
    task = origin.task or sample.task or origin.own_task or origin.source
    return {
        "instruction": values["instruction"],
        "input": values["input"],
        "output": values["output"],
        "system": values["system"],
        "turns": turns,
        "rejected": values["rejected"],
        "desirable": sample.desirable,
        "url": values["url"],
        "language": origin.language or origin.own_language or _language(values, turns),
        "source": origin.source,
        "task": task,
        "cluster": origin.cluster or origin.own_cluster or task,
        "choices": [choice[: origin.limit] for choice in sample.choices],
        "role": origin.role,
        "file": origin.file,
        "source_row": number,
        "format": origin.format,
        "oversized": oversized,
        "original": original,
    }


def original_of(found: Found, limit: int) -> object:
    """Return an object as it is in the file, each long value cut; None when it is just instruction, input and output.

    One that lacks a field, or has null for an input, is kept: quarantine shows the row as it was.
    """
    if found.keys() == _TEXT_KEYS and found["input"] is not None:
        return None
    return {key: value if _size(value, _NESTED) <= limit else _cut(value, limit) for key, value in found.items()}


def spoiled_row(found: dict[str, Any], origin: Origin, number: int) -> Row | None:
    """Return the row of an object that the reader could not read; None for any other object."""
    if is_broken(found):
        broken = fault(ROW_UNREADABLE, found["reason"])
        return sample_row(
            Sample(broken, broken, broken), origin, number, broken_text(found).rstrip("\r\n")[: origin.limit]
        )
    first = next(iter(found.values()), None)
    if fault_of(first) == ROW_RAGGED and isinstance(first, dict):
        cells = first["found"]
        original = cells if _size(cells, _NESTED) <= origin.limit else _cut(cells, origin.limit)
        return sample_row(Sample(first, first, first), origin, number, original)
    return None


def _bound(values: dict[str, Any], name: str, limit: int) -> bool:
    """Cut a value that is too long, and tell whether it was."""
    value = values[name]
    if isinstance(value, str):
        if len(value) <= limit:
            return False
        values[name] = value[:limit]
        return True
    if value is None or _size(value, _NESTED) <= limit:
        return False
    if broken := fault_of(value):
        values[name] = fault(broken, _cut(value["found"], limit))
        return False
    values[name] = _cut(value, limit)
    return True


def _size(value: object, levels: int) -> float:
    """Return the characters in a value, without its JSON's own signs; infinity when it is nested too deeply."""
    if isinstance(value, str):
        return len(value)
    if isinstance(value, dict):
        return math.inf if not levels else sum(len(key) + _size(each, levels - 1) for key, each in value.items())
    if isinstance(value, list):
        return math.inf if not levels else sum([_size(each, levels - 1) for each in value])
    return _NUMBER


def _cut(value: object, limit: int) -> str:
    return (value if isinstance(value, str) else written(value))[:limit]


def _bounded_turns(turns: list[dict[str, str]], limit: int) -> list[dict[str, str]]:
    """Return the turns as they are, or those that fit into the limit together."""
    if sum([len(turn["content"]) for turn in turns]) <= limit:
        return turns
    left, kept = limit, []
    for turn in turns:
        kept.append({"role": turn["role"], "content": turn["content"][:left]})
        left -= len(turn["content"])
        if left <= 0:
            break
    return kept


def _language(values: dict[str, Any], turns: list[dict[str, str]]) -> Language:
    """Tell the language from instruction and input, as records do, and from what was asked before."""
    asked = [turn["content"] for turn in turns if turn["role"] == "user"]
    text = " ".join([*asked, *(value for name in ("instruction", "input") if isinstance(value := values[name], str))])
    return "en" if text.isascii() else detect_language(normalise(text))
