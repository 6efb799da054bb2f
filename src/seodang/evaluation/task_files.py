"""What models are asked: items of the pipeline's splits, and of task files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from seodang.config import EvaluateParams
from seodang.errors import EvaluationError
from seodang.evaluation.samples import TaskItems, Wording
from seodang.evaluation.tasks.items import Item, Task
from seodang.evaluation.tasks.loading import load_task, records_task
from seodang.evaluation.tasks.sampling import choose_items, exemplars_for
from seodang.evaluation.tasks.spec import FileData, TaskSpec, load_specs
from seodang.ingest.readers.strict import read_whole_rows
from seodang.records import Record


def items_of_files(
    evaluate: EvaluateParams, tasks: Path, root: Path, splits: Mapping[str, Sequence[Record]]
) -> list[TaskItems]:
    """Return the items of the task files that are named, one entry a task and language.

    Args:
        evaluate: Names of the tasks, the data folder, and how many items and exemplars are taken.
        tasks: Folder of the task files.
        root: The project, from which a relative data folder counts.
        splits: Records of "train", "test" and "unseen", for tasks that are made of them.

    Raises:
        ParamsError: If a task file is faulty.
        EvaluationError: If its data are, or if it cannot be asked here.
        SourceError: If a data file cannot be read.
    """
    if not evaluate.tasks:
        return []
    specs = load_specs(tasks, evaluate.tasks)
    if evaluate.data_folder is None and (files := [spec.name for spec in specs if isinstance(spec.data, FileData)]):
        raise EvaluationError(
            f"evaluate.tasks names {', '.join(files)}, but evaluate.data_folder is null; name the folder in which their files lie"
        )
    folders = (root / (evaluate.data_folder or ""), tasks / "data")
    return [items for spec in specs for items in _of_task(_loaded(spec, folders, splits, evaluate.seed), evaluate)]


def _loaded(spec: TaskSpec, folders: Sequence[Path], splits: Mapping[str, Sequence[Record]], seed: int) -> Task:
    """Return a task; a file that isn't in the first folder, the user's, may be one that came with the task files."""
    if isinstance(spec.data, FileData):
        file = spec.data.file
        return load_task(
            spec,
            next((folder for folder in folders if (folder / file).is_file()), folders[0]),
            read_whole_rows,
            seed=seed,
        )
    return records_task(spec, splits[spec.data.split], splits["train"], seed=seed)


def _of_task(task: Task, evaluate: EvaluateParams) -> list[TaskItems]:
    result = []
    for language in sorted({item.language for item in task.items}):
        chosen = choose_items(
            [item for item in task.items if item.language == language],
            seed=evaluate.seed,
            limit=evaluate.items_per_task,
        )
        exemplars = exemplars_for(task, language, seed=evaluate.seed, shots=max(evaluate.shots))
        first, *others = [
            Wording(_records(task, chosen, wording), _records(task, exemplars, wording))
            for wording in task.spec.prompts
        ]
        result.append(
            TaskItems(
                task.spec.name,
                language,
                "task",
                first.records,
                first.exemplars,
                tuple(others),
                task.spec,
                tuple(chosen),
                tuple(exemplars),
            )
        )
    return result


def _records(task: Task, items: Sequence[Item], wording: str) -> list[Record]:
    """Return items in a wording as records, which the pipeline knows how to ask; their ids and options stay.

    An item that was made of a record is asked as that record, turns and all; in the format plain, by the template alone.
    """
    return [
        replace(item.record, task=task.spec.name, choices=item.choices, output=item.reference)
        if item.record is not None
        else Record(
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
