"""Items of an evaluation with their few-shot examples; every model gets the same ones."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal

from seodang.config import EvaluateParams
from seodang.errors import EvaluationError
from seodang.evaluation.aggregate import TASK_FILE_SPLIT, ItemScore
from seodang.evaluation.contents import compute_contents
from seodang.evaluation.tasks.loading import build_split_tasks
from seodang.evaluation.tasks.protocol import compute_protocol_fingerprint, describe_protocol
from seodang.evaluation.tasks.samples import EvalSample, Task
from seodang.evaluation.tasks.sampling import select_few_shot_examples, select_samples
from seodang.evaluation.tasks.spec import TaskSpec
from seodang.i18n import _
from seodang.records import Record

SampleKind = Literal["choice", "open", "text"]
_KINDS: dict[str, SampleKind] = {"choice": "choice", "generate": "open", "perplexity": "text"}


@dataclass(frozen=True, slots=True)
class TemplateSamples:
    """The items of a task in one prompt template, with few-shot examples in the same template."""

    records: list[Record]
    few_shot_examples: list[Record]


@dataclass(frozen=True, slots=True)
class TaskSamples:
    """The items of one task in one language."""

    spec: TaskSpec
    """Of a task file, or the implicit one of a split's records."""
    language: str
    split: str
    """test; unseen for a cluster that training does not see; task for a task file."""
    templates: tuple[TemplateSamples, ...]
    """At least one; the base is evaluated with each of them, tuned models with the first one."""
    samples: tuple[EvalSample, ...]
    """In the order of the records."""
    few_shot_samples: tuple[EvalSample, ...]
    """In the order of the few-shot examples."""
    fingerprint: str = ""
    """Of a task file's protocol; "" for records of a split."""
    contents: Mapping[str, str] = field(default_factory=dict)
    """Checksum of what an item asks, by id (contents.py)."""

    @property
    def task(self) -> str:
        """Return the name of the task."""
        return self.spec.name

    @property
    def records(self) -> list[Record]:
        """Return the items in the first prompt template."""
        return self.templates[0].records

    def get_template(self, index: int) -> TemplateSamples:
        """Return the items in a prompt template; in the first one where the task has fewer templates."""
        return self.templates[index if index < len(self.templates) else 0]

    @property
    def key(self) -> str:
        """Return the unique key: split/task/language."""
        return f"{self.split}/{self.task}/{self.language}"

    @property
    def metrics(self) -> Sequence[str]:
        """Return the metrics that the task names; the first one is the primary metric."""
        return self.spec.metrics

    @property
    def primary_metric(self) -> str:
        """Return the metric that represents the task."""
        return self.metrics[0]

    @property
    def kind(self) -> SampleKind:
        """Return "choice" if every item has a closed label set, "text" for a likelihood of given texts, else "open"."""
        return _KINDS[self.spec.kind]

    @property
    def joins_texts_itself(self) -> bool:
        """Return whether the format plain uses the spec's delimiter and separator, as lm-evaluation-harness does."""
        return self.split == TASK_FILE_SPLIT

    @property
    def stop_texts(self) -> Sequence[str]:
        """Return the texts before which a base model's answer ends; empty where the complete answer counts."""
        return self.spec.until or (["\n"] if self.records[0].output else [])


def create_blank_score(variant: str, shots: int, task: TaskSamples, record: Record) -> ItemScore:
    """Return the score of an item that has no results yet.

    Args:
        variant: Model and prompt of the results.
        shots: Few-shot examples in the prompt.
        task: Of the item.
        record: The item.
    """
    return ItemScore(
        variant=variant,
        shots=shots,
        item=record.id,
        group=record.group,
        content=task.contents.get(record.id, ""),
        task=task.task,
        language=task.language,
        split=task.split,
        kind=task.kind,
        primary_metric=task.primary_metric,
        reference=record.output,
        accuracy=None,
        prediction=None,
        loss=None,
        answer=None,
        exact_match=None,
        chrf=None,
        eos_rate=None,
        prompt_tokens=0,
        extra_metrics={},
        weights={},
        labels=None,
        grades=None,
        fingerprint=task.fingerprint,
    )


def select_split_samples(
    records: Sequence[Record], split: Literal["test", "unseen"], training: Sequence[Record], evaluate: EvaluateParams
) -> list[TaskSamples]:
    """Return the items of a split, one entry per task and language.

    Args:
        records: Of the split.
        split: Its name in the scores.
        training: Pool of few-shot examples.
        evaluate: Seed and limits of the selection.
    """
    return [
        samples
        for task in build_split_tasks(records, split, training)
        for samples in select_task_samples(task, split, evaluate)
    ]


