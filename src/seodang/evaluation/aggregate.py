"""Aggregation of item scores per variant, task and language. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from seodang.i18n import N_
from seodang.metric_registry import BINARY_METRICS, SUMMARY_METRICS

TUNED_VARIANT = "tuned"
ALIGNED_VARIANT = "aligned"
"""Variant of the model after preference tuning; only in runs with a method of `align`."""
CHAMPION_VARIANT = "champion"
MAJORITY = "majority"
"""Variant of the most frequent label of the training records."""
LETTERS = "letters"
"""Variant of a classifier of character n-grams that learned from the training records."""
BASELINE_LABELS = {MAJORITY: N_("most frequent label"), LETTERS: N_("letter n-grams")}
"""Messages by baseline, for reports."""
GUESS = "guess"
"""Variant of a uniform choice among an item's options."""
SHUFFLED = "shuffled"
"""Variant of the tuned model's answers against the references of other items."""
ALIGNED_SHUFFLED = "aligned_shuffled"
"""The same of the aligned model's answers."""
_FORMER_PREFIX = "champion_"  # of earlier champions that candidates are compared with
TASK_FILE_SPLIT = "task"  # of items that a task file adds to the splits


def name_former_champion(version: str) -> str:
    """Return the variant of an earlier champion."""
    return f"{_FORMER_PREFIX}{version}"


def name_champion(version: str) -> str:
    """Return the name of a champion as a reference of the gate."""
    return f"{CHAMPION_VARIANT} {version}"


def is_base_variant(name: str) -> bool:
    """Return whether a variant is the base model with a prompt."""
    return name not in (TUNED_VARIANT, ALIGNED_VARIANT, CHAMPION_VARIANT) and not name.startswith(_FORMER_PREFIX)


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemScore:
    """The result of one variant (a model with a prompt) on one item."""

    variant: str
    """zero_shot, few_shot, tuned or champion; zero_shot/plain where several formats are tried."""
    shots: int
    """Few-shot examples in the item's prompt; fewer than the variant's where they exceed the context."""
    item: str
    """Record id."""
    group: str
    """Items of one group are not independent; "": independent."""
    task: str
    language: str
    split: str
    """test or unseen; task for a task file."""
    kind: str
    """choice, open or text."""
    primary_metric: str
    reference: str
    """Empty where there is none."""
    accuracy: float | None
    """1 if the reference's label has the highest log-likelihood; choice only."""
    prediction: str | None
    """Label of the highest log-likelihood, normalized as the primary metric normalizes it."""
    loss: float | None
    """Nats per token of the reference, teacher-forced; None without a reference."""
    answer: str | None
    """Greedy answer; None where none was generated."""
    exact_match: float | None
    """1 if the answer is the reference."""
    chrf: float | None
    """0 to 100."""
    eos_rate: bool | None
    """The answer ended with an end token."""
    prompt_tokens: int
    """Few-shot examples included."""
    extra_metrics: dict[str, float]
    """Further metrics of a task file."""
    weights: dict[str, float]
    """By metric whose mean weighs items by their size: bytes, tokens or instructions."""
    labels: tuple[int, int] | None
    """Option indices of the reference and of the likeliest option, for macro F1."""
    grades: tuple[float, float] | None
    """The item's grade and the log-odds of the last option, for Spearman's correlation."""
    fingerprint: str = ""
    """Of the protocol of a task file; "": records of a split, or a score from before protocols were recorded."""
    content: str = ""
    """Checksum of what the item asks, under any task, id and prompt; "": a score from before it was recorded."""
    is_tied: bool = False
    """Several options have exactly the highest log-likelihood; the item counts as wrong."""
    is_truncated: bool = False
    """The item exceeds the context: its prompt lost its beginning, or its text the end."""
    findings: Sequence[Mapping[str, Any]] = ()
    """Places of the answer that lower the Korean scores: metric, start and end in characters, text, detail."""


