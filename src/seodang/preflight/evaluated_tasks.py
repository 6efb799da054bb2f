"""The items of each evaluated task by metric, known from the splits and task files alone."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from seodang.config import EvaluateParams
from seodang.evaluation.aggregate import TASK_FILE_SPLIT
from seodang.evaluation.requests import get_generation_count
from seodang.evaluation.samples import TaskSamples
from seodang.metric_registry import CORPUS_METRICS, REGISTRY

Limit = Literal["items_per_task", "generations_per_task", "generations_per_free_text_task", "task_file"]
"""Parameter of section evaluate that bounds the items of a metric; task_file: the key `generations` of a task file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluatedTask:
    """A task in one language, as the evaluation will score it."""

    name: str
    language: str
    split: str
    """test; task for a task file."""
    is_choice: bool
    records: int
    """Items that there are, before the limits of section evaluate."""
    grows_with_test_ratio: bool
    """A larger prepare.test_ratio yields more records."""
    items: Mapping[str, int]
    """Scored items by metric."""
    generation_limit: Limit

    @property
    def is_task_file(self) -> bool:
        """Return whether rules select the task only by its name."""
        return self.split == TASK_FILE_SPLIT


def list_evaluated_tasks(
    tasks: Iterable[TaskSamples],
    records: Mapping[tuple[str, str], int],
    evaluate: EvaluateParams,
    fixed: frozenset[str],
) -> list[EvaluatedTask]:
    """Return the tasks that the gate can look at; those of unseen clusters are only reported.

    Args:
        tasks: As the evaluation selects them.
        records: Test records by task and language.
        evaluate: Limits.
        fixed: Tasks with a test set that does not depend on prepare.test_ratio.
    """
    return [
        EvaluatedTask(
            name=task.task,
            language=task.language,
            split=task.split,
            is_choice=task.kind == "choice",
            records=len(task.records) if task.split == TASK_FILE_SPLIT else records[task.task, task.language],
            grows_with_test_ratio=task.split != TASK_FILE_SPLIT and task.task not in fixed,
            items=count_items(task, evaluate),
            generation_limit=_get_generation_limit(task),
        )
        for task in tasks
        if task.split != "unseen"
    ]


def count_items(task: TaskSamples, evaluate: EvaluateParams) -> dict[str, int]:
    """Return the number of scored items by metric, as the scores of the evaluation will have them; no zeros."""
    items = len(task.records)
    with_reference = [bool(record.output) for record in task.records]
    answers = 0 if task.kind == "text" else min(items, get_generation_count(task, evaluate))
    counts = {
        "accuracy": items if task.kind == "choice" else 0,
        "loss": sum(with_reference),
        "exact_match": sum(with_reference[:answers]),
        "chrf": sum(with_reference[:answers]),
        "eos_rate": answers,
    }
    for name in set(task.metrics) - CORPUS_METRICS - counts.keys():
        counts[name] = _count_extra(name, with_reference, answers)
    return {name: count for name, count in counts.items() if count}


def _count_extra(name: str, with_reference: Sequence[bool], answers: int) -> int:
    metric = REGISTRY[name]
    if "generate" not in metric.kinds:
        return len(with_reference)
    return sum(with_reference[:answers]) if metric.needs_reference else answers


def _get_generation_limit(task: TaskSamples) -> Limit:
    if task.spec.generations is not None:
        return "task_file"
    return "generations_per_free_text_task" if task.kind == "open" and task.split == "test" else "generations_per_task"
