"""What models are asked: items of the pipeline's splits, and of task files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from seodang.config import EvaluateParams
from seodang.errors import EvaluationError
from seodang.evaluation.samples import TaskSamples, TemplateSamples
from seodang.evaluation.tasks.loading import load_record_task, load_task
from seodang.evaluation.tasks.samples import EvalSample, Task
from seodang.evaluation.tasks.sampling import select_few_shot_examples, select_samples
from seodang.evaluation.tasks.spec import FileData, TaskSpec, load_specs
from seodang.ingest.readers.strict import read_rows_strict
from seodang.records import Record


def load_task_samples(
    evaluate: EvaluateParams, tasks: Path, root: Path, splits: Mapping[str, Sequence[Record]]
) -> list[TaskSamples]:
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
    return [
        items
        for spec in specs
        for items in _build_task_samples(_load_task(spec, folders, splits, evaluate.seed), evaluate)
    ]


def _load_task(spec: TaskSpec, folders: Sequence[Path], splits: Mapping[str, Sequence[Record]], seed: int) -> Task:
    """Return a task; a file that isn't in the first folder, the user's, may be one that came with the task files."""
    if isinstance(spec.data, FileData):
        file = spec.data.file
        return load_task(
            spec,
            next((folder for folder in folders if (folder / file).is_file()), folders[0]),
            read_rows_strict,
            seed=seed,
        )
    return load_record_task(spec, splits[spec.data.split], splits["train"], seed=seed)


def _build_task_samples(task: Task, evaluate: EvaluateParams) -> list[TaskSamples]:
    result = []
    for language in sorted({item.language for item in task.samples}):
        samples = select_samples(
            [item for item in task.samples if item.language == language],
            seed=evaluate.seed,
            limit=evaluate.items_per_task,
        )
        few_shot_examples = select_few_shot_examples(task, language, seed=evaluate.seed, shots=max(evaluate.shots))
        first, *rest = [
            TemplateSamples(_build_records(task, samples, wording), _build_records(task, few_shot_examples, wording))
            for wording in task.spec.prompts
        ]
        result.append(
            TaskSamples(
                task.spec.name,
                language,
                "task",
                first.records,
                first.few_shot_examples,
                tuple(rest),
                task.spec,
                tuple(samples),
                tuple(few_shot_examples),
            )
        )
    return result


def _build_records(task: Task, samples: Sequence[EvalSample], template_name: str) -> list[Record]:
    """Return items in a wording as records, which the pipeline knows how to ask; their ids and options stay.

    An item that was made of a record is asked as that record, turns and all; in the format plain, by the template alone.
    """
    return [
        replace(item.record, task=task.spec.name, choices=item.choices, output=item.reference)
        if item.record is not None
        else Record(
            id=item.id,
            instruction=item.prompts[template_name].strip(),
            input="",
            output=item.reference,
            language="ko" if item.language == "ko" else "en",
            source=task.spec.name,
            task=task.spec.name,
            cluster=task.spec.cluster,
            choices=item.choices,
        )
        for item in samples
    ]
