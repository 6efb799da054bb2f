"""Per-item scores to scores per arm, task and language. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

TUNED_VARIANT = "tuned"
CHAMPION_VARIANT = "champion"


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemScore:
    """What one arm (a model with a way of asking it) did on one item."""

    variant: str  # zero_shot, few_shot or tuned; zero_shot/plain when several formats are tried
    shots: int
    item: str  # record id
    task: str
    language: str
    split: str  # test or unseen, task for a task file
    kind: str  # choice, open or text
    primary_metric: str  # the metric that speaks for the task
    reference: str  # "" where there is none
    accuracy: float | None  # 1 if the reference's label has the highest log-likelihood; choice only
    prediction: str | None  # the label that is chosen, by what the headline divides log-likelihoods by
    loss: float | None  # nats per token of the reference, teacher-forced; None without one
    answer: str | None  # the greedy answer; None where none was asked for
    exact_match: float | None  # 1 if it is the reference
    chrf: float | None  # 0 to 100
    eos_rate: bool | None  # it ended by itself
    prompt_tokens: int  # of what the model read, exemplars included
    extra_metrics: dict[str, float]  # further metrics of a task file
    weights: dict[str, float]  # of those metrics whose mean counts items by their size: bytes, tokens, instructions
    labels: (
        tuple[int, int] | None
    )  # places among the options of the reference and of the likeliest, where F1 is asked for
    grades: (
        tuple[float, float] | None
    )  # the item's own grade, and the log-odds of the last option, where their correlation is asked for


def get_primary_score(score: ItemScore) -> float | None:
    """Return what speaks for an item: its score in its task's first metric; None where it wasn't asked in that way."""
    return get_score(score, score.primary_metric)


def get_score(score: ItemScore, metric: str) -> float | None:
    """Return an item's score in a metric; what its task file says of it goes before what is measured of every item."""
    value: float | None = score.extra_metrics[metric] if metric in score.extra_metrics else getattr(score, metric, None)
    return value


def is_correct(score: ItemScore) -> bool | None:
    """Return whether an item was answered rightly; None where its headline is no matter of right and wrong."""
    value = get_primary_score(score)
    return bool(value) if value is not None and score.primary_metric in BINARY_METRICS else None


BINARY_METRICS = frozenset(
    {
        "accuracy",
        "accuracy_norm",
        "exact_match",
        "eos_rate",
        "same_language",
        "ifeval_prompt_strict",
        "ifeval_prompt_loose",
    }
)
"""Metrics that are 1 or 0 of a single item."""
RATIO_METRICS = BINARY_METRICS | {"ifeval_instruction_strict", "ifeval_instruction_loose", "rouge_l"}
"""Metrics whose means lie between 0 and 1, more being better."""
LOWER_IS_BETTER = frozenset({"loss", "bits_per_byte", "repetition"})


RECORD_METRICS = ("accuracy", "exact_match", "chrf", "loss")


def compute_mean(values: Iterable[float | bool | None]) -> float | None:
    """Return the mean of the values that are there, None when there are none."""
    known = [float(value) for value in values if value is not None]
    return round(sum(known) / len(known), 4) if known else None


def _compute_means(scores: Sequence[ItemScore]) -> dict[str, Any]:
    return {
        "items": len(scores),
        **{name: compute_mean(getattr(score, name) for score in scores) for name in RECORD_METRICS},
    }


def list_variants(scores: Iterable[ItemScore]) -> list[str]:
    """Return the arms in the order in which they come."""
    return list(dict.fromkeys(score.variant for score in scores))


def select_best_variant(scores: Sequence[ItemScore], kind: str) -> str:
    """Return the base's best arm of a kind ("zero_shot", "few_shot"): accuracy, then chrF, then loss decide."""
    variants = [arm for arm in list_variants(scores) if arm.partition("/")[0] == kind]

    def compute_sort_key(variant: str) -> tuple[float, float, float]:
        row = _compute_means([score for score in scores if score.variant == variant and score.split == "test"])
        return (row["accuracy"] or 0.0, row["chrf"] or 0.0, -(row["loss"] or 0.0))

    return max(variants, key=compute_sort_key)


def aggregate_by_variant(scores: Sequence[ItemScore]) -> list[dict[str, Any]]:
    """Return one row per arm: the test split, by language, and the unseen tasks apart."""
    rows = []
    for variant in list_variants(scores):
        variant_scores = [score for score in scores if score.variant == variant]
        test = [score for score in variant_scores if score.split == "test"]
        languages = sorted({score.language for score in test})
        rows.append(
            {
                "name": variant,
                "shots": max(score.shots for score in variant_scores),
                **_compute_means(test),
                "eos_rate": compute_mean(score.eos_rate for score in test),
                "languages": {
                    language: _compute_means([score for score in test if score.language == language])
                    for language in languages
                },
                "unseen": _compute_means([score for score in variant_scores if score.split == "unseen"]),
            }
        )
    return rows


def aggregate_by_task(scores: Sequence[ItemScore]) -> list[dict[str, Any]]:
    """Return one row per task and language with each arm's mean in the task's first metric.

    That is accuracy for choice tasks of records; for open ones the share of exact answers.
    """
    variants = list_variants(scores)
    keys = sorted({(score.split, score.kind, score.task, score.language) for score in scores})
    rows = []
    for split, kind, task, language in keys:
        task_scores = [
            score
            for score in scores
            if (score.split, score.kind, score.task, score.language) == (split, kind, task, language)
        ]
        first = [score for score in task_scores if score.variant == variants[0]]
        row: dict[str, Any] = {
            "task": task,
            "language": language,
            "kind": kind,
            "metric": first[0].primary_metric,
            "split": split,
            "items": len(first),
        }
        for variant in variants:
            row[variant] = compute_mean(get_primary_score(score) for score in task_scores if score.variant == variant)
        rows.append(row)
    return rows
