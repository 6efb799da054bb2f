"""Run rules on one row."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from functools import lru_cache

from seodang.config.expectations import LimitsParams
from seodang.ingest.rows import Row, shorten
from seodang.validation.checks.preference import get_exempt_rules
from seodang.validation.checks.registry import CHECKS, METRICS, REGISTRY
from seodang.validation.checks.row_view import Check, Finding, Metric, View
from seodang.validation.checks.rule import Rule, get_bound

_ORDER = {rule.id: number for number, rule in enumerate(REGISTRY)}
_CHARACTER_RULES = frozenset(
    rule.id for rule in REGISTRY if (rule.minimum or rule.maximum or "").endswith("_characters")
)
__all__ = ["Examination", "Finding", "examine"]


@dataclass(frozen=True, slots=True)
class Examination:
    """The findings and metrics of one row."""

    findings: dict[str, Finding]  # by rule id, in the order of the registry; includes metrics out of bounds
    numbers: dict[str, float | None]  # metric of each numeric rule; None if the row has no value


def examine(row: Row, limits: LimitsParams, rules: Collection[str]) -> Examination:
    """Return the findings of some rules in a row; rules that compare rows find nothing here.

    Args:
        row: The row as `ingest` writes it; it does not change.
        limits: Bounds of the numeric rules.
        rules: Ids of the rules; a frozenset is the fastest.
    """
    view = View(row, limits)
    findings: dict[str, Finding] = {}
    numbers: dict[str, float | None] = {}
    checks, metrics = _select_checks(frozenset(rules) - get_exempt_rules(row))
    for rule, metric in metrics:
        numbers[rule.id] = number = metric(view)
        if number is not None and _is_out_of_bounds(rule, number, limits):
            findings[rule.id] = _create_metric_finding(rule, number, view)
    for id, check in checks:
        if (finding := check(view)) is not None:
            findings[id] = finding
    return Examination(_sort_findings(findings), numbers)


def _sort_findings(findings: dict[str, Finding]) -> dict[str, Finding]:
    return {id: findings[id] for id in sorted(findings, key=_ORDER.__getitem__)} if len(findings) > 1 else findings


@lru_cache(maxsize=64)
def _select_checks(ids: frozenset[str]) -> tuple[tuple[tuple[str, Check], ...], tuple[tuple[Rule, Metric], ...]]:
    checks = tuple((rule.id, CHECKS[rule.id]) for rule in REGISTRY if rule.id in ids and rule.id in CHECKS)
    return checks, tuple((rule, METRICS[rule.id]) for rule in REGISTRY if rule.id in ids and rule.id in METRICS)


def _is_out_of_bounds(rule: Rule, number: float, limits: LimitsParams) -> bool:
    limit = get_bound(rule, limits)
    return limit is not None and (number < limit if rule.minimum else number > limit)


def _create_metric_finding(rule: Rule, number: float, view: View) -> Finding:
    field = "output" if rule.field == "record" else rule.field
    return Finding(field, shorten(f"{_format_metric(rule, number)}: {view.row[field]}"))


def _format_metric(rule: Rule, number: float) -> str:
    if rule.id in _CHARACTER_RULES:
        return f"{number:,.0f} characters"
    return f"{number:.2f}" if number < 1 else f"{number:,.0f} times"
