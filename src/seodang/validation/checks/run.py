"""Look at one row with the given rules."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from functools import lru_cache

from seodang.config.validate import LimitsParams
from seodang.ingest.rows import Row, shown
from seodang.validation.checks.registry import CATALOGUE, CHECKS, MEASURES
from seodang.validation.checks.row_view import Check, Finding, Measure, View
from seodang.validation.checks.rule import Rule, bound

_ORDER = {rule.id: number for number, rule in enumerate(CATALOGUE)}
_COUNTING = frozenset(rule.id for rule in CATALOGUE if (rule.minimum or rule.maximum or "").endswith("_characters"))
__all__ = ["Examination", "Finding", "examine"]


@dataclass(frozen=True, slots=True)
class Examination:
    """What the rules found in one row."""

    findings: dict[str, Finding]  # by the rule's id, in the catalogue's order; a number beyond its bound is among them
    numbers: dict[str, float | None]  # of each numeric rule that was asked for; None where it can't be measured


def examine(row: Row, limits: LimitsParams, rules: Collection[str]) -> Examination:
    """Return what the rules of these ids find in the row; rules whose finding comes from outside find nothing here.

    Args:
        row: As `ingest` writes it; it is not changed.
        limits: The bounds.
        rules: Ids; a frozenset is the fastest.
    """
    view = View(row, limits)
    findings: dict[str, Finding] = {}
    numbers: dict[str, float | None] = {}
    checks, measures = _chosen(frozenset(rules))
    for rule, measure in measures:
        numbers[rule.id] = number = measure(view)
        if number is not None and _beyond(rule, number, limits):
            findings[rule.id] = _measured(rule, number, view)
    for id, check in checks:
        if (finding := check(view)) is not None:
            findings[id] = finding
    return Examination(_in_order(findings), numbers)


def _in_order(findings: dict[str, Finding]) -> dict[str, Finding]:
    return {id: findings[id] for id in sorted(findings, key=_ORDER.__getitem__)} if len(findings) > 1 else findings


@lru_cache(maxsize=64)
def _chosen(ids: frozenset[str]) -> tuple[tuple[tuple[str, Check], ...], tuple[tuple[Rule, Measure], ...]]:
    checks = tuple((rule.id, CHECKS[rule.id]) for rule in CATALOGUE if rule.id in ids and rule.id in CHECKS)
    return checks, tuple((rule, MEASURES[rule.id]) for rule in CATALOGUE if rule.id in ids and rule.id in MEASURES)


def _beyond(rule: Rule, number: float, limits: LimitsParams) -> bool:
    limit = bound(rule, limits)
    return limit is not None and (number < limit if rule.minimum else number > limit)


def _measured(rule: Rule, number: float, view: View) -> Finding:
    field = "output" if rule.field == "record" else rule.field
    count = (
        f"{number:,.0f} characters"
        if rule.id in _COUNTING
        else f"{number:.2f}"
        if number < 1
        else f"{number:,.0f} times"
    )
    return Finding(field, shown(f"{count}: {view.row[field]}"))
