"""Rows to items. Pure: whatever is wrong with a row is said of it, and the next one is looked at."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from seodang.errors import EvaluationError
from seodang.evaluation.ifeval.checking import find_instruction_errors
from seodang.evaluation.tasks.spec import GRADE_COLUMN, FileData, TaskSpec
from seodang.evaluation.tasks.templates import evaluate_condition, find_names, render
from seodang.records import Record, compute_record_id, detect_language


@dataclass(frozen=True, slots=True, kw_only=True)
class EvalSample:
    """What is asked once."""

    id: str  # the file's or the record's, else a hash of prompt, choices and reference; unique in a task
    prompts: Mapping[str, str]  # by the names of the spec's prompts; without exemplars and delimiter
    choices: tuple[str, ...]  # options in their order; () unless the kind is choice
    reference: str  # the right option, the reference answer ("" for none), or the text whose perplexity is asked for
    language: str
    extra: Mapping[str, Any] = field(default_factory=dict)
    record: Record | None = None  # that it was made of

    @property
    def prompt(self) -> str:
        """The usual wording."""
        return next(iter(self.prompts.values()))


@dataclass(frozen=True, slots=True)
class Task:
    """A task with its data."""

    spec: TaskSpec
    samples: list[EvalSample]  # one at least
    few_shot_pool: list[
        EvalSample
    ]  # where exemplars come from: never scored, nor asking what an item asks; [] for none
    leak_count: int = 0  # rows that were kept off the shelf, because an item asks the same


@dataclass(slots=True)
class BuildResult:
    """Items with the rows they stand in, and what is wrong with the others."""

    samples: list[EvalSample] = field(default_factory=list)
    rows: list[int] = field(default_factory=list)  # of each item, from 1
    errors: list[str] = field(default_factory=list)


def build_samples(spec: TaskSpec, rows: Iterable[Mapping[str, Any]]) -> BuildResult:
    """Return the items of a file's rows, those left out by `where` not among them."""
    result = BuildResult()
    for number, row in enumerate(rows, start=1):
        _add_sample(result, f"row {number}", number, partial(_build_from_row, spec, row))
    return result


def build_record_samples(spec: TaskSpec, records: Iterable[Record]) -> BuildResult:
    """Return the items of records."""
    result = BuildResult()
    for number, record in enumerate(records, start=1):
        _add_sample(result, f"record {record.id}", number, partial(_build_from_record, spec, record))
    return result


_SampleOrErrors = tuple[
    EvalSample | None, list[str]
]  # the item, or what is wrong; neither for a row that doesn't count


def _add_sample(result: BuildResult, location: str, number: int, build: Callable[[], _SampleOrErrors]) -> None:
    try:
        sample, errors = build()
    except EvaluationError as error:
        sample, errors = None, [str(error)]
    result.errors += [f"{location}: {fault}" for fault in errors]
    if sample is not None and not errors:
        result.samples.append(sample)
        result.rows.append(number)


def _build_from_row(spec: TaskSpec, row: Mapping[str, Any]) -> _SampleOrErrors:
    assert isinstance(spec.data, FileData)
    values = {**row, **_map_columns(row, spec.data.columns)}
    if spec.data.where is not None and not evaluate_condition(spec.data.where, values):
        return None, []
    if blank := [
        _format_column(name, spec.data.columns)
        for name in sorted(_find_required_names(spec))
        if _is_blank(values.get(name))
    ]:
        return None, [
            f"column {', '.join(blank)} is missing or blank: mend it, or leave such rows out with where / 열이 없거나 비었습니다"
        ]
    label = render(spec.answer, values)
    choices = tuple(dict.fromkeys(render(option, values) for option in spec.options.values()))
    reference = label
    errors: list[str] = []
    if spec.kind == "choice":
        reference, errors = _resolve_reference(spec, label, choices, values)
    name = None if spec.data.id is None else render(spec.data.id, values)
    if name is not None and not name.strip():
        errors.append("its id is blank / id가 비었습니다")
    return _build_sample(spec, values, choices, reference, errors, name=name)


def _build_from_record(spec: TaskSpec, record: Record) -> _SampleOrErrors:
    values = {name: getattr(record, name) for name in Record.__dataclass_fields__}
    reference = render(spec.answer, values)
    choices = record.choices if spec.kind == "choice" else ()
    errors = list(_iter_choice_errors(choices, reference)) if spec.kind == "choice" else []
    return _build_sample(spec, values, choices, reference, errors, name=record.id, record=record)


