"""The trained tasks, with the items that can judge them."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Sequence
from typing import Literal

from seodang.gate.coverage import TrainedTask
from seodang.preflight.evaluated_tasks import EvaluatedTask
from seodang.records import Record


def list_trained_tasks(
    training: Iterable[Record],
    test: Iterable[Record],
    evaluated: Sequence[EvaluatedTask],
    replay_sources: Collection[str],
) -> list[TrainedTask]:
    """Return the tasks of the training split, sorted by name.

    Replayed records are left out: they repeat what the base can do, and retention tasks judge it.

    Args:
        training: Records of the training split.
        test: Records of the test split.
        evaluated: Tasks that the gate can look at.
        replay_sources: Names of the sources whose records are replayed.
    """
    sources: dict[str, Counter[str]] = defaultdict(Counter)
    with_labels: dict[str, bool] = {}
    for record in training:
        if record.source not in replay_sources:
            sources[record.task][record.source] += 1
            with_labels[record.task] = with_labels.get(record.task, True) and bool(record.choices)
    tests = Counter(record.task for record in test)
    return [
        TrainedTask(
            name=name,
            kind=_get_kind(name, evaluated, has_labels=with_labels[name]),
            source=counts.most_common(1)[0][0],
            training_records=counts.total(),
            test_records=tests[name],
            items=_sum_items(name, evaluated),
        )
        for name, counts in sorted(sources.items())
    ]


def _get_kind(name: str, evaluated: Iterable[EvaluatedTask], *, has_labels: bool) -> Literal["choice", "generate"]:
    tests = [task.is_choice for task in evaluated if task.name == name]
    return "choice" if (all(tests) if tests else has_labels) else "generate"


def _sum_items(name: str, evaluated: Iterable[EvaluatedTask]) -> dict[str, int]:
    total: Counter[str] = Counter()
    for task in evaluated:
        if task.name == name:
            total.update(task.items)
    return dict(total)
