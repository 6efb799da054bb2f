"""The groups of items of a study, and the training records of its tuned models."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from seodang.config.study import StudyParams
from seodang.errors import EvaluationError
from seodang.evaluation.samples import TaskSamples, select_split_samples
from seodang.evaluation.task_files import load_task_samples
from seodang.i18n import _
from seodang.io.jsonl import read_records
from seodang.metric_registry import BINARY_METRICS
from seodang.paths import Paths
from seodang.records import Record
from seodang.study.results import Group

TUNED_VARIANTS = ("single", "many")


def load_groups(study: StudyParams, training: Sequence[Record], paths: Paths) -> dict[Group, list[TaskSamples]]:
    """Return the items of each group, with few-shot examples from the training split."""
    splits = {
        "train": training,
        **{name: list(read_records(paths.get_split_path(name))) for name in ("test", "unseen")},
    }
    test_records = [*splits["test"], *splits["unseen"]]
    records_by_group: dict[Group, list[Record]] = {
        "seen": [record for record in test_records if record.task in study.held_in_tasks],
        "unseen": [record for record in test_records if record.task in study.held_out_tasks],
        "held_out": [record for record in test_records if record.cluster in study.held_out_clusters],
    }
    file_samples = load_task_samples(study.evaluate, paths.tasks, paths.root, splits)
    _check_groups(study, records_by_group, file_samples, training)
    file_samples_by_group: dict[Group, list[TaskSamples]] = {
        "seen": [task for task in file_samples if task.task in study.held_in_tasks],
        "unseen": [task for task in file_samples if task.task in study.held_out_tasks],
        "held_out": [
            task
            for task in file_samples
            if task.spec.cluster in study.held_out_clusters and task.task not in study.held_out_tasks
        ],
    }
    return {
        group: file_samples_by_group[group] + select_split_samples(records, "test", training, study.evaluate)
        for group, records in records_by_group.items()
    }


def _check_groups(
    study: StudyParams,
    records_by_group: Mapping[Group, Sequence[Record]],
    file_samples: Sequence[TaskSamples],
    training: Sequence[Record],
) -> None:
    """Raise an error that lists the tasks, clusters and models without records.

    Raises:
        EvaluationError: With all of them.
    """
    task_names = {record.task for records in records_by_group.values() for record in records} | {
        task.task for task in file_samples
    }
    clusters = {record.cluster for record in records_by_group["held_out"]} | {
        task.spec.cluster for task in file_samples
    }
    errors = [
        _("task {task!r} has no test items", task=task)
        for task in (*study.held_in_tasks, *study.held_out_tasks)
        if task not in task_names
    ]
    errors += [
        _("cluster {cluster!r} has no test items", cluster=cluster)
        for cluster in study.held_out_clusters
        if cluster not in clusters
    ]
    errors += [
        _(
            "the first metric of task {task!r} is {metric}, but a study needs one that is 0 or 1 per item",
            task=task.task,
            metric=task.primary_metric,
        )
        for task in file_samples
        if task.primary_metric not in BINARY_METRICS
    ]
    errors += [
        _("no training records are left for the model {variant!r}", variant=variant)
        for variant in TUNED_VARIANTS
        if not select_training_records(variant, study, training)
    ]
    if errors:
        raise EvaluationError(
            _(
                "the study cannot run: {problems}. Tasks of the test split: {tasks}",
                problems="; ".join(errors),
                tasks=", ".join(sorted(task_names)) or "-",
            )
        )


def select_training_records(variant: str, study: StudyParams, records: Iterable[Record]) -> list[Record]:
    """Return the training records of a tuned model."""
    if variant == "single":
        return [record for record in records if record.task in study.held_in_tasks]
    return [
        record
        for record in records
        if record.task not in study.held_out_tasks and record.cluster not in study.held_out_clusters
    ]
