"""Items of task files, read from data files or from the pipeline's splits."""

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
from seodang.i18n import _
from seodang.ingest.readers.strict import read_rows_strict
from seodang.records import Record


def load_task_samples(
    evaluate: EvaluateParams, tasks: Path, root: Path, splits: Mapping[str, Sequence[Record]]
) -> list[TaskSamples]:
    """Return the items of the task files in `evaluate.tasks`, one entry per task and language.

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
    if not evaluate.tasks:
        return []
    specs = load_specs(tasks, evaluate.tasks)
    if evaluate.data_folder is None and (names := [spec.name for spec in specs if isinstance(spec.data, FileData)]):
        raise EvaluationError(
            _(
                "evaluate.tasks names {tasks}, but evaluate.data_folder is null; set it to the folder of their data files",
                tasks=", ".join(names),
            )
        )
    folders = (root / (evaluate.data_folder or ""), tasks / "data")
    return [
        items
        for spec in specs
        for items in _build_task_samples(_load_task(spec, folders, splits, evaluate.seed), evaluate)
    ]


def _load_task(spec: TaskSpec, folders: Sequence[Path], splits: Mapping[str, Sequence[Record]], seed: int) -> Task:
    """Return a task; the first folder, the user's, takes precedence over the data shipped with the task files."""
    if isinstance(spec.data, FileData):
        file = spec.data.file
        folder = next((folder for folder in folders if (folder / file).is_file()), folders[0])
        return load_task(spec, folder, read_rows_strict, seed=seed)
    return load_record_task(spec, splits[spec.data.split], splits["train"], seed=seed)


def _build_task_samples(task: Task, evaluate: EvaluateParams) -> list[TaskSamples]:
    result = []
    for language in sorted({sample.language for sample in task.samples}):
        in_language = [sample for sample in task.samples if sample.language == language]
        samples = select_samples(in_language, seed=evaluate.seed, limit=evaluate.items_per_task)
        few_shot_samples = select_few_shot_examples(task, language, seed=evaluate.seed, shots=max(evaluate.shots))
        first, *extra_templates = [
            TemplateSamples(_build_records(task, samples, name), _build_records(task, few_shot_samples, name))
            for name in task.spec.prompts
        ]
        result.append(
            TaskSamples(
                task.spec.name,
                language,
                "task",
                first.records,
                first.few_shot_examples,
                tuple(extra_templates),
                task.spec,
                tuple(samples),
                tuple(few_shot_samples),
            )
        )
    return result


def _build_records(task: Task, samples: Sequence[EvalSample], template_name: str) -> list[Record]:
    """Return items in a prompt template as records, which the pipeline renders; ids and options stay.

    An item made of a record keeps that record, with all its turns. The format plain uses the template alone instead.
    """
    return [
        replace(sample.record, task=task.spec.name, choices=sample.choices, output=sample.reference)
        if sample.record is not None
        else Record(
            id=sample.id,
            instruction=sample.prompts[template_name].strip(),
            input="",
            output=sample.reference,
            language="ko" if sample.language == "ko" else "en",
            source=task.spec.name,
            task=task.spec.name,
            cluster=task.spec.cluster,
            choices=sample.choices,
        )
        for sample in samples
    ]
