"""Which items are asked, with which exemplars. Every model is asked the same."""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from seodang.evaluation.tasks.samples import EvalSample
from seodang.evaluation.tasks.spec import TaskSpec
from seodang.records import Record


@dataclass(frozen=True, slots=True)
class TemplateSamples:
    """The items of a task in one wording, with exemplars in the same."""

    records: list[Record]
    few_shot_examples: list[Record]


@dataclass(frozen=True, slots=True)
class TaskSamples:
    """The items of one task in one language."""

    task: str
    language: str
    split: str  # "test", "unseen" for a cluster that was held out of training, or "task" for a task file
    records: list[Record]
    few_shot_examples: list[Record]  # from the training split only; of a task file from the file that it names
    extra_templates: tuple[
        TemplateSamples, ...
    ] = ()  # further wordings of the same items, with which the base is tried too
    spec: TaskSpec | None = None  # of a task file
    samples: tuple[EvalSample, ...] = ()  # of a task file, in the order of the records
    few_shot_samples: tuple[EvalSample, ...] = ()  # of a task file, in the order of the exemplars

    def get_template(self, index: int) -> TemplateSamples:
        """Return a wording by its place; the usual one where there are not so many."""
        return (
            self.extra_templates[index - 1]
            if 0 < index <= len(self.extra_templates)
            else TemplateSamples(self.records, self.few_shot_examples)
        )

    @property
    def key(self) -> str:
        """Return what tells the items from those of all other tasks."""
        return f"{self.split}/{self.task}/{self.language}"

    @property
    def primary_metric(self) -> str:
        """Return the metric that speaks for the task."""
        if self.spec is not None:
            return self.spec.metrics[0]
        return "accuracy" if self.kind == "choice" else "exact_match"

    @property
    def kind(self) -> str:
        """Return "choice" when every item has a closed label set, "text" when its likelihood is all that is asked for, else "open"."""
        if self.spec is not None:
            return _KINDS[self.spec.kind]
        return "choice" if all(record.choices for record in self.records) else "open"


_KINDS: dict[str, str] = {"choice": "choice", "generate": "open", "perplexity": "text"}


def _compute_order_key(seed: int, record: Record) -> str:
    return hashlib.sha256(f"{seed}\x1f{record.id}".encode()).hexdigest()


def select_task_samples(
    test: Iterable[Record], split: str, training: Sequence[Record], *, seed: int, items_per_task: int, shots: int
) -> list[TaskSamples]:
    """Return the items by task and language, chosen by a hash: adding records moves few.

    Args:
        split: Named in the scores, "test" or "unseen".
        training: Where exemplars come from; a task without records there is asked with
            exemplars of other tasks in its language.
    """
    by_task: dict[tuple[str, str], list[Record]] = defaultdict(list)
    for record in test:
        by_task[(record.task, record.language)].append(record)
    result = []
    for (task, language), records in sorted(by_task.items()):
        samples = sorted(records, key=lambda record: _compute_order_key(seed, record))[:items_per_task]
        result.append(
            TaskSamples(
                task, language, split, samples, select_few_shot_examples(samples[0], training, seed=seed, shots=shots)
            )
        )
    return result


def select_few_shot_examples(target: Record, training: Sequence[Record], *, seed: int, shots: int) -> list[Record]:
    """Return `shots` training records of the item's task, each label in turn where there are labels.

    A task that training doesn't know borrows those with the same labels, or else of its language.
    """
    ordered = sorted(
        (record for record in training if record.language == target.language),
        key=lambda record: _compute_order_key(seed, record),
    )
    same = [record for record in ordered if record.task == target.task]
    alike = [record for record in ordered if target.choices and record.choices == target.choices]
    pool = same or alike or ordered
    if not target.choices or not (same or alike):
        return pool[:shots]
    by_label = {label: [record for record in pool if record.output == label] for label in target.choices}
    rounds = max(map(len, by_label.values()), default=0)
    examples = [
        by_label[label][turn] for turn in range(rounds) for label in target.choices if turn < len(by_label[label])
    ]
    return examples[:shots]


def compute_fingerprint(tasks: Sequence[TaskSamples]) -> str:
    """Return the sha256 of all items and exemplars: equal means asked the same.

    Ids of records are hashes of what they say; those of task files may be the file's own, so there the texts count too.
    """
    digest = hashlib.sha256()
    for task in tasks:
        digest.update(f"{task.task}/{task.language}/{task.split}\n".encode())
        digest.update("".join(f"{record.id}\n" for record in (*task.records, *task.few_shot_examples)).encode())
        if task.spec is not None:
            digest.update(
                json.dumps(_build_fingerprint_data(task, task.spec), ensure_ascii=False, default=asdict).encode(
                    "utf-8", "surrogatepass"
                )
            )
    return digest.hexdigest()


def _build_fingerprint_data(task: TaskSamples, spec: TaskSpec) -> list[Any]:
    """Return all that a task file's items ask, in the words of the file and as records, and what the spec says of asking and counting."""
    templates = [task.get_template(number) for number in range(1 + len(task.extra_templates))]
    samples = [
        [item.id, dict(item.prompts), item.choices, item.reference] for item in (*task.samples, *task.few_shot_samples)
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
    return [settings, samples, [[*wording.records, *wording.few_shot_examples] for wording in templates]]
