"""A spec and its data to a task; the faults of all rows in one message."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from seodang.errors import EvaluationError
from seodang.evaluation.tasks.samples import BuildResult, EvalSample, Task, build_record_samples, build_samples
from seodang.evaluation.tasks.sampling import remove_leaks, select_samples
from seodang.evaluation.tasks.spec import FileData, SplitData, TaskSpec
from seodang.records import Record

Reader = Callable[[Path, str], Iterable[Mapping[str, Any]]]
"""Takes a file and its name in messages, gives its rows; raises SeodangError where one cannot be read (data.strict_rows)."""
_MESSAGE_LIMIT = 20  # faults told of a task


def load_task(spec: TaskSpec, folder: Path, read: Reader, *, seed: int) -> Task:
    """Return the task of a file below the data folder.

    Args:
        spec: Its data are a file.
        folder: The data folder.
        read: The reader of data files.
        seed: Of the choice of items, where the spec has a limit.

    Raises:
        EvaluationError: If a file is missing, no item is left, or rows are faulty: all of them at once, up to 20.
        SourceError: If the reader cannot read a file.
    """
    assert isinstance(spec.data, FileData), f"{spec.name} is made of records: records_task() makes it"
    names = [name for name in (spec.data.file, spec.data.few_shot_file) if name is not None]
    if missing := [name for name in names if not (folder / name).is_file()]:
        raise EvaluationError(
            f"task {spec.name}: {', '.join(missing)} is not in {folder}; put it there, or leave the task out / 파일이 없습니다"
        )
    samples = build_samples(spec, read(folder / spec.data.file, spec.data.file))
    few_shot_pool = (
        build_samples(spec, read(folder / spec.data.few_shot_file, spec.data.few_shot_file))
        if spec.data.few_shot_file is not None
        else BuildResult()
    )
    return _build_task(spec, samples, few_shot_pool, seed)


def load_record_task(spec: TaskSpec, records: Iterable[Record], training: Iterable[Record], *, seed: int) -> Task:
    """Return the task of records.

    Args:
        spec: Its data are a split.
        records: Of the split that it names; those of other tasks are passed over.
        training: Of the training split, where exemplars come from: records of the same task; if there are none, those with the
            same options, or for a free answer all.
        seed: Of the choice of items, where the spec has a limit.

    Raises:
        EvaluationError: If no record is of the task, or records are faulty: all of them at once, up to 20.
    """
    assert isinstance(spec.data, SplitData), f"{spec.name} is made of a file: load_task() makes it"
    task = spec.data.task
    task_records = [record for record in records if task in (None, record.task)]
    few_shot_pool = _select_few_shot_pool(spec, task_records, list(training), task)
    return _build_task(spec, build_record_samples(spec, task_records), build_record_samples(spec, few_shot_pool), seed)


def _select_few_shot_pool(
    spec: TaskSpec, task_records: Sequence[Record], training: Sequence[Record], task: str | None
) -> list[Record]:
    if same := [record for record in training if task in (None, record.task)]:
        return same
    if spec.kind != "choice":
        return list(training)
    options = {record.choices for record in task_records}
    return [record for record in training if record.choices in options]


def _build_task(spec: TaskSpec, samples: BuildResult, few_shot_pool: BuildResult, seed: int) -> Task:
    source = spec.data.file if isinstance(spec.data, FileData) else f"split {spec.data.split}"
    pool_source = (spec.data.few_shot_file or "") if isinstance(spec.data, FileData) else "split train"
    errors = [f"{source}, {fault}" for fault in (*samples.errors, *_find_duplicates(samples))] + [
        f"{pool_source}, {fault}" for fault in few_shot_pool.errors
    ]
    if not errors and not samples.samples:
        errors = [f"{source} has no item of it; a task needs one / 문항이 없습니다"]
    if not errors and spec.kind == "choice" and (only := _find_only_class(samples.samples)):
        errors = [
            f"{source}: the answer of all {len(samples.samples)} items is {only}; a model that knows nothing could get them all right / 정답이 한 가지뿐입니다"
        ]
    if errors:
        more = (
            f"\n  ... and {len(errors) - _MESSAGE_LIMIT} more / 외 {len(errors) - _MESSAGE_LIMIT}건"
            if len(errors) > _MESSAGE_LIMIT
            else ""
        )
        raise EvaluationError(
            f"task {spec.name} cannot be asked / 과제를 쓸 수 없습니다:\n"
            + "\n".join(f"  {fault}" for fault in errors[:_MESSAGE_LIMIT])
            + more
        )
    pool, leak_count = remove_leaks(few_shot_pool.samples, samples.samples)
    return Task(spec, select_samples(samples.samples, seed=seed, limit=spec.limit), pool, leak_count)


def _find_duplicates(result: BuildResult) -> list[str]:
    """Return a fault for each item whose id an earlier one has."""
    first: dict[str, int] = {}
    errors = []
    for sample, row in zip(result.samples, result.rows, strict=True):
        if sample.id in first:
            errors.append(
                f"row {row}: repeats row {first[sample.id]}, its id is {sample.id}; take one out / 문항이 겹칩니다"
            )
        first.setdefault(sample.id, row)
    return errors


def _find_only_class(samples: Sequence[EvalSample]) -> str:
    """Return the one answer that all items have, by text or by its place among the options; "" when there are several."""
    fixed = len({item.choices for item in samples}) == 1
    classes = {item.reference if fixed else f"option {item.choices.index(item.reference) + 1}" for item in samples}
    return repr(classes.pop()) if len(classes) == 1 else ""