def get_primary_score(score: ItemScore) -> float | None:
    """Return an item's score in the primary metric of its task; None where it was not computed."""
    return get_score(score, score.primary_metric)


def get_score(score: ItemScore, metric: str) -> float | None:
    """Return an item's score in a metric; a metric of its task file takes precedence over a field of the same name."""
    value: float | None = score.extra_metrics[metric] if metric in score.extra_metrics else getattr(score, metric, None)
    return value


def is_correct(score: ItemScore) -> bool | None:
    """Return whether an answer is right; None where the primary metric is not binary."""
    value = get_primary_score(score)
    return bool(value) if value is not None and score.primary_metric in BINARY_METRICS else None


def compute_mean(values: Iterable[float | bool | None]) -> float | None:
    """Return the mean of the values that are not None, rounded to 4 decimals; None without such a value."""
    known = [float(value) for value in values if value is not None]
    return round(sum(known) / len(known), 4) if known else None


def _compute_means(scores: Sequence[ItemScore]) -> dict[str, Any]:
    return {
        "items": len(scores),
        **{name: compute_mean(getattr(score, name) for score in scores) for name in SUMMARY_METRICS},
    }


def list_variants(scores: Iterable[ItemScore]) -> list[str]:
    """Return the variants in the order in which they occur."""
    return list(dict.fromkeys(score.variant for score in scores))


def select_best_variant(scores: Sequence[ItemScore], kind: str) -> str:
    """Return the base's best variant of a kind ("zero_shot", "few_shot") on the test split."""
    rows = {
        variant: _compute_means([score for score in scores if score.variant == variant and score.split == "test"])
        for variant in list_variants(scores)
        if variant.partition("/")[0] == kind
    }
    return select_best_row(rows)


def select_best_row(rows: Mapping[str, Mapping[str, Any]]) -> str:
    """Return the name of the best row: accuracy decides, then chrF, then loss; of equal rows the first one.

    Args:
        rows: Means of the summary metrics by variant.
    """

    def compute_sort_key(name: str) -> tuple[float, float, float]:
        row = rows[name]
        return row["accuracy"] or 0.0, row["chrf"] or 0.0, -(row["loss"] or 0.0)

    return max(rows, key=compute_sort_key)


def aggregate_by_variant(scores: Sequence[ItemScore]) -> list[dict[str, Any]]:
    """Return one row per variant: means of the test split, of each of its languages, and of the unseen tasks."""
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


def get_group_name(score: ItemScore) -> str:
    """Return a name for the group of an item; an independent item is a group of its own."""
    return f"group {score.group}" if score.group else f"{score.task}/{score.language}/{score.item}"


def aggregate_by_task(scores: Sequence[ItemScore]) -> list[dict[str, Any]]:
    """Return one row per task and language with each variant's mean in the task's primary metric.

    The primary metric is accuracy for choice tasks of records, and exact_match for their open tasks.
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
            "groups": len({get_group_name(score) for score in first}),
        }
        for variant in variants:
            row[variant] = compute_mean(get_primary_score(score) for score in task_scores if score.variant == variant)
        rows.append(row)
    return rows


def count_request_limits(scores: Sequence[ItemScore]) -> list[dict[str, Any]]:
    """Return one row per task, language and variant: few-shot examples really shown, truncated items and ties."""
    groups: dict[tuple[str, str, str, str], list[ItemScore]] = {}
    for score in scores:
        groups.setdefault((score.split, score.task, score.language, score.variant), []).append(score)
    return [
        {
            "split": split,
            "task": task,
            "language": language,
            "variant": variant,
            "items": len(group),
            "shots_mean": round(sum(score.shots for score in group) / len(group), 2),
            "shots_min": min(score.shots for score in group),
            "shots_max": max(score.shots for score in group),
            "truncated": sum(score.is_truncated for score in group),
            "ties": sum(score.is_tied for score in group),
        }
        for (split, task, language, variant), group in groups.items()
    ]
