"""Contextual calibration of a prompted base (Zhao et al. 2021, arXiv 2102.09690).

A base prefers some labels for any input. The same prompt with inputs without content shows this preference,
and a calibrated variant subtracts it from the log-likelihoods of the labels.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final

import numpy as np

from seodang.evaluation.samples import TaskSamples, TemplateSamples
from seodang.records import Record

CONTENT_FREE_INPUTS: Final = ("N/A", "[MASK]", "-")
"""Those of the paper; its third one, the empty text, would change the layout of a prompt that names an input."""

Preferences = Mapping[str, tuple[float, ...]]
"""Question (see `get_question`) -> mean log-probability of each option without content."""


def can_calibrate(task: TaskSamples) -> bool:
    """Return whether the prompts of a task have an input of their own and options to choose from."""
    return task.kind == "choice" and any(record.input for record in task.records)


def get_question(record: Record) -> str:
    """Return the key of everything in a record's prompt but its input."""
    texts = (record.system, *(f"{turn.role}\x1e{turn.content}" for turn in record.turns), record.instruction)
    return hashlib.sha256("\x1f".join((*texts, *record.choices)).encode("utf-8", "surrogatepass")).hexdigest()[:16]


def build_content_free_task(task: TaskSamples) -> TaskSamples:
    """Return a task whose items are the questions of a task with inputs without content."""
    templates = tuple(
        TemplateSamples(_build_content_free_records(template.records), template.few_shot_examples)
        for template in task.templates
    )
    return replace(task, templates=templates, samples=())


def _build_content_free_records(records: Sequence[Record]) -> list[Record]:
    questions = {get_question(record): record for record in records if record.input}
    return [
        replace(record, id=f"content-free/{question}/{number}", input=text)
        for question, record in questions.items()
        for number, text in enumerate(CONTENT_FREE_INPUTS)
    ]


def compute_preferences(records: Sequence[Record], log_likelihoods: Sequence[Sequence[float]]) -> Preferences:
    """Return the label preferences of each question.

    Args:
        records: Items of `build_content_free_task`.
        log_likelihoods: Of the options of each item, in nats.
    """
    by_question: dict[str, list[np.ndarray]] = {}
    for record, nats in zip(records, log_likelihoods, strict=True):
        values = np.array(nats, dtype=np.float64)
        probabilities = np.exp(values - values.max())
        by_question.setdefault(get_question(record), []).append(probabilities / probabilities.sum())
    return {question: tuple(np.log(np.mean(rows, axis=0) + 1e-12).tolist()) for question, rows in by_question.items()}
