"""The lines of a ledger file: the items, and the judgements on them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, FiniteFloat

from seodang.gate.judgement import ItemKey, Judgement, Spending
from seodang.gate.verdict import Verdict
from seodang.i18n import _
from seodang.io.jsonl import format_json_line

_BINARY = {0.0: "0", 1.0: "1", None: "-"}


class _Items(BaseModel):
    """The first line of a file."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    # Task, name, and what identifies the content where it is known.
    items: list[Annotated[list[str], Field(min_length=2, max_length=3)]]


class _Spending(BaseModel):
    """What a test used."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    level: Annotated[float, Field(ge=0, le=0.5, allow_inf_nan=False)]
    """Less than zero would give later judgements more than 1 - gate.confidence."""
    reference: str
    multisets: list[str] = []


def _check_time(text: str) -> str:
    """Return a time with its offset as it is; any other order of the judgements would change their levels."""
    if datetime.fromisoformat(text).tzinfo is None:
        raise ValueError(_("{time} has no offset from UTC", time=text))
    return text


class _Line(BaseModel):
    """A judgement."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    candidate: str
    created_at: Annotated[str, AfterValidator(_check_time)]
    verdict: Verdict
    met: list[str]
    tests: dict[str, _Spending]
    scores: dict[str, Annotated[str, Field(pattern=r"^[01-]*$")] | list[FiniteFloat | None]]


def parse_items(line: str) -> list[tuple[ItemKey, str]]:
    """Return the items of a first line, each with its content, which is empty where it is not known."""
    items = _Items.model_validate(json.loads(line)).items
    return [((item[0], item[1]), item[2] if len(item) > 2 else "") for item in items]


def format_items(judgement: Judgement) -> str:
    """Return the first line of a file for the items of a judgement."""
    return format_json_line({"items": _list_items(judgement)})


def name_file(judgement: Judgement) -> str:
    """Return the name of the file for the items of a judgement, without its suffix."""
    content = json.dumps(_list_items(judgement))  # in ASCII, because an item may have any name
    return hashlib.sha256(content.encode()).hexdigest()[:16]


def _list_items(judgement: Judgement) -> list[list[str]]:
    contents = judgement.contents
    return [[*key, contents[key]] if key in contents else list(key) for key in sorted(judgement.items)]


def parse_judgement(line: str, items: Sequence[tuple[ItemKey, str]]) -> Judgement:
    """Return the judgement of a line.

    Raises:
        ValueError: If the line is damaged.
    """
    return _build_judgement(_Line.model_validate(json.loads(line)), items)


def format_judgement(judgement: Judgement) -> str:
    """Return the line of a judgement."""
    items = sorted(judgement.items)
    return format_json_line(
        {
            "candidate": judgement.candidate,
            "created_at": judgement.created_at,
            "verdict": judgement.verdict,
            "met": sorted(judgement.met),
            "tests": {name: _format_spending(use) for name, use in sorted(judgement.tests.items())},
            "scores": {metric: _pack_scores(scores, items) for metric, scores in sorted(judgement.scores.items())},
        }
    )


def _format_spending(use: Spending) -> dict[str, Any]:
    fields = {"level": use.level, "reference": use.reference}
    return {**fields, "multisets": list(use.multisets)} if use.multisets else fields


def _build_judgement(line: _Line, items: Sequence[tuple[ItemKey, str]]) -> Judgement:
    keys = [key for key, _content in items]
    scores = {metric: _unpack_scores(values, keys) for metric, values in line.scores.items()}
    return Judgement(
        candidate=line.candidate,
        created_at=line.created_at,
        verdict=line.verdict,
        items=frozenset(keys),
        contents={key: content for key, content in items if content},
        scores=scores,
        met=frozenset(line.met),
        tests={name: Spending(use.level, use.reference, tuple(use.multisets)) for name, use in line.tests.items()},
    )


def _pack_scores(scores: Mapping[ItemKey, float], items: Sequence[ItemKey]) -> str | list[Any]:
    values = [scores.get(key) for key in items]
    return "".join(_BINARY[value] for value in values) if set(values) <= _BINARY.keys() else values


def _unpack_scores(values: str | list[float | None], items: Sequence[ItemKey]) -> dict[ItemKey, float]:
    if len(values) != len(items):
        raise ValueError(f"{len(values)} scores, {len(items)} items")
    numbers = [None if value == "-" else float(value) for value in values] if isinstance(values, str) else values
    return {key: float(value) for key, value in zip(items, numbers, strict=True) if value is not None}
