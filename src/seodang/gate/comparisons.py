"""What a rule compares: its items, its groups of items, and the references. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np

from seodang.config import GateParams, RuleParams
from seodang.errors import EvaluationError
from seodang.gate.scores import Pairs
from seodang.i18n import _

Comparison = tuple[str, Mapping[str, Pairs]]
"""Name of a reference, and its pairs with the candidate by metric."""

EXPECTED_LANGUAGES: Final = ("en", "ko")
"""Languages of a rule with `group_by: language` that names no groups."""


AvailableTasks = Mapping[str, Mapping[str, bool]]
"""By metric: each task with items, and whether it is a task file, which rules select only by name."""


def check_names(gate: GateParams, comparisons: Mapping[str, Sequence[Comparison]]) -> None:
    """Refuse rules and thresholds about metrics or tasks without items, all in one message.

    Raises:
        EvaluationError: A metric has no item, or a named task has no item of the metric.
    """
    pairs = next((references[0][1] for references in comparisons.values() if references), None)
    if pairs is None:
        raise EvaluationError(_("there are no scores to compare with"))
    available = {
        metric: {task: task in each.task_files for task in dict.fromkeys(each.tasks)} for metric, each in pairs.items()
    }
    if errors := list_name_errors(gate, available):
        raise EvaluationError("\n".join(errors))


def list_name_errors(gate: GateParams, available: AvailableTasks) -> list[str]:
    """Return an error for each rule and threshold that names a metric without items, or tasks without items of it."""
    errors = []
    for number, rule in enumerate(gate.rules, start=1):
        where = _("gate.rules, rule {number}", number=number)
        errors += _find_unknown_names(where, rule.metric, rule.tasks, available)
    for number, threshold in enumerate(gate.thresholds, start=1):
        where = _("gate.thresholds, threshold {number}", number=number)
        errors += _find_unknown_names(where, threshold.metric, threshold.tasks, available)
    return errors


def _find_unknown_names(where: str, metric: str, tasks: Sequence[str], available: AvailableTasks) -> list[str]:
    if metric not in available:
        return [
            _(
                "{where}: no item has the metric {metric!r}; available metrics: {metrics}",
                where=where,
                metric=metric,
                metrics=", ".join(sorted(available)),
            )
        ]
    names = ", ".join(sorted(available[metric]))
    if missing := [task for task in tasks if task not in available[metric]]:
        return [
            _(
                "{where}: no item of the tasks {tasks} has the metric {metric!r}; available tasks: {available}",
                where=where,
                tasks=", ".join(missing),
                metric=metric,
                available=names,
            )
        ]
    if not tasks and all(available[metric].values()):
        return [
            _(
                "{where}: no item of the test split has the metric {metric!r}; name the tasks of task files: {available}",
                where=where,
                metric=metric,
                available=names,
            )
        ]
    return []


def group_pairs(rule: RuleParams, pairs: Pairs) -> dict[str, Pairs]:
    """Return the items of each test of a rule by language or task; under "" for a single test."""
    match rule.group_by:
        case "all":
            return {"": pairs}
        case "language":
            return {language: pairs.select_language(language) for language in sorted(set(pairs.languages))}
        case "task":
            return {task: pairs.select(tasks=[task]) for task in sorted(set(pairs.tasks))}


def list_missing_groups(rule: RuleParams, pairs: Pairs) -> list[str]:
    """Return the languages or tasks that a rule expects and that have no item."""
    expected: Sequence[str] = rule.groups
    if not expected and rule.group_by == "language":
        expected = EXPECTED_LANGUAGES
    present = group_pairs(rule, pairs)
    return [] if rule.group_by == "all" else [name for name in expected if name not in present]


def list_variants(comparisons: Sequence[tuple[str, Pairs]]) -> list[list[tuple[str, Pairs]]]:
    """Return the references by kind, without those whose scores equal those of an earlier one.

    Args:
        comparisons: Name and pairs of each variant; a name begins with its kind, as "few_shot/plain/3" does.
    """
    by_kind: dict[str, list[tuple[str, Pairs]]] = {}
    seen: set[bytes] = set()
    for name, pairs in comparisons:
        scores = pairs.reference.tobytes()
        if scores not in seen:
            seen.add(scores)
            by_kind.setdefault(name.partition("/")[0], []).append((name, pairs))
    return list(by_kind.values())


def select_forward(variants: Sequence[Pairs], *, sign: float) -> Pairs:
    """Return the pairs whose reference is, on each item, the variant that is best on the items before it.

    The best variant on all items is best partly by chance, and rejects an equal model too often. Here no item is
    compared with a variant that was selected on it, and the selections do not depend on later items. So the mean keeps
    its standard error where variants are equal. Cross-fitting does not: there each item helps to select for others that
    help to select for it. Source: Luedtke and van der Laan (2016, Annals of Statistics 44:713-742). The order of the
    items is that of a hash of their groups' names.

    Args:
        variants: Of one reference, on the same items.
        sign: 1 if more is better, else -1.
    """
    if len(variants) == 1:
        return variants[0]
    scores = np.stack([pairs.reference for pairs in variants])
    names = variants[0].group_names
    ranks = {name: rank for rank, name in enumerate(sorted(set(names), key=_hash_name))}
    groups = np.array([ranks[name] for name in names])
    sums = np.stack([np.bincount(groups, weights=row, minlength=len(ranks)) for row in sign * scores])
    best = (sums.cumsum(axis=1) - sums).argmax(axis=0)
    return variants[0].replace_reference(scores[best[groups], np.arange(len(names))])


def _hash_name(name: str) -> bytes:
    return hashlib.sha256(name.encode()).digest()
