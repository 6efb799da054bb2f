"""Items of task files, read from data files or from the pipeline's splits."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from seodang.config import EvaluateParams
from seodang.errors import EvaluationError
from seodang.evaluation.aggregate import TASK_FILE_SPLIT
from seodang.evaluation.samples import TaskSamples, build_records, select_task_samples
from seodang.evaluation.task_groups import assign_groups
from seodang.evaluation.tasks.files import list_files
from seodang.evaluation.tasks.loading import check_files, load_record_task, load_task
from seodang.evaluation.tasks.samples import Task
from seodang.evaluation.tasks.spec import FileData, TaskSpec, load_specs
from seodang.i18n import _
from seodang.ingest.readers.strict import read_rows_strict
from seodang.records import Record


def load_task_samples(
    evaluate: EvaluateParams, tasks: Path, root: Path, splits: Mapping[str, Sequence[Record]]
) -> list[TaskSamples]:
    """Return the items of the task files in `evaluate.tasks` with their groups, one entry per task and language.

    Args:
        evaluate: Names of the tasks, the data folder, and the limits of items and few-shot examples.
        tasks: Folder of the task files.
        root: The project; a relative data folder is resolved against it.
        splits: Records of "train", "test" and "unseen", for tasks made of records.

    Raises:
        ParamsError: If a task file has errors.
        EvaluationError: If its data have errors or are missing.
        SourceError: If a data file cannot be read.
    """
    specs, folders = _find_tasks(evaluate, tasks, root)
    return assign_groups(
        [
            items
            for spec in specs
            for items in select_task_samples(
                _load_task(spec, folders, splits, evaluate.seed), TASK_FILE_SPLIT, evaluate
            )
        ]
    )


def iter_file_items(evaluate: EvaluateParams, tasks: Path, root: Path) -> Iterator[Record]:
    """Yield all items of the task files in `evaluate.tasks` that have data files, whatever the limits of items.

    A text whose likelihood is scored is the instruction of its record. An id begins with the name of the task.

    Args:
        evaluate: Names of the tasks and the data folder.
        tasks: Folder of the task files.
        root: The project; a relative data folder is resolved against it.

    Raises:
        ParamsError: If a task file has errors.
        EvaluationError: If its data have errors or are missing.
        SourceError: If a data file cannot be read.
    """
    specs, folders = _find_tasks(evaluate, tasks, root)
    for spec in specs:
        if not isinstance(spec.data, FileData):
            continue
        task = _load_task(spec.model_copy(update={"limit": None}), folders, {}, evaluate.seed)
        for record in build_records(task, task.samples, next(iter(spec.prompts))):
            item = record if record.instruction else replace(record, instruction=record.output, output="")
            yield replace(item, id=f"{spec.name}/{item.id}")


def _find_tasks(evaluate: EvaluateParams, tasks: Path, root: Path) -> tuple[list[TaskSpec], tuple[Path, Path]]:
    """Return the task files in `evaluate.tasks` and the folders of their data, after a check that these are there."""
    specs = load_specs(tasks, evaluate.tasks) if evaluate.tasks else []
    if evaluate.data_folder is None and (names := [spec.name for spec in specs if isinstance(spec.data, FileData)]):
        raise EvaluationError(
            _(
                "evaluate.tasks names {tasks}, but evaluate.data_folder is null; set it to the folder of their data files",
                tasks=", ".join(names),
            )
        )
    data_folder = Path(os.path.normpath(root / (evaluate.data_folder or "")))  # without "..", for messages
    folders = (data_folder, tasks / "data")
    check_files(specs, folders)
    return specs, folders


def _load_task(spec: TaskSpec, folders: Sequence[Path], splits: Mapping[str, Sequence[Record]], seed: int) -> Task:
    """Return a task; the first folder, the user's, takes precedence over the data shipped with the task files."""
    if isinstance(spec.data, FileData):
        file = spec.data.file
        folder = next((folder for folder in folders if list_files(folder, file)), folders[0])
        return load_task(spec, folder, read_rows_strict, seed=seed)
    return load_record_task(spec, splits[spec.data.split], splits["train"], seed=seed)
