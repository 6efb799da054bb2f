"""Reasons of a verdict about the exam: how the items and the champions' scores differ from those of the promotions."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from seodang.config import GateParams
from seodang.evaluation.aggregate import CHAMPION_VARIANT, name_champion
from seodang.evaluation.exam import ExamItem
from seodang.gate.comparisons import Comparison
from seodang.gate.exam import FallenMean, FallenMeans, list_emptied_groups
from seodang.gate.messages import Reason, build_reason
from seodang.gate.rules import describe_subject
from seodang.gate.scores import Pairs
from seodang.i18n import N_, Message
from seodang.paths import Paths

_FILE = Paths(Path()).exams.as_posix()
_EMPTIED = {
    "base": N_("{subject} undecided: no item is left to compare with the base model"),
    "champion": N_("{subject} undecided: no item is left to compare with the champion"),
    "baseline": N_("{subject} undecided: no item has a baseline, which needs two answers of a task or a set of labels"),
}

# By the status of items, "excluded" for changed items that rules leave out: the messages for one item, and for several.
_CHANGES = {
    "excluded": Message(
        "{count} test item has another reference answer than at the promotion of {version} ({tasks}), so rules "
        "against champions leave it out; if the new answer is right: gate.changed_items: include",
        plural="{count} test items have other reference answers than at the promotion of {version} ({tasks}), so rules "
        "against champions leave them out; if the new answers are right: gate.changed_items: include",
    ),
    "changed": Message(
        "{count} test item has another reference answer than at the promotion of {version} ({tasks}), and counts, "
        "as gate.changed_items says",
        plural="{count} test items have other reference answers than at the promotion of {version} ({tasks}), and count, "
        "as gate.changed_items says",
    ),
    "trained": Message(
        "{count} test item was a training record of {version} ({tasks}), so rules against champions leave it out",
        plural="{count} test items were training records of {version} ({tasks}), so rules against champions leave them out",
    ),
    "new": Message(
        "{count} test item is new since the promotion of {version} ({tasks}; {file} names it)",
        plural="{count} test items are new since the promotion of {version} ({tasks}; {file} names them)",
    ),
    "removed": Message(
        "{count} test item of the promotion of {version} is gone ({tasks}; {file} names it)",
        plural="{count} test items of the promotion of {version} are gone ({tasks}; {file} names them)",
    ),
}


def build_exam_reasons(
    comparisons: Mapping[str, Sequence[Comparison]],
    applied: Mapping[str, Sequence[Comparison]],
    exams: Sequence[ExamItem],
    fallen: FallenMeans,
    gate: GateParams,
) -> list[Reason]:
    """Return what changed since each champion was promoted, and the rules that have no item left.

    Args:
        comparisons: With all items.
        applied: Without the items that cannot be compared with champions.
        exams: Items beside the run of each champion.
        fallen: Means of the champions that fell.
        gate: Rules against champions name the metrics.
    """
    metrics = list(dict.fromkeys(rule.metric for rule in gate.rules if rule.against == CHAMPION_VARIANT))
    champions = dict(comparisons.get(CHAMPION_VARIANT, []))
    reasons: list[Reason] = []
    for version in dict.fromkeys(item.version for item in exams):
        name = name_champion(version)
        own = [item for item in exams if item.version == version]
        pairs = {metric: champions[name][metric] for metric in metrics if metric in champions.get(name, {})}
        reasons += _iter_item_reasons(version, own, pairs, gate)
        means = fallen.get(name, {})
        reasons += [_build_fallen_reason(version, metric, means[metric]) for metric in pairs if metric in means]
    for rule in gate.rules:
        for group in list_emptied_groups(rule, comparisons, applied):
            subject = describe_subject(rule.metric, rule.tasks, group)
            message = Message(_EMPTIED[rule.against], {"subject": subject})
            reasons.append(build_reason(None, message))
    return reasons


def _iter_item_reasons(
    version: str, items: Sequence[ExamItem], pairs: Mapping[str, Pairs], gate: GateParams
) -> Iterator[Reason]:
    for status in ("changed", "trained", "new", "removed"):
        own = [item for item in items if item.status == status]
        if not own:
            continue
        message = _describe_change(status, version, own, gate)
        if scores := _describe_scores(status, own, items, pairs):
            message = Message("{change}. {scores}", {"change": message, "scores": scores})
        yield build_reason(True, message, is_information=True)


def _describe_change(status: str, version: str, items: Sequence[ExamItem], gate: GateParams) -> Message:
    """Return how many items of which tasks have a status, and what follows."""
    counts = Counter(item.task for item in items)
    values = {
        "version": version,
        "tasks": ", ".join(f"{task} {count}" for task, count in sorted(counts.items())),
        "file": _FILE,
    }
    message = _CHANGES["excluded" if status == "changed" and gate.changed_items == "exclude" else status]
    return replace(message, values=values, count=len(items))


def _describe_scores(
    status: str, items: Sequence[ExamItem], every: Sequence[ExamItem], pairs: Mapping[str, Pairs]
) -> Message | None:
    """Return the champion's mean scores on the items, then and now, or beside those on the unchanged items."""
    then = _format_means({metric: _list_recorded(items, metric) for metric in pairs})
    keys = {(item.task, item.item) for item in items}
    now = _format_means({metric: _list_present(each, keys) for metric, each in pairs.items()})
    same = [item for item in every if item.status == "same"]
    unchanged = _format_means({metric: _list_recorded(same, metric) for metric in pairs})
    if status == "changed" and then and now:
        return Message("Its scores on them, then and now: {then}; {now}", {"then": then, "now": now})
    own = then if status == "removed" else now
    if status in ("new", "removed") and own and unchanged:
        values = {"own": own, "unchanged": unchanged}
        return Message("Its scores on them, and on the unchanged items: {own}; {unchanged}", values)
    return None


def _list_recorded(items: Iterable[ExamItem], metric: str) -> list[float]:
    return [item.scores[metric] for item in items if metric in item.scores]


def _list_present(pairs: Pairs, keys: set[tuple[str, str]]) -> list[float]:
    return [score for key, score in zip(pairs.keys, pairs.reference.tolist(), strict=True) if key in keys]


def _format_means(scores: Mapping[str, Sequence[float]]) -> str:
    return ", ".join(f"{name} {math.fsum(values) / len(values):.4f}" for name, values in scores.items() if values)


def _build_fallen_reason(version: str, metric: str, mean: FallenMean) -> Reason:
    message = Message(
        "{metric} of {version} on {items} that did not change was {then:.4f} at its promotion and is {now:.4f}: the "
        "program or its settings answer in another manner. Rules against it must hold against the recorded scores too",
        {
            "metric": metric,
            "version": version,
            "items": Message("{count} item", plural="{count} items", count=mean.items),
            "then": mean.then,
            "now": mean.now,
        },
    )
    return build_reason(True, message, is_information=True)
