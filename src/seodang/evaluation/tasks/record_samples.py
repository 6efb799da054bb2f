"""Items and few-shot examples that are made of the pipeline's records. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from functools import partial
from typing import Literal

from seodang.evaluation.tasks.choices import iter_choice_errors
from seodang.evaluation.tasks.samples import BuildResult, SampleOrErrors, add_sample, build_sample
from seodang.evaluation.tasks.spec import SplitData, TaskSpec
from seodang.evaluation.tasks.templates import render
from seodang.i18n import _
from seodang.records import Record

_PROMPT_TEMPLATE = "{{instruction}}{% if input %}\n{{input}}{% endif %}"


def build_split_specs(records: Iterable[Record], split: Literal["test", "unseen"]) -> list[TaskSpec]:
    """Return the implicit specs of a split: one per task and language, sorted.

    A task is a choice if every record has a closed label set, else a free answer.
    """
    groups: dict[tuple[str, str], list[Record]] = defaultdict(list)
    for record in records:
        groups[(record.task, record.language)].append(record)
    return [_build_split_spec(group, split) for _key, group in sorted(groups.items())]


def _build_split_spec(records: Sequence[Record], split: Literal["test", "unseen"]) -> TaskSpec:
    first = records[0]
    is_choice = all(record.choices for record in records)
    return TaskSpec(
        name=first.task,
        kind="choice" if is_choice else "generate",
        language=first.language,
        cluster=first.cluster,
        data=SplitData(split=split, task=first.task),
        prompts={"record": _PROMPT_TEMPLATE},
        answer="{{output}}",
        options={},
        delimiter="\n",
        separator="\n\n",
        normalise="none",
        max_new_tokens=None,
        until=[],
        metrics=["accuracy"] if is_choice else ["exact_match"],
        extra=[],
        limit=None,
        stratified=True,
    )


def build_record_samples(spec: TaskSpec, records: Iterable[Record], *, validates_choices: bool = True) -> BuildResult:
    """Return the items of records.

    Args:
        spec: Of the task.
        records: Of the task, or few-shot examples of other tasks.
        validates_choices: Whether an unusable label set is an error; without, the item keeps the labels it has.
    """
    result = BuildResult()
    for number, record in enumerate(records, start=1):
        build = partial(_build_from_record, spec, record, validates_choices=validates_choices)
        add_sample(result, _("record {id}", id=record.id), number, build)
    return result


def _build_from_record(spec: TaskSpec, record: Record, *, validates_choices: bool) -> SampleOrErrors:
    values = {name: getattr(record, name) for name in Record.__dataclass_fields__}
    reference = render(spec.answer, values)
    choices = record.choices if spec.kind == "choice" else ()
    errors = list(iter_choice_errors(choices, reference)) if spec.kind == "choice" and validates_choices else []
    return build_sample(spec, values, choices, reference, errors, name=record.id, record=record)


def build_few_shot_pool(
    spec: TaskSpec, records: Sequence[Record], training: Sequence[Record], *, validates_choices: bool = True
) -> BuildResult:
    """Return the candidates for few-shot examples, for each language of the items.

    They are the training records of the same task, else those with the same labels, else all records of the language.
    The last ones still show the base the format of an answer.
    """
    assert isinstance(spec.data, SplitData)
    result = BuildResult()
    for language in sorted({record.language for record in records}):
        same_language = [record for record in training if record.language == language]
        labels = {record.choices for record in records if record.language == language and record.choices}
        pool = [record for record in same_language if spec.data.task in (None, record.task)] or [
            record for record in same_language if record.choices in labels
        ]
        samples = build_record_samples(spec, pool or same_language, validates_choices=validates_choices and bool(pool))
        result.samples += samples.samples
        result.errors += samples.errors
    return result
