"""Why a task has no baseline, or one that says little: its labels and those of the training records differ."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from seodang.evaluation.baselines import get_label_set, select_training_examples
from seodang.evaluation.samples import TaskSamples
from seodang.i18n import N_, Message
from seodang.records import Record

_LABELS_SHOWN: Final = 5  # of one task


def describe_baseline_gaps(tasks: Sequence[TaskSamples], training: Sequence[Record]) -> list[Message]:
    """Return one message per kind of gap, which names its tasks.

    Args:
        tasks: Items that baselines are to answer.
        training: Records of the tuned model.
    """
    return [
        Message(text, {"tasks": "; ".join(dict.fromkeys(names))})
        for text, describe in _GAPS.items()
        if (names := [name for task in tasks if (name := describe(task, training)) is not None])
    ]


def _name_task_without_labels(task: TaskSamples, training: Sequence[Record]) -> str | None:
    return _name(task) if get_label_set(task) is None else None


def _name_task_without_records(task: TaskSamples, training: Sequence[Record]) -> str | None:
    if (labels := get_label_set(task)) is None or select_training_examples(task, training):
        return None
    return f"{_name(task)}: {_join(labels)}"


def _name_task_with_one_label(task: TaskSamples, training: Sequence[Record]) -> str | None:
    learned = _list_learned_labels(task, training)
    return f"{_name(task)}: {learned[0]}" if len(learned) == 1 else None


def _name_task_with_new_labels(task: TaskSamples, training: Sequence[Record]) -> str | None:
    learned = _list_learned_labels(task, training)
    missing = {record.output for record in task.records}.difference(learned)
    return f"{_name(task)}: {_join(missing)}" if learned and missing else None


_GAPS: Final[dict[str, Callable[[TaskSamples, Sequence[Record]], str | None]]] = {
    N_("no baseline for tasks without a common set of labels: {tasks}"): _name_task_without_labels,
    N_("no baseline for tasks whose labels no training record of their language has: {tasks}"): (
        _name_task_without_records
    ),
    N_("both baselines always give the only label that the training records have: {tasks}"): (
        _name_task_with_one_label
    ),
    N_("no baseline can give labels of test items that no training record has as its answer: {tasks}"): (
        _name_task_with_new_labels
    ),
}


def _list_learned_labels(task: TaskSamples, training: Sequence[Record]) -> list[str]:
    return sorted({record.output for record in select_training_examples(task, training)})


def _name(task: TaskSamples) -> str:
    return f"{task.task} [{task.language}]"


def _join(labels: set[str] | frozenset[str]) -> str:
    shown = sorted(labels)[:_LABELS_SHOWN]
    return ", ".join(shown) + (", ..." if len(labels) > _LABELS_SHOWN else "")