def select_task_samples(task: Task, split: str, evaluate: EvaluateParams) -> list[TaskSamples]:
    """Return the items of a task, one entry per language, selected by hash.

    Args:
        task: With all its items.
        split: Name of the split in the scores.
        evaluate: Seed and limits of items and few-shot examples.

    Raises:
        EvaluationError: If evaluate.skipped_items leaves no item.
    """
    result = []
    fingerprint = compute_protocol_fingerprint(task.spec) if split == TASK_FILE_SPLIT else ""
    for language in sorted({sample.language for sample in task.samples}):
        in_language = [sample for sample in task.samples if sample.language == language]
        skipped = evaluate.skipped_items.get(task.spec.name, 0)
        samples = select_samples(in_language, seed=evaluate.seed, limit=skipped + evaluate.items_per_task)[skipped:]
        if not samples:
            raise build_skip_error(task.spec.name, skipped, len(in_language))
        few_shot_samples = select_few_shot_examples(task, language, seed=evaluate.seed, shots=max(evaluate.shots))
        templates = tuple(
            TemplateSamples(build_records(task, samples, name), build_records(task, few_shot_samples, name))
            for name in task.spec.prompts
        )
        items, examples = tuple(samples), tuple(few_shot_samples)
        contents = compute_contents(in_language)
        result.append(TaskSamples(task.spec, language, split, templates, items, examples, fingerprint, contents))
    return result


def build_skip_error(task: str, skipped: int, items: int) -> EvaluationError:
    """Return the error for a task that has no item left.

    Args:
        task: Its name.
        skipped: Number of items that evaluate.skipped_items leaves out.
        items: Number of items of the task in one language.
    """
    return EvaluationError(
        _(
            "evaluate.skipped_items of {task} is {skipped}, but its number of items is {items}: none is left",
            skipped=skipped,
            task=task,
            items=items,
        )
    )


def build_records(task: Task, samples: Sequence[EvalSample], template_name: str) -> list[Record]:
    """Return items in a prompt template as records, which the pipeline renders; ids and options stay.

    An item made of a record keeps that record, with all its turns. The format plain uses the template alone instead.
    """
    return [
        replace(sample.record, task=task.spec.name, choices=sample.choices, output=sample.reference)
        if sample.record is not None
        else Record(
            id=sample.id,
            instruction=sample.get_instruction(template_name).strip(),
            input=sample.input,
            output=sample.reference,
            language="ko" if sample.language == "ko" else "en",
            source=task.spec.name,
            task=task.spec.name,
            cluster=task.spec.cluster,
            choices=sample.choices,
        )
        for sample in samples
    ]


def describe_protocols(tasks: Sequence[TaskSamples], shots: Sequence[int]) -> list[dict[str, Any]]:
    """Return source and protocol of each task file, once per task.

    Args:
        tasks: Of the evaluation.
        shots: Numbers of few-shot examples in the prompt of the base.
    """
    specs = {task.task: task.spec for task in tasks if task.split == TASK_FILE_SPLIT}
    return [describe_protocol(spec, shots) for spec in specs.values()]


def compute_fingerprint(tasks: Sequence[TaskSamples]) -> str:
    """Return the sha256 of all items and few-shot examples; equal fingerprints mean equal requests."""
    digest = hashlib.sha256()
    for task in tasks:
        content = json.dumps([task.key, *_build_fingerprint_data(task)], ensure_ascii=False, default=asdict)
        digest.update(content.encode("utf-8", "surrogatepass"))
    return digest.hexdigest()


def _build_fingerprint_data(task: TaskSamples) -> list[Any]:
    """Return everything that affects the requests and scores of a task: texts, records and settings."""
    samples = [
        [sample.id, dict(sample.prompts), sample.choices, sample.reference]
        for sample in (*task.samples, *task.few_shot_samples)
    ]
    spec = task.spec
    settings = [
        spec.kind,
        spec.delimiter,
        spec.separator,
        spec.normalise,
        spec.max_new_tokens,
        spec.generations,
        spec.until,
        spec.metrics,
        task.fingerprint,
    ]
    records = [[*template.records, *template.few_shot_examples] for template in task.templates]
    return [settings, samples, records]
