"""What tuning made the model forget: tasks about skills that the base had before.

Tasks of the cluster `retention` ask questions of kinds that are not replayed in training: they measure forgetting.
Tasks of the cluster `replayed` ask questions of replayed kinds: they measure whether replay works.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Collection, Iterable, Sequence
from typing import Any, Final

from seodang.evaluation.aggregate import TASK_FILE_SPLIT, TUNED_VARIANT, ItemScore, compute_mean
from seodang.evaluation.samples import TaskSamples
from seodang.i18n import Message
from seodang.records import Record

RETENTION: Final = "retention"
REPLAYED: Final = "replayed"

_QUOTED = re.compile(r"'[^']*'|\"[^\"]*\"|‘[^’]*’|“[^”]*”|「[^」]*」")
_DIGITS = re.compile(r"\d+")
_NO_LETTER = re.compile(r"[\W_]+")
_EXAMPLES = 3  # shared instructions that a warning names


def normalize_instruction(instruction: str) -> str:
    """Return the instruction without case, punctuation, quoted words and numbers, so that equal templates are equal."""
    text = unicodedata.normalize("NFC", instruction).casefold()
    return _NO_LETTER.sub("", _DIGITS.sub("0", _QUOTED.sub("", text)))


def find_shared_instructions(task: TaskSamples, replayed: Iterable[Record]) -> dict[str, list[str]]:
    """Return the instructions of a task's items that replayed records have too, with the sources of these records.

    Where an instruction has several lines, its first line counts too: the input may follow it.
    """
    sources: dict[str, set[str]] = {}
    for record in replayed:
        sources.setdefault(normalize_instruction(record.instruction), set()).add(record.source)
    shared: dict[str, list[str]] = {}
    for record in task.records:
        for text in dict.fromkeys((record.instruction, record.instruction.partition("\n")[0])):
            if (template := normalize_instruction(text)) and template in sources:
                shared[text] = sorted(sources[template])
    return shared


def build_retention_warnings(tasks: Sequence[TaskSamples], replayed: Collection[Record]) -> list[Message]:
    """Return a warning for each retention task whose questions training replays."""
    warnings = []
    for task in tasks:
        shared = find_shared_instructions(task, replayed) if task.spec.cluster == RETENTION else {}
        if shared:
            values = {
                "task": task.task,
                "language": task.language,
                "source": ", ".join(sorted({name for names in shared.values() for name in names})),
                "count": len(shared),
                "examples": "; ".join(list(shared)[:_EXAMPLES]),
            }
            message = Message(
                "task {task} [{language}] is to measure forgetting, but replay asks {count} of its instructions in training "
                "(source {source}: {examples}), so these items measure practice; remove them from the task or from the "
                "source, or put them into a task file of the cluster replayed",
                values,
            )
            warnings.append(message)
    return warnings


def build_forgetting_rows(
    scores: Sequence[ItemScore], tasks: Sequence[TaskSamples], replayed: Collection[Record], base: Sequence[str]
) -> list[dict[str, Any]]:
    """Return loss and exact match of base and tuned model on each task of the clusters `retention` and `replayed`.

    Args:
        scores: Of all variants.
        tasks: Items of the evaluation.
        replayed: Training records of the replay sources.
        base: Variants of the base; the one with the lowest loss on the task counts.
    """
    rows = []
    for task in tasks:
        if task.split != TASK_FILE_SPLIT or task.spec.cluster not in (RETENTION, REPLAYED):
            continue
        by_variant = {name: _summarize(scores, name, task) for name in (*base, TUNED_VARIANT)}
        best = min(base, key=lambda name: math.inf if by_variant[name]["loss"] is None else by_variant[name]["loss"])
        rows.append(
            {
                "task": task.task,
                "language": task.language,
                "replayed": task.spec.cluster == REPLAYED,
                "items": len(task.records),
                "shared_instructions": len(find_shared_instructions(task, replayed)),
                "base_variant": best,
                "base": by_variant[best],
                "tuned": by_variant[TUNED_VARIANT],
            }
        )
    return rows


def _summarize(scores: Sequence[ItemScore], variant: str, task: TaskSamples) -> dict[str, Any]:
    place = (variant, task.split, task.task, task.language)
    own = [score for score in scores if (score.variant, score.split, score.task, score.language) == place]
    return {
        "loss": compute_mean(score.loss for score in own),
        "exact_match": compute_mean(score.exact_match for score in own),
        "answers": sum(score.exact_match is not None for score in own),
    }