def _build_sample(
    spec: TaskSpec,
    values: Mapping[str, Any],
    choices: tuple[str, ...],
    reference: str,
    errors: list[str],
    *,
    name: str | None,
    record: Record | None = None,
) -> _SampleOrErrors:
    prompts = {wording: render(text, values) for wording, text in spec.prompts.items()}
    errors += [
        f"prompt {wording} is blank / 프롬프트가 비었습니다"
        for wording, text in prompts.items()
        if spec.kind != "perplexity" and not text.strip()
    ]
    if spec.answer and not reference.strip() and not errors:
        errors.append("the answer is blank / 정답이 비었습니다")
    if missing := [column for column in spec.extra if column not in values]:
        errors.append(f"column {', '.join(missing)} (extra) is missing / 열이 없습니다")
    elif any(name.startswith("ifeval") for name in spec.metrics):
        errors += find_instruction_errors(values["instruction_id_list"], values["kwargs"])
    elif "spearman" in spec.metrics and not _is_grade(values[GRADE_COLUMN]):
        errors.append(
            f"column {GRADE_COLUMN} is no finite number (got {values[GRADE_COLUMN]!r}), and spearman needs one: mend it, or leave such rows out with where / 수가 아닙니다"
        )
    if errors:
        return None, errors
    first = next(iter(prompts.values()))
    language = spec.language or (record.language if record else detect_language(first or reference))
    sample = EvalSample(
        id=name or compute_record_id(first, "\x1e".join(choices), reference),
        prompts=prompts,
        choices=choices,
        reference=reference,
        language=language,
        extra={column: values[column] for column in spec.extra},
        record=record,
    )
    return sample, []


def _resolve_reference(
    spec: TaskSpec, label: str, choices: tuple[str, ...], values: Mapping[str, Any]
) -> tuple[str, list[str]]:
    """Return the option that a label stands for, and what is wrong with the options."""
    expected = len(set(spec.options.values()))
    if len(choices) < expected:
        return "", [
            f"options are equal: {expected} of them give only {', '.join(map(repr, choices))} / 같은 선택지가 있습니다"
        ]
    if label.strip() not in spec.options:
        return "", [
            f"the label {label.strip()!r} is not among {', '.join(spec.options)}: correct it, or add it to options / 모르는 라벨입니다"
        ]
    reference = render(spec.options[label.strip()], values)
    return reference, list(_iter_choice_errors(choices, reference))


def _iter_choice_errors(choices: Sequence[str], reference: str) -> Iterator[str]:
    if len(choices) < 2:
        yield f"it has {len(choices)} options, and a choice needs two / 선택지가 둘 이상이어야 합니다"
    if any(not option.strip() for option in choices):
        yield "an option is blank / 빈 선택지가 있습니다"
    if duplicates := [
        option for option, count in Counter(option.strip() for option in choices).items() if count > 1 and option
    ]:
        yield f"options are equal: {', '.join(map(repr, duplicates))} / 같은 선택지가 있습니다"
    if choices and reference not in choices:
        yield f"the answer {reference!r} is not among its options / 정답이 선택지에 없습니다"


def _find_required_names(spec: TaskSpec) -> frozenset[str]:
    """Return the names without which a row cannot be asked."""
    return frozenset().union(*map(find_names, (*spec.prompts.values(), spec.answer, *spec.options.values())))


def _map_columns(row: Mapping[str, Any], columns: Mapping[str, str]) -> dict[str, Any]:
    return {name: value for name, column in columns.items() if (value := _get_value(row, column)) is not None}


def _get_value(row: Mapping[str, Any], column: str) -> Any:
    """Return the value of a column; a dot in its name steps into an object, unless the row has that very name."""
    if column in row:
        return row[column]
    value: Any = row
    for part in column.split("."):
        value = value.get(part) if isinstance(value, Mapping) else None
    return value


def _format_column(name: str, columns: Mapping[str, str]) -> str:
    column = columns.get(name, name)
    return name if column == name else f"{column} ({name})"


def _is_grade(value: object) -> bool:
    try:
        return math.isfinite(float(value))  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return False


def _is_blank(value: object) -> bool:
    return value is None or (isinstance(value, str) and not value.strip())
