"""Mend what a rule found, where that can be done without guessing."""

from __future__ import annotations

import copy
from collections.abc import Collection, Iterator, MutableMapping
from dataclasses import dataclass
from typing import Any

from seodang.config.validate import LimitsParams
from seodang.ingest.rows import Row, shown
from seodang.validation.checks.pii import masked
from seodang.validation.checks.registry import CATALOGUE, CHECKS, MENDS
from seodang.validation.checks.row_view import View, turns_of

_ROUNDS = 20  # what one repair uncovers (&amp;lt;br&amp;gt;) another mends in the next round
_TEXTS = ("instruction", "input", "output", "system", "rejected")


@dataclass(frozen=True, slots=True)
class Repair:
    """One change of one field."""

    id: str  # of the rule
    field: str
    before: str  # at most 80 characters in one line; personal data as stars
    after: str


def repair(row: Row, ids: Collection[str], limits: LimitsParams) -> tuple[Row, list[Repair]]:
    """Return a mended copy of the row, and what was changed.

    Args:
        row: It is not changed.
        ids: Rules to mend by; those that find nothing, or can't mend, change nothing.
        limits: The bounds.
    """
    mended = copy.deepcopy(row)
    chosen = [rule for rule in CATALOGUE if rule.id in ids and rule.id in MENDS]
    repairs: dict[tuple[str, str, int], Repair] = {}
    for _ in range(_ROUNDS):
        changes = [change for rule in chosen for change in _mend(rule.id, rule.field, mended, limits)]
        for id, field, place, before, after in changes:
            first = repairs.get((id, field, place))
            repairs[id, field, place] = Repair(id, field, first.before if first else before, after)
        if not changes:
            break
    return mended, list(repairs.values())


def _mend(id: str, field: str, row: Row, limits: LimitsParams) -> Iterator[tuple[str, str, int, str, str]]:
    """Mend the row in place by one rule, and yield rule, field, number of the turn, text before and after."""
    view = View(row, limits)
    if CHECKS[id](view) is None:
        return
    for name, place, holder, key in _places(field, row):
        text = holder[key]
        if isinstance(text, str) and (after := MENDS[id](text, view)) != text:
            holder[key] = after
            before, now = _shown_change(text, after)
            yield id, name, place, before, now


def _places(field: str, row: Row) -> Iterator[tuple[str, int, MutableMapping[str, Any], str]]:
    """Yield the places of the texts that a rule on `field` mends."""
    for name in _TEXTS if field == "record" else (field,):
        if name in row:
            yield name, 0, row, name
    if field == "record":
        for number, turn in enumerate(turns_of(row)):
            if "content" in turn:
                yield "turns", number, turn, "content"


def _shown_change(before: str, after: str) -> tuple[str, str]:
    """Return both texts from shortly before the first letter that differs."""
    before, after = masked(before), masked(after)
    same = next(
        (place for place, (old, new) in enumerate(zip(before, after, strict=False)) if old != new),
        min(len(before), len(after)),
    )
    begin = max(0, same - 20)
    lead = "…" if begin else ""
    return shown(lead + before[begin:]), shown(lead + after[begin:])
