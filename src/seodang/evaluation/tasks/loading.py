"""A spec and its data to a task; the faults of all rows in one message."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from seodang.errors import EvaluationError
from seodang.evaluation.tasks.items import Built, Item, Task, build_items, build_record_items
from seodang.evaluation.tasks.sampling import choose_items, without_leaks
from seodang.evaluation.tasks.spec import FileData, SplitData, TaskSpec
from seodang.records import Record

Reader = Callable[[Path, str], Iterable[Mapping[str, Any]]]
"""Takes a file and its name in messages, gives its rows; raises SeodangError where one cannot be read (data.strict_rows)."""
_SHOWN = 20  # faults told of a task


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
    names = [name for name in (spec.data.file, spec.data.exemplars) if name is not None]
    if missing := [name for name in names if not (folder / name).is_file()]:
        raise EvaluationError(
            f"task {spec.name}: {', '.join(missing)} is not in {folder}; put it there, or leave the task out / 파일이 없습니다"
        )
    items = build_items(spec, read(folder / spec.data.file, spec.data.file))
    shelf = (
        build_items(spec, read(folder / spec.data.exemplars, spec.data.exemplars))
        if spec.data.exemplars is not None
        else Built()
    )
    return _task(spec, items, shelf, seed)


def records_task(spec: TaskSpec, records: Iterable[Record], training: Iterable[Record], *, seed: int) -> Task:
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
    asked = [record for record in records if task in (None, record.task)]
    shelf = _shelf(spec, asked, list(training), task)
    return _task(spec, build_record_items(spec, asked), build_record_items(spec, shelf), seed)


def _shelf(spec: TaskSpec, asked: Sequence[Record], training: Sequence[Record], task: str | None) -> list[Record]:
    if same := [record for record in training if task in (None, record.task)]:
        return same
    if spec.kind != "choice":
        return list(training)
    options = {record.choices for record in asked}
    return [record for record in training if record.choices in options]


def _task(spec: TaskSpec, built: Built, shelf: Built, seed: int) -> Task:
    where = spec.data.file if isinstance(spec.data, FileData) else f"split {spec.data.split}"
    behind = (spec.data.exemplars or "") if isinstance(spec.data, FileData) else "split train"
    faults = [f"{where}, {fault}" for fault in (*built.faults, *_repeated(built))] + [
        f"{behind}, {fault}" for fault in shelf.faults
    ]
    if not faults and not built.items:
        faults = [f"{where} has no item of it; a task needs one / 문항이 없습니다"]
    if not faults and spec.kind == "choice" and (only := _only_class(built.items)):
        faults = [
            f"{where}: the answer of all {len(built.items)} items is {only}; a model that knows nothing could get them all right / 정답이 한 가지뿐입니다"
        ]
    if faults:
        more = f"\n  ... and {len(faults) - _SHOWN} more / 외 {len(faults) - _SHOWN}건" if len(faults) > _SHOWN else ""
        raise EvaluationError(
            f"task {spec.name} cannot be asked / 과제를 쓸 수 없습니다:\n"
            + "\n".join(f"  {fault}" for fault in faults[:_SHOWN])
            + more
        )
    kept, leaked = without_leaks(shelf.items, built.items)
    return Task(spec, choose_items(built.items, seed=seed, limit=spec.limit), kept, leaked)


def _repeated(built: Built) -> list[str]:
    """Return a fault for each item whose id an earlier one has."""
    first: dict[str, int] = {}
    faults = []
    for item, row in zip(built.items, built.rows, strict=True):
        if item.id in first:
            faults.append(
                f"row {row}: repeats row {first[item.id]}, its id is {item.id}; take one out / 문항이 겹칩니다"
            )
        first.setdefault(item.id, row)
    return faults


def _only_class(items: Sequence[Item]) -> str:
    """Return the one answer that all items have, by text or by its place among the options; "" when there are several."""
    fixed = len({item.choices for item in items}) == 1
    classes = {item.reference if fixed else f"option {item.choices.index(item.reference) + 1}" for item in items}
    return repr(classes.pop()) if len(classes) == 1 else ""
