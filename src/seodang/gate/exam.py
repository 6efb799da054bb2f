"""Compare with champions on the exam that they were promoted on. Pure.

A champion whose reference answers changed falls on them, and a bad candidate that learned the new answers would look
better. So rules against a champion leave out the items with another answer, and those that it was trained on. Where its
scores on unchanged items fell since its promotion, a rule must hold against the recorded scores too.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from seodang.config import GateParams, RuleParams
from seodang.evaluation.aggregate import CHAMPION_VARIANT, name_champion
from seodang.evaluation.exam import ExamItem, ItemStatus
from seodang.gate.comparisons import Comparison, group_pairs
from seodang.gate.scores import Pairs
from seodang.metric_registry import get_direction, get_range

_RECORDED = "recorded"
# Of the range of a metric, or of its mean: the packaged model rounds in another manner than base and adapter.
_RELATIVE_TOLERANCE = 0.01

Recorded = Mapping[tuple[str, str], Mapping[str, float]]
"""Scores of a champion at its promotion: by task and item, by metric."""


@dataclass(frozen=True, slots=True)
class FallenMean:
    """A champion's mean on unchanged items, which is worse than at its promotion, beyond rounding."""

    then: float
    now: float
    items: int


FallenMeans = Mapping[str, Mapping[str, FallenMean]]
"""By the name of a champion as a reference, by metric."""


def find_fallen_means(comparisons: Mapping[str, Sequence[Comparison]], exams: Sequence[ExamItem]) -> FallenMeans:
    """Return the means that fell since the promotions. Items that are left out of rules are not among them."""
    fallen: dict[str, dict[str, FallenMean]] = {}
    for name, pairs in comparisons.get(CHAMPION_VARIANT, []):
        recorded = _get_recorded(exams, name)
        means = {metric: _find_fallen_mean(metric, each, recorded) for metric, each in pairs.items()}
        fallen[name] = {metric: mean for metric, mean in means.items() if mean}
    return fallen


def apply_exams(
    comparisons: Mapping[str, Sequence[Comparison]],
    exams: Sequence[ExamItem],
    fallen: FallenMeans,
    gate: GateParams,
) -> dict[str, list[Comparison]]:
    """Return the comparisons, those with champions without the items that cannot be compared.

    A champion whose scores on unchanged items fell is followed by a reference with its recorded scores.

    Args:
        comparisons: With all items.
        exams: Items beside the run of each champion.
        fallen: As `find_fallen_means` returns them.
        gate: Says whether items with another answer count.
    """
    excluded = {(item.task, item.item) for item in exams if _is_excluded(item.status, gate)}
    applied = {kind: list(references) for kind, references in comparisons.items() if kind != CHAMPION_VARIANT}
    applied[CHAMPION_VARIANT] = []
    for name, pairs in comparisons.get(CHAMPION_VARIANT, []):
        kept = {metric: each.drop(excluded) for metric, each in pairs.items()}
        applied[CHAMPION_VARIANT].append((name, kept))
        if fallen[name]:
            recorded = _get_recorded(exams, name)
            replaced = {
                metric: _use_recorded(metric, each, recorded) if metric in fallen[name] else each
                for metric, each in kept.items()
            }
            applied[CHAMPION_VARIANT].append((f"{name} {_RECORDED}", replaced))
    return applied


def list_emptied_groups(
    rule: RuleParams, comparisons: Mapping[str, Sequence[Comparison]], applied: Mapping[str, Sequence[Comparison]]
) -> list[str]:
    """Return the groups of a rule ("" for all items) that have items, and none that can be compared with its reference.

    Args:
        rule: Rule.
        comparisons: With all items.
        applied: As `apply_exams` returns them.
    """
    if not applied.get(rule.against):
        return []
    before = _group_first(rule, next(references for references in comparisons.values() if references))
    after = _group_first(rule, applied[rule.against])
    return [group for group, pairs in before.items() if len(pairs) and not len(after.get(group, ()))]


def _group_first(rule: RuleParams, references: Sequence[Comparison]) -> dict[str, Pairs]:
    pairs = references[0][1]
    return group_pairs(rule, pairs[rule.metric].select(tasks=rule.tasks)) if rule.metric in pairs else {}


def _is_excluded(status: ItemStatus, gate: GateParams) -> bool:
    return status == "trained" or (status == "changed" and gate.changed_items == "exclude")


def _get_recorded(exams: Iterable[ExamItem], name: str) -> Recorded:
    """Return a champion's recorded scores on the items that did not change; `name` is that of the reference."""
    return {
        (item.task, item.item): item.scores
        for item in exams
        if item.status == "same" and name_champion(item.version) == name
    }


def _find_fallen_mean(metric: str, pairs: Pairs, recorded: Recorded) -> FallenMean | None:
    """Return the reference's mean on the items with a recorded score; None unless it is worse than the recorded one."""
    rows = [
        (recorded[key][metric], score)
        for key, score in zip(pairs.keys, pairs.reference.tolist(), strict=True)
        if metric in recorded.get(key, {})
    ]
    if not rows:
        return None
    then, now = np.mean(rows, axis=0).tolist()
    low, high = get_range(metric)
    scale = high - low if math.isfinite(high - low) else abs(then)
    sign = -1.0 if get_direction(metric) is False else 1.0
    return FallenMean(then, now, len(rows)) if sign * (then - now) > _RELATIVE_TOLERANCE * scale else None


def _use_recorded(metric: str, pairs: Pairs, recorded: Recorded) -> Pairs:
    scores = [
        recorded.get(key, {}).get(metric, score)
        for key, score in zip(pairs.keys, pairs.reference.tolist(), strict=True)
    ]
    return pairs.replace_reference(np.array(scores))
