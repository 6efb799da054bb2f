"""Repair the findings of rules that need no guess about the intended text."""

from __future__ import annotations

import copy
from collections.abc import Collection, Iterator, MutableMapping
from dataclasses import dataclass
from typing import Any

from seodang.config.expectations import LimitsParams
from seodang.ingest.rows import Row, shorten
from seodang.validation.checks.pii import mask_personal_data
from seodang.validation.checks.registry import CHECKS, REGISTRY, REPAIRERS
from seodang.validation.checks.row_view import View, get_turns

_MAX_ROUNDS = 20  # a repair may uncover work for another one: &amp;lt;br&amp;gt; takes three rounds
_TEXT_FIELDS = ("instruction", "input", "output", "system", "rejected")


@dataclass(frozen=True, slots=True)
class Repair:
    """One change of one field."""

    id: str  # of the rule
    field: str
    before: str  # at most 80 characters in one line; asterisks replace personal data
    after: str


def repair(row: Row, ids: Collection[str], limits: LimitsParams) -> tuple[Row, list[Repair]]:
    """Return a repaired copy of the row, and the changes.

    Args:
        row: The row; it does not change.
        ids: Rules whose findings are repaired; a rule without a repairer changes nothing.
        limits: Bounds of the rules.
    """
    repaired = copy.deepcopy(row)
    rules = [rule for rule in REGISTRY if rule.id in ids and rule.id in REPAIRERS]
    repairs: dict[tuple[str, str, int], Repair] = {}
    for _ in range(_MAX_ROUNDS):
        changes = [change for rule in rules for change in _repair_by_rule(rule.id, rule.field, repaired, limits)]
        for id, field, turn, before, after in changes:
            first = repairs.get((id, field, turn))
            repairs[id, field, turn] = Repair(id, field, first.before if first else before, after)
        if not changes:
            break
    return repaired, list(repairs.values())


def _repair_by_rule(id: str, field: str, row: Row, limits: LimitsParams) -> Iterator[tuple[str, str, int, str, str]]:
    """Repair the row in place by one rule, and yield (rule, field, index of the turn, text before, text after)."""
    view = View(row, limits)
    if CHECKS[id](view) is None:
        return
    for name, turn, holder, key in _iter_texts(field, row):
        text = holder[key]
        if isinstance(text, str) and (after := REPAIRERS[id](text, view)) != text:
            holder[key] = after
            before, new = _format_change(text, after)
            yield id, name, turn, before, new


def _iter_texts(field: str, row: Row) -> Iterator[tuple[str, int, MutableMapping[str, Any], str]]:
    """Yield (field, index of the turn, mapping, key) of each text that a rule on `field` repairs."""
    for name in _TEXT_FIELDS if field == "record" else (field,):
        if name in row:
            yield name, 0, row, name
    if field == "record":
        for number, turn in enumerate(get_turns(row)):
            if "content" in turn:
                yield "turns", number, turn, "content"


def _format_change(before: str, after: str) -> tuple[str, str]:
    """Return excerpts of both texts that begin at most 20 characters before the first difference."""
    before, after = mask_personal_data(before), mask_personal_data(after)
    same = next(
        (position for position, (old, new) in enumerate(zip(before, after, strict=False)) if old != new),
        min(len(before), len(after)),
    )
    begin = max(0, same - 20)
    lead = "…" if begin else ""
    return shorten(lead + before[begin:]), shorten(lead + after[begin:])
