"""Items of an evaluation with their few-shot examples; every model gets the same ones."""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from seodang.evaluation.tasks.samples import EvalSample
from seodang.evaluation.tasks.sampling import interleave, select_samples
from seodang.evaluation.tasks.spec import TaskSpec
from seodang.records import Record

_KINDS: dict[str, str] = {"choice": "choice", "generate": "open", "perplexity": "text"}


@dataclass(frozen=True, slots=True)
class TemplateSamples:
    """The items of a task in one prompt template, with few-shot examples in the same template."""

    records: list[Record]
    few_shot_examples: list[Record]


@dataclass(frozen=True, slots=True)
class TaskSamples:
    """The items of one task in one language."""

    task: str
    language: str
    split: str
    """test; unseen for a cluster that training does not see; task for a task file."""
    records: list[Record]
    few_shot_examples: list[Record]
    """From the training split; for a task file, from the file that it names."""
    extra_templates: tuple[TemplateSamples, ...] = ()
    """Further prompt templates of the same items, which the base is evaluated with, too."""
    spec: TaskSpec | None = None
    """Of a task file; None for records of a split."""
    samples: tuple[EvalSample, ...] = ()
    """Of a task file, in the order of the records."""
    few_shot_samples: tuple[EvalSample, ...] = ()
    """Of a task file, in the order of the few-shot examples."""

    def get_template(self, index: int) -> TemplateSamples:
        """Return the items in a prompt template; in the first one where the task has fewer templates."""
        if 0 < index <= len(self.extra_templates):
            return self.extra_templates[index - 1]
        return TemplateSamples(self.records, self.few_shot_examples)

    @property
    def key(self) -> str:
        """Return the unique key: split/task/language."""
        return f"{self.split}/{self.task}/{self.language}"

    @property
    def metrics(self) -> Sequence[str]:
        """Return the metrics that the task names; the first one is the primary metric."""
        if self.spec is not None:
            return self.spec.metrics
        return ("accuracy",) if self.kind == "choice" else ("exact_match",)

    @property
    def primary_metric(self) -> str:
        """Return the metric that represents the task."""
        return self.metrics[0]

    @property
    def kind(self) -> str:
        """Return "choice" if every item has a closed label set, "text" for a likelihood of given texts, else "open"."""
        if self.spec is not None:
            return _KINDS[self.spec.kind]
        return "choice" if all(record.choices for record in self.records) else "open"

    @property
    def cluster(self) -> str | None:
        """Return the cluster of a task file; None for records, which have their own."""
        return None if self.spec is None else self.spec.cluster

    @property
    def max_new_tokens(self) -> int | None:
        """Return the task file's limit of a free answer in tokens; None where params.yaml sets it."""
        return None if self.spec is None else self.spec.max_new_tokens

    @property
    def stop_texts(self) -> Sequence[str]:
        """Return the texts before which a base model's answer ends; empty where the complete answer counts."""
        until = [] if self.spec is None else self.spec.until
        is_free_form = self.spec is not None and not self.records[0].output
        return until or ([] if is_free_form else ["\n"])


def select_task_samples(
    test: Iterable[Record], split: str, training: Sequence[Record], *, seed: int, items_per_task: int, shots: int
) -> list[TaskSamples]:
    """Return the items of a split by task and language.

    Args:
        test: Records of the split.
        split: Name of the split in the scores, "test" or "unseen".
        training: Pool of few-shot examples. A task without training records gets examples of other tasks in its
            language.
        seed: Of the selection by hash.
        items_per_task: Upper limit per task and language.
        shots: Number of few-shot examples.
    """
    by_task: dict[tuple[str, str], list[Record]] = defaultdict(list)
    for record in test:
        by_task[(record.task, record.language)].append(record)
    result = []
    for (task, language), records in sorted(by_task.items()):
        selection = select_samples(records, seed=seed, limit=items_per_task)
        few_shot_examples = select_few_shot_examples(selection[0], training, seed=seed, shots=shots)
        result.append(TaskSamples(task, language, split, selection, few_shot_examples))
    return result


def select_few_shot_examples(target: Record, training: Sequence[Record], *, seed: int, shots: int) -> list[Record]:
    """Return `shots` training records of the item's task; where it has labels, they alternate.

    A task without training records gets records with the same labels, else records of its language.
    """
    same_language = [record for record in training if record.language == target.language]
    ordered = select_samples(same_language, seed=seed, limit=None)
    same_task = [record for record in ordered if record.task == target.task]
    same_labels = [record for record in ordered if target.choices and record.choices == target.choices]
    pool = same_task or same_labels or ordered
    if not target.choices or not (same_task or same_labels):
        return pool[:shots]
    return interleave([[record for record in pool if record.output == label] for label in target.choices], shots)


def compute_fingerprint(tasks: Sequence[TaskSamples]) -> str:
    """Return the sha256 of all items and few-shot examples; equal fingerprints mean equal requests.

    The id of a record is a hash of its texts. The id of a task file's item may come from the file, so its texts are
    hashed, too.
    """
    digest = hashlib.sha256()
    for task in tasks:
        digest.update(f"{task.task}/{task.language}/{task.split}\n".encode())
        digest.update("".join(f"{record.id}\n" for record in (*task.records, *task.few_shot_examples)).encode())
        if task.spec is not None:
            content = json.dumps(_build_fingerprint_data(task, task.spec), ensure_ascii=False, default=asdict)
            digest.update(content.encode("utf-8", "surrogatepass"))
    return digest.hexdigest()


def _build_fingerprint_data(task: TaskSamples, spec: TaskSpec) -> list[Any]:
    """Return everything that affects the requests and scores of a task file: texts, records and settings."""
    templates = [task.get_template(index) for index in range(1 + len(task.extra_templates))]
    samples = [
        [sample.id, dict(sample.prompts), sample.choices, sample.reference]
        for sample in (*task.samples, *task.few_shot_samples)
    ]
    settings = [
        spec.kind,
        spec.delimiter,
        spec.separator,
        spec.normalise,
        spec.max_new_tokens,
        spec.until,
        spec.metrics,
    ]
    return [settings, samples, [[*template.records, *template.few_shot_examples] for template in templates]]
