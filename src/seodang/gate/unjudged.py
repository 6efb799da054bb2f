"""Find clear changes of scores that no rule and no threshold judges, for the notes of a verdict. Pure.

A rule about task a says nothing about task b, and a rule about all items says nothing about one task or one language
among them. The verdict does not depend on these scores. A reader must still see that they fell.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from seodang.config import GateParams, RuleParams
from seodang.gate.comparisons import Comparison, select_forward
from seodang.gate.judgement import ItemKey
from seodang.gate.ledger import Reuse
from seodang.gate.levels import compute_tail
from seodang.gate.outcomes import decide_variants
from seodang.gate.rules import RuleResult
from seodang.gate.scores import Pairs
from seodang.gate.statistics import MINIMUM_GROUPS, Floats, adjust_holm
from seodang.gate.variant_tests import VariantTests, run_variants
from seodang.metric_registry import TWO_SIDED_METRICS, get_direction

_KINDS: Final = ("champion", "base")
"""References of these changes. The baseline is no model that somebody uses."""
_CLEAR_ERRORS: Final = 1.5  # standard errors; a violated rule needs 1.96 at the least
_TOLERANCE: Final = 1e-12  # standard error of equal differences


@dataclass(frozen=True, slots=True)
class JudgedItems:
    """The items of a test or a threshold."""

    metric: str
    kind: str
    """Kind of the reference; "" for a threshold, which has none."""
    keys: frozenset[ItemKey]
    passed: bool | None = None

    def applies_to(self, metric: str, kind: str) -> bool:
        """Return whether it says something about scores of this metric beside this reference."""
        return self.metric == metric and self.kind in ("", kind)


@dataclass(frozen=True, slots=True)
class UnjudgedChange:
    """Scores that are clearly worse, or clearly different where the direction of the metric is not known."""

    result: RuleResult
    """As of a superiority rule without a margin on these items alone; `tasks` and `group` name them."""
    coverage: Literal["none", "total"]
    """none: no rule and no threshold looks at the items; total: only together with other items."""
    kind: str
    """Of the reference: champion or base."""
    is_worse: bool
    """False: the direction of the metric is not known."""


@dataclass(frozen=True, slots=True)
class _Slice:
    """Items of one task, of one language, or both."""

    task: str
    language: str
    indices: NDArray[np.intp]
    keys: frozenset[ItemKey]


def find_unjudged_changes(
    comparisons: Mapping[str, Sequence[Comparison]], judged: Sequence[JudgedItems], gate: GateParams
) -> list[UnjudgedChange]:
    """Return the clear changes that no rule and no threshold judges.

    A change is clear if a superiority rule on these items would be violated, with Holm's correction over all tasks,
    languages and metrics that are looked at. Tasks come before languages. Items with a note get no second one.

    Args:
        comparisons: References of "champion" and "base"; the first champion and all prompts of the base are compared.
        judged: What the tests and thresholds look at.
        gate: Seed, confidence, resamples, and rules, which know the direction of custom metrics.
    """
    candidates: list[tuple[_Slice, VariantTests, Literal["none", "total"]]] = []
    count = 0
    for kind in _KINDS:
        references = comparisons.get(kind, [])[: 1 if kind == "champion" else None]
        for metric in references[0][1] if references else ():
            slices = _list_unjudged(metric, kind, references[0][1][metric], judged)
            count += len(slices)
            for each, coverage in slices:
                tests = _run_tests(metric, kind, each, references, gate)
                candidates += [(each, tests, coverage)] if tests else []
    corrected = adjust_holm(
        [*(tests.selected.result.p for _slice, tests, _coverage in candidates)] + [1.0] * (count - len(candidates))
    )
    changes: list[UnjudgedChange] = []
    reported: list[tuple[str, str, frozenset[ItemKey]]] = []
    decisive = gate.model_copy(update={"minimum_items": MINIMUM_GROUPS})
    for (each, tests, coverage), p in zip(candidates, corrected, strict=False):
        [result] = (test.result for test in decide_variants(tests, p, decisive))
        metric, kind = result.metric, tests.name
        if result.passed is None or any(one[:2] == (metric, kind) and each.keys & one[2] for one in reported):
            continue
        reported.append((metric, kind, each.keys))
        changes.append(UnjudgedChange(result, coverage, kind, is_worse=_get_sign(metric, gate) is not None))
    return changes


def list_unjudged_names(
    comparisons: Mapping[str, Sequence[Comparison]], judged: Sequence[JudgedItems], permitted: Iterable[str]
) -> tuple[list[str], list[str]]:
    """Return the tasks of which no score is judged, and the metrics that no rule and no threshold uses.

    Args:
        comparisons: References by kind.
        judged: What the tests and thresholds look at.
        permitted: Tasks that may go unjudged.
    """
    pairs = next(references[0][1] for references in comparisons.values() if references)
    tasks = {task for each in pairs.values() for task in each.tasks}
    judged_tasks = {task for one in judged for task, _item in one.keys}
    return sorted(tasks - judged_tasks - {*permitted}), sorted(pairs.keys() - {one.metric for one in judged})


def _list_unjudged(
    metric: str, kind: str, pairs: Pairs, judged: Sequence[JudgedItems]
) -> list[tuple[_Slice, Literal["none", "total"]]]:
    """Return the slices that tests and thresholds do not judge by themselves; a violated test says enough."""
    applicable = [one for one in judged if one.applies_to(metric, kind)]
    slices: list[tuple[_Slice, Literal["none", "total"]]] = []
    for each in _list_slices(pairs):
        touching = [one for one in applicable if one.keys & each.keys]
        inside = frozenset[ItemKey]().union(*(one.keys for one in touching if one.keys <= each.keys))
        if inside == each.keys or any(one.passed is False for one in touching):
            continue
        slices.append((each, "total" if touching else "none"))
    return slices


def _list_slices(pairs: Pairs) -> list[_Slice]:
    """Return the tasks, the languages of the test split, and the languages of each task; equal sets once."""
    tasks, languages, keys = np.array(pairs.tasks), np.array(pairs.languages), pairs.keys
    of_split = ~np.isin(tasks, list(pairs.task_files)) if pairs.task_files else np.ones(len(pairs), dtype=bool)
    names = [(task, "", tasks == task) for task in dict.fromkeys(pairs.tasks)]
    names += [("", language, of_split & (languages == language)) for language in sorted(set(pairs.languages))]
    names += [
        (task, language, (tasks == task) & (languages == language))
        for task, language in sorted(set(zip(pairs.tasks, pairs.languages, strict=True)))
    ]
    slices: dict[frozenset[ItemKey], _Slice] = {}
    for task, language, mask in names:
        indices = np.flatnonzero(mask)
        members = frozenset(keys[index] for index in indices)
        if members:
            slices.setdefault(members, _Slice(task, language, indices, members))
    return list(slices.values())


def _run_tests(
    metric: str, kind: str, each: _Slice, references: Sequence[Comparison], gate: GateParams
) -> VariantTests | None:
    """Return the test against the variant that the candidate is furthest below; None if it could show no change."""
    sign = _get_sign(metric, gate)
    available = [(name, by_metric[metric]) for name, by_metric in references if metric in by_metric]
    if not any(_may_be_clear((pairs.candidate - pairs.reference)[each.indices], sign) for _name, pairs in available):
        return None
    rule = RuleParams(
        against="champion" if kind == "champion" else "base",
        test="superiority",
        metric=metric,
        higher_is_better=None if get_direction(metric) is not None else sign != -1.0,
        margin=0.0,
        tasks=[each.task] if each.task else [],
        group_by="all",
        groups=[],
    )
    variants = [(name, pairs.take(each.indices.tolist())) for name, pairs in available]
    selected = select_forward([pairs for _name, pairs in variants], sign=rule.sign)
    if not _may_be_clear(selected.candidate - selected.reference, sign):
        return None
    worst = min(variants, key=lambda variant: _compute_t(variant[1].candidate - variant[1].reference, rule.sign))
    tail = compute_tail(1, gate)
    fresh = Reuse(number=1, tail=tail, next_tail=tail, is_used_up=False)
    return run_variants(-1, rule, [worst], selected, each.language, gate, name=kind, reuse=fresh)


def _compute_t(differences: Floats, sign: float) -> float:
    """Return the mean difference in standard errors; more is better."""
    return sign * float(differences.mean()) / max(float(differences.std()) / math.sqrt(len(differences)), _TOLERANCE)


def _may_be_clear(differences: Floats, sign: float | None) -> bool:
    """Return whether a test could find the change; a quick look at its mean saves thousands of bootstraps."""
    t = _compute_t(differences, sign or 1.0)
    return t < -_CLEAR_ERRORS or (sign is None and t > _CLEAR_ERRORS)


def _get_sign(metric: str, gate: GateParams) -> float | None:
    """Return 1.0 if more is better, -1.0 if less is; None if neither is known."""
    sign = next((rule.sign for rule in gate.rules if rule.metric == metric), None)
    direction = get_direction(metric)
    if sign is not None or direction is None or metric in TWO_SIDED_METRICS:
        return sign
    return 1.0 if direction else -1.0
