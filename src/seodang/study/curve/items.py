"""The test items of a learning curve; every point is scored on the same ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from seodang.config.curve import CurveParams
from seodang.errors import EvaluationError
from seodang.evaluation.samples import TaskSamples, select_split_samples
from seodang.evaluation.task_files import load_task_samples
from seodang.i18n import _
from seodang.io.jsonl import read_records
from seodang.metric_registry import BINARY_METRICS
from seodang.paths import Paths
from seodang.records import Record


def load_items(curve: CurveParams, training: Sequence[Record], paths: Paths) -> dict[str, list[TaskSamples]]:
    """Return the items of the held-in and of the held-out tasks.

    Args:
        curve: Tasks, and limits of items and few-shot examples.
        training: Pool of few-shot examples.
        paths: The project.

    Raises:
        EvaluationError: If a task has no items, no training or validation records, or no score of 0 or 1 per item.
    """
    splits = {name: list(read_records(paths.get_split_path(name))) for name in ("test", "unseen", "validation")}
    file_samples = load_task_samples(curve.evaluate, paths.tasks, paths.root, {"train": training, **splits})
    records = [*splits["test"], *splits["unseen"]]
    names: dict[str, list[str]] = {"held_in": curve.held_in_tasks, "held_out": curve.held_out_tasks}
    items = {
        group: [task for task in file_samples if task.task in tasks]
        + select_split_samples([record for record in records if record.task in tasks], "test", training, curve.evaluate)
        for group, tasks in names.items()
    }
    _check_items(curve, items, training, splits["validation"])
    return {group: tasks for group, tasks in items.items() if tasks}


def _check_items(
    curve: CurveParams,
    items: Mapping[str, Sequence[TaskSamples]],
    training: Sequence[Record],
    validation: Sequence[Record],
) -> None:
    """Raise an error that lists everything that is missing."""
    tasks = [task for group in items.values() for task in group]
    scored = {task.task for task in tasks}
    errors = [
        _("task {task!r} has no test items", task=name)
        for name in (*curve.held_in_tasks, *curve.held_out_tasks)
        if name not in scored
    ]
    errors += [
        _("no records in {split}: {tasks}", tasks=", ".join(curve.held_in_tasks), split=split)
        for split, records in (("train", training), ("validation", validation))
        if not any(record.task in curve.held_in_tasks for record in records)
    ]
    errors += [
        _(
            "the first metric of task {task!r} is {metric}, but a study needs one that is 0 or 1 per item",
            task=task.task,
            metric=task.primary_metric,
        )
        for task in tasks
        if task.primary_metric not in BINARY_METRICS
    ]
    if "mix" in curve.variants and all(
        record.task in (*curve.held_in_tasks, *curve.held_out_tasks) for record in training
    ):
        errors.append(_("there are no other records for the mix; remove mix from variants"))
    if errors:
        raise EvaluationError(_("the learning curve cannot run: {problems}", problems="; ".join(errors)))
