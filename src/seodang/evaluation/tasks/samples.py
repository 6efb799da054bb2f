"""Conversion of rows and records to items. Pure: errors of a row are collected, and the next row is processed."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Final

from seodang.errors import EvaluationError
from seodang.evaluation.ifeval.checking import find_instruction_errors
from seodang.evaluation.tasks.choices import render_options, resolve_reference
from seodang.evaluation.tasks.columns import find_required_names, find_text_names, format_column, is_blank, map_columns
from seodang.evaluation.tasks.spec import GRADE_COLUMN, FileData, TaskSpec
from seodang.evaluation.tasks.templates import evaluate_condition, render
from seodang.i18n import _
from seodang.records import Record, compute_record_id, detect_language

_ADDED_COLUMNS: Final = ("data_file", "data_row")  # each row has them besides its own columns


@dataclass(frozen=True, slots=True, kw_only=True)
class EvalSample:
    """One item of a task."""

    id: str
    """Of the file or the record, else a hash of prompt, choices and reference; unique in a task."""
    prompts: Mapping[str, str]
    """By name of the prompt template, with the input, without few-shot examples and delimiter."""
    choices: tuple[str, ...]
    """Options in order; () unless the kind is choice."""
    reference: str
    """The correct option, the reference answer ("" for none), or the text whose perplexity is computed."""
    language: str
    extra: Mapping[str, Any] = field(default_factory=dict)
    """Columns that metrics need."""
    record: Record | None = None
    """The source of an item that is made of a record."""
    input: str = ""
    """The last lines of the prompt, which a prompt format gives a place of their own."""
    group: str | None = None
    """What data.group renders as; None where the task file does not name groups."""
    texts: Mapping[str, str] = field(default_factory=dict)
    """By column: the texts of a file's row that the item asks about, to find dependent items."""

    def get_instruction(self, template_name: str) -> str:
        """Return the prompt in a template without the input."""
        prompt = self.prompts[template_name]
        return prompt.removesuffix(f"\n{self.input}") if self.input else prompt

    @property
    def prompt(self) -> str:
        """Return the prompt in the first template."""
        return next(iter(self.prompts.values()))


@dataclass(frozen=True, slots=True)
class Task:
    """A task with its data."""

    spec: TaskSpec
    samples: list[EvalSample]
    """At least one."""
    few_shot_pool: list[EvalSample]
    """Candidates for few-shot examples, without the prompt of any item; [] for none."""
    leak_count: int = 0
    """Rows removed from the pool, because an item has the same prompt."""


@dataclass(slots=True)
class BuildResult:
    """Items with their row numbers, and the errors of the other rows."""

    samples: list[EvalSample] = field(default_factory=list)
    rows: list[int] = field(default_factory=list)  # of each item, counted from 1
    errors: list[str] = field(default_factory=list)


def build_samples(spec: TaskSpec, rows: Iterable[Mapping[str, Any]]) -> BuildResult:
    """Return the items of a file's rows, except rows that `where` leaves out."""
    result = BuildResult()
    for number, row in enumerate(rows, start=1):
        add_sample(result, _("row {number}", number=number), number, partial(_build_from_row, spec, row))
    return result


SampleOrErrors = tuple[EvalSample | None, list[str]]
"""The item, or the errors of its row; neither for a row that `where` leaves out."""


def add_sample(result: BuildResult, location: str, number: int, build: Callable[[], SampleOrErrors]) -> None:
    """Add an item to the result, or the errors of its row after the row's location."""
    try:
        sample, errors = build()
    except EvaluationError as error:
        sample, errors = None, [str(error)]
    result.errors += [f"{location}: {error}" for error in errors]
    if sample is not None and not errors:
        result.samples.append(sample)
        result.rows.append(number)


def _describe_blank(
    blank: Sequence[str], columns: Mapping[str, str], row: Mapping[str, Any], *, is_known_shape: bool
) -> str:
    """Return which columns a row lacks; of a data set of another shape, with those that it has."""
    names = ", ".join(format_column(name, columns) for name in blank)
    if is_known_shape:
        return _("column {columns} is missing or blank; fill it, or leave such rows out with data.where", columns=names)
    return _(
        "column {columns} is missing; the row has {found}; name its columns in the task file (data.columns)",
        columns=names,
        found=", ".join(str(name) for name in row if name not in _ADDED_COLUMNS),
    )


def _build_from_row(spec: TaskSpec, row: Mapping[str, Any]) -> SampleOrErrors:
    assert isinstance(spec.data, FileData)
    values = {**row, **map_columns(row, spec.data.columns)}
    if spec.data.where is not None and not evaluate_condition(spec.data.where, values):
        return None, []
    required = sorted(find_required_names(spec))
    if blank := [name for name in required if is_blank(values.get(name))]:
        is_known_shape = any(spec.data.columns.get(name, name).split(".")[0] in row for name in required)
        return None, [_describe_blank(blank, spec.data.columns, row, is_known_shape=is_known_shape)]
    label = render(spec.answer, values)
    choices = render_options(spec, values)
    reference = label
    errors: list[str] = []
    if spec.kind == "choice":
        reference, errors = resolve_reference(spec, label, choices, values)
    name = None if spec.data.id is None else render(spec.data.id, values)
    if name is not None and not name.strip():
        errors.append(_("data.id renders as a blank text; correct the template, or set it to null"))
    sample, errors = build_sample(spec, values, choices, reference, errors, name=name)
    if sample is None:
        return None, errors
    group = None if spec.data.group is None else render(spec.data.group, values).strip()
    texts = {name: value for name in sorted(find_text_names(spec)) if isinstance(value := values.get(name), str)}
    return replace(sample, group=group, texts=texts), errors


def build_sample(
    spec: TaskSpec,
    values: Mapping[str, Any],
    choices: tuple[str, ...],
    reference: str,
    errors: list[str],
    *,
    name: str | None,
    record: Record | None = None,
) -> SampleOrErrors:
    """Return an item, or its errors.

    Args:
        spec: Of the task.
        values: Columns of the row, by their names in the templates.
        choices: Options in order; () unless the kind is choice.
        reference: The correct option, the reference answer or the text.
        errors: Found so far.
        name: Id of the item; None for a hash of its texts.
        record: The source of an item that is made of a record.
    """
    input = render(spec.input, values).strip()
    suffix = f"\n{input}" if input else ""
    prompts = {template_name: render(text, values) + suffix for template_name, text in spec.prompts.items()}
    errors += [
        _("prompt {name} is blank", name=template_name)
        for template_name, text in prompts.items()
        if spec.kind != "perplexity" and not text.strip()
    ]
    if spec.answer and not reference.strip() and not errors:
        errors.append(_("the answer is blank"))
    errors += _find_extra_errors(spec, values)
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
        input=input,
    )
    return sample, []


def _find_extra_errors(spec: TaskSpec, values: Mapping[str, Any]) -> list[str]:
    """Return the errors of the columns that metrics need."""
    if missing := [column for column in spec.extra if column not in values]:
        return [_("column {columns} is missing, but extra names it", columns=", ".join(missing))]
    if any(name.startswith("ifeval") for name in spec.metrics):
        return find_instruction_errors(values["instruction_id_list"], values["kwargs"])
    if "spearman" in spec.metrics and not _is_grade(values[GRADE_COLUMN]):
        return [
            _(
                "column {column} must be a finite number for the metric spearman (got {value!r}); correct it, "
                "or leave such rows out with data.where",
                column=GRADE_COLUMN,
                value=values[GRADE_COLUMN],
            )
        ]
    return []


def _is_grade(value: object) -> bool:
    try:
        return math.isfinite(float(value))  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return False
