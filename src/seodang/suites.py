"""What models are asked: items of the pipeline's splits, and of task files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from seodang.data.strict_rows import read_whole_rows
from seodang.errors import EvaluationError
from seodang.evaluation.items import TaskItems, Wording
from seodang.evaluation.tasks.choosing import choose_items, exemplars_for
from seodang.evaluation.tasks.items import Item, Task
from seodang.evaluation.tasks.loading import load_task
from seodang.evaluation.tasks.spec import FileData, load_specs
from seodang.params import EvaluateParams
from seodang.records import Record


def items_of_files(evaluate: EvaluateParams, tasks: Path, root: Path) -> list[TaskItems]:
    """Return the items of the task files that are named, one entry a task and language.

    Args:
        evaluate: Names of the tasks, the data folder, and how many items and exemplars are taken.
        tasks: Folder of the task files.
        root: The project, from which a relative data folder counts.

    Raises:
        ParamsError: If a task file is faulty.
        EvaluationError: If its data are, or if it cannot be asked here.
        SourceError: If a data file cannot be read.
    """
    if not evaluate.tasks:
        return []
    specs = load_specs(tasks, evaluate.tasks)
    if odd := [spec.name for spec in specs if not isinstance(spec.data, FileData)]:
        raise EvaluationError(f"evaluate.tasks: {', '.join(odd)} are made of records of the splits, which evaluate asks anyway; take them out")
    if evaluate.data_folder is None:
        raise EvaluationError(f"evaluate.tasks names {', '.join(evaluate.tasks)}, but evaluate.data_folder is null; name the folder in which their files lie")
    return [items for spec in specs for items in _of_task(load_task(spec, root / evaluate.data_folder, read_whole_rows, seed=evaluate.seed), evaluate)]


def _of_task(task: Task, evaluate: EvaluateParams) -> list[TaskItems]:
    result = []
    for language in sorted({item.language for item in task.items}):
        chosen = choose_items([item for item in task.items if item.language == language], seed=evaluate.seed, limit=evaluate.items_per_task)
        exemplars = exemplars_for(task, language, seed=evaluate.seed, shots=max(evaluate.shots))
        first, *others = [Wording(_records(task, chosen, wording), _records(task, exemplars, wording)) for wording in task.spec.prompts]
        normalisation = task.spec.normalise if task.spec.metrics[0] == "accuracy_norm" else "none"
        result.append(TaskItems(task.spec.name, language, "task", first.records, first.exemplars, normalisation, tuple(others), task.spec, tuple(chosen)))
    return result


def _records(task: Task, items: Sequence[Item], wording: str) -> list[Record]:
    """Return items in a wording as records, which the pipeline knows how to ask; their ids and options stay."""
    return [
        Record(
            id=item.id,
            instruction=item.prompts[wording].strip(),
            input="",
            output=item.reference,
            language="ko" if item.language == "ko" else "en",
            source=task.spec.name,
            task=task.spec.name,
            cluster=task.spec.cluster,
            choices=item.choices,
        )
        for item in items
    ]
