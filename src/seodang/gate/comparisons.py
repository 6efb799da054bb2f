"""Select what a rule compares: its items, its groups of items, and the references. Pure."""

from __future__ import annotations

import hashlib
from collections import Counter
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
_FOLDS: Final = 5  # of the items, to select the base's prompt on other items than those that are compared


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


def select_references(comparisons: Sequence[tuple[str, Pairs]], *, sign: float) -> list[tuple[str, Pairs]]:
    """Return one reference of each kind, without references whose scores equal those of an earlier one.

    A kind may have several variants, such as the base's few-shot prompts. Each fifth of the items is then compared with
    the variant that is best on the other four fifths. A variant selected on the compared items themselves would be best
    partly by chance, and reject an equal model. The method is cross-fitting (Chernozhukov et al. 2018, Econometrics
    Journal 21:C1-C68, section 3).

    Args:
        comparisons: Name and pairs of each variant; a name begins with its kind, as "few_shot/plain/3" does.
        sign: 1 if more is better, else -1.
    """
    by_kind: dict[str, list[tuple[str, Pairs]]] = {}
    for name, pairs in comparisons:
        by_kind.setdefault(name.partition("/")[0], []).append((name, pairs))
    kept: list[tuple[str, Pairs]] = []
    for variants in by_kind.values():
        name, pairs = _cross_fit(variants, sign) if len(variants) > 1 else variants[0]
        if not any(np.array_equal(pairs.reference, other.reference) for _name, other in kept):
            kept.append((name, pairs))
    return kept


def _cross_fit(variants: Sequence[tuple[str, Pairs]], sign: float) -> tuple[str, Pairs]:
    """Return the pairs with the scores of the variants selected on the other folds, and the most frequent variant."""
    first = variants[0][1]
    scores = np.stack([pairs.reference for _name, pairs in variants])
    folds = np.array([_assign_fold(name) for name in first.group_names])
    reference = np.empty(len(first))
    chosen: Counter[int] = Counter()
    for fold in range(_FOLDS):
        compared = folds == fold
        others = scores[:, ~compared] if (~compared).any() else scores
        best = int(np.argmax(sign * others.mean(axis=1)))
        reference[compared] = scores[best, compared]
        chosen[best] += int(compared.sum())
    return variants[chosen.most_common(1)[0][0]][0], first.replace_reference(reference)


def _assign_fold(name: str) -> int:
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:4]) % _FOLDS
