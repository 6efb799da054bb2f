"""Loading of a task from its spec and data; one message lists the errors of all rows."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from seodang.errors import EvaluationError
from seodang.evaluation.tasks.files import describe_missing, find_missing, is_pattern, list_files
from seodang.evaluation.tasks.record_samples import build_few_shot_pool, build_record_samples, build_split_specs
from seodang.evaluation.tasks.samples import BuildResult, EvalSample, Task, build_samples
from seodang.evaluation.tasks.sampling import remove_leaks, select_samples
from seodang.evaluation.tasks.spec import FileData, SplitData, TaskSpec
from seodang.i18n import _, ngettext
from seodang.records import Record

logger = logging.getLogger(__name__)

Reader = Callable[[Path, str], Iterable[Mapping[str, Any]]]
"""Reads a file, named in messages by the second argument; raises SeodangError for an unreadable row
(readers.strict)."""
_MESSAGE_LIMIT = 20  # errors of a task that a message lists


def load_task(spec: TaskSpec, folder: Path, read: Reader, *, seed: int) -> Task:
    """Return the task of a file in the data folder.

    Args:
        spec: A spec whose data are a file.
        folder: The data folder.
        read: The reader of data files.
        seed: Of the item selection, where the spec has a limit.

    Raises:
        EvaluationError: If a file is missing, no item is left, or rows have errors; it lists up to 20 of them.
        SourceError: If the reader cannot read a file.
    """
    assert isinstance(spec.data, FileData), f"{spec.name} is made of records: use load_record_task()"
    check_files([spec], [folder])
    few_shot_file = spec.data.few_shot_file
    few_shot_pool = _build_file_samples(spec, folder, few_shot_file, read) if few_shot_file else BuildResult()
    return _build_task(spec, _build_file_samples(spec, folder, spec.data.file, read), few_shot_pool, seed)


def check_files(specs: Iterable[TaskSpec], folders: Sequence[Path]) -> None:
    """Refuse tasks without their data files.

    Args:
        specs: Of the tasks.
        folders: That may hold the files; the first one is the data folder of the user.

    Raises:
        EvaluationError: With the files of all tasks, and the commands that fetch them.
    """
    lines = [describe_missing(spec, missing, folders[0]) for spec in specs if (missing := find_missing(spec, folders))]
    if lines:
        heading = _("evaluate.tasks names tasks whose data are missing; fetch them, or remove the tasks:")
        raise EvaluationError("\n".join([heading, *(f"  {line}" for line in lines)]))


def _build_file_samples(spec: TaskSpec, folder: Path, file: str, read: Reader) -> BuildResult:
    """Return the items of all files of a name; each row also has the name of its file and its number there."""
    result = BuildResult()
    for path in list_files(folder, file):
        name = path.relative_to(folder).as_posix() if is_pattern(file) else file
        rows = (
            {"data_file": path.stem, "data_row": number, **row} for number, row in enumerate(read(path, name), start=1)
        )
        part = build_samples(spec, rows)
        result.samples += part.samples
        result.rows += part.rows
        result.errors += [f"{path.name}, {error}" for error in part.errors] if is_pattern(file) else part.errors
    return result


def load_record_task(spec: TaskSpec, records: Iterable[Record], training: Sequence[Record], *, seed: int) -> Task:
    """Return the task of a file whose items are records of a split.

    Args:
        spec: A spec whose data are a split.
        records: Of the split that the spec names; records of other tasks are skipped.
        training: Records of the training split, the pool of few-shot examples (see build_few_shot_pool).
        seed: Of the item selection, where the spec has a limit.

    Raises:
        EvaluationError: If no record belongs to the task, or records have errors; it lists up to 20 of them.
    """
    assert isinstance(spec.data, SplitData), f"{spec.name} is made of a file: use load_task()"
    task_records = [record for record in records if spec.data.task in (None, record.task)]
    few_shot_pool = build_few_shot_pool(spec, task_records, training)
    return _build_task(spec, build_record_samples(spec, task_records), few_shot_pool, seed)


def build_split_tasks(
    records: Sequence[Record], split: Literal["test", "unseen"], training: Sequence[Record]
) -> list[Task]:
    """Return the tasks of a split's records, one per task and language.

    Stage validate has checked the records, so a label set or a task with a single answer is no error here.

    Args:
        records: Of the split.
        split: Its name.
        training: Records of the training split, the pool of few-shot examples (see build_few_shot_pool).
    """
    tasks = []
    for spec in build_split_specs(records, split):
        task_records = [record for record in records if (record.task, record.language) == (spec.name, spec.language)]
        samples = build_record_samples(spec, task_records, validates_choices=False)
        pool = build_few_shot_pool(spec, task_records, training, validates_choices=False)
        tasks.append(Task(spec, samples.samples, *remove_leaks(pool.samples, samples.samples)))
    return tasks


def _build_task(spec: TaskSpec, samples: BuildResult, few_shot_pool: BuildResult, seed: int) -> Task:
    if errors := _find_errors(spec, samples, few_shot_pool):
        lines = [_("task {task} cannot be evaluated:", task=spec.name)]
        lines += [f"  {error}" for error in errors[:_MESSAGE_LIMIT]]
        if len(errors) > _MESSAGE_LIMIT:
            lines.append(_("  ... and {count} more", count=len(errors) - _MESSAGE_LIMIT))
        raise EvaluationError("\n".join(lines))
    complete = spec.source.items if spec.source else None
    if complete is not None and complete != len(samples.samples):
        logger.warning(
            _(
                "{task}: items in the data: {count}, in the complete set: {complete}; a score is not one of the complete set",
                task=spec.name,
                count=len(samples.samples),
                complete=complete,
            )
        )
    pool, leak_count = remove_leaks(few_shot_pool.samples, samples.samples)
    return Task(spec, select_samples(samples.samples, seed=seed, limit=spec.limit), pool, leak_count)


def _find_errors(spec: TaskSpec, samples: BuildResult, few_shot_pool: BuildResult) -> list[str]:
    """Return the errors of all rows; without any, those of the complete set of items."""
    is_file = isinstance(spec.data, FileData)
    source = spec.data.file if isinstance(spec.data, FileData) else _("split {name}", name=spec.data.split)
    pool_source = (
        (spec.data.few_shot_file or "") if isinstance(spec.data, FileData) else _("split {name}", name="train")
    )
    errors = [f"{source}, {error}" for error in (*samples.errors, *_find_duplicates(samples))]
    errors += [f"{pool_source}, {error}" for error in few_shot_pool.errors]
    if not errors and not samples.samples:
        hint = _("check data.where and the file") if is_file else _("check data.task and the records")
        errors = [_("{source} has no item for the task; {hint}", source=source, hint=hint)]
    if not errors and spec.kind == "choice" and (only_class := _find_only_class(samples.samples)):
        errors = [
            ngettext(
                "{source}: its only item has the answer {answer}, so a constant answer scores 100 %; add items with other answers",
                "{source}: all {count} items have the answer {answer}, so a constant answer scores 100 %; add items with other answers",
                len(samples.samples),
                source=source,
                answer=only_class,
            )
        ]
    return errors


def _find_duplicates(result: BuildResult) -> list[str]:
    """Return an error for each item whose id an earlier item has."""
    first: dict[str, int] = {}
    errors = []
    for sample, row in zip(result.samples, result.rows, strict=True):
        if sample.id in first:
            errors.append(
                _(
                    "row {row}: has the id {id} of row {first}; remove one of the two rows",
                    row=row,
                    id=sample.id,
                    first=first[sample.id],
                )
            )
        first.setdefault(sample.id, row)
    return errors


def _find_only_class(samples: Sequence[EvalSample]) -> str:
    """Return the answer that all items share, as text or as an option's position; "" for several answers."""
    has_fixed_options = len({sample.choices for sample in samples}) == 1
    classes = {
        sample.reference
        if has_fixed_options
        else _("option {number}", number=sample.choices.index(sample.reference) + 1)
        for sample in samples
    }
    return repr(classes.pop()) if len(classes) == 1 else ""
