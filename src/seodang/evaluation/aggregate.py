"""Per-item scores to scores per arm, task and language. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

TUNED = "tuned"
CHAMPION = "champion"


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemScore:
    """What one arm (a model with a way of asking it) did on one item."""

    arm: str  # zero_shot, few_shot or tuned; zero_shot/plain when several formats are tried
    shots: int
    item: str  # record id
    task: str
    language: str
    split: str  # test or unseen, task for a task file
    kind: str  # choice, open or text
    headline: str  # the metric that speaks for the task
    reference: str  # "" where there is none
    accuracy: float | None  # 1 if the reference's label has the highest log-likelihood; choice only
    predicted: str | None  # the label that is chosen, by what the headline divides log-likelihoods by
    loss: float | None  # nats per token of the reference, teacher-forced; None without one
    answer: str | None  # the greedy answer; None where none was asked for
    exact: float | None  # 1 if it is the reference
    chrf: float | None  # 0 to 100
    stopped: bool | None  # it ended by itself
    prompt_tokens: int  # of what the model read, exemplars included
    others: dict[str, float]  # further metrics of a task file
    weights: dict[str, float]  # of those metrics whose mean counts items by their size: bytes, tokens, instructions
    labels: (
        tuple[int, int] | None
    )  # places among the options of the reference and of the likeliest, where F1 is asked for
    graded: (
        tuple[float, float] | None
    )  # the item's own grade, and the log-odds of the last option, where their correlation is asked for


def headline(score: ItemScore) -> float | None:
    """Return what speaks for an item: its score in its task's first metric; None where it wasn't asked in that way."""
    return value_of(score, score.headline)


def value_of(score: ItemScore, metric: str) -> float | None:
    """Return an item's score in a metric; what its task file says of it goes before what is measured of every item."""
    value: float | None = score.others[metric] if metric in score.others else getattr(score, metric, None)
    return value


def is_right(score: ItemScore) -> bool | None:
    """Return whether an item was answered rightly; None where its headline is no matter of right and wrong."""
    value = headline(score)
    return bool(value) if value is not None and score.headline in RIGHT_OR_WRONG else None


RIGHT_OR_WRONG = frozenset(
    {"accuracy", "accuracy_norm", "exact", "stopped", "same_language", "ifeval_prompt_strict", "ifeval_prompt_loose"}
)
"""Metrics that are 1 or 0 of a single item."""
SHARES = RIGHT_OR_WRONG | {"ifeval_instruction_strict", "ifeval_instruction_loose", "rouge_l"}
"""Metrics whose means lie between 0 and 1, more being better."""
LOWER_IS_BETTER = frozenset({"loss", "bits_per_byte", "repetition"})


MEASURES = ("accuracy", "exact", "chrf", "loss")


def mean(values: Iterable[float | bool | None]) -> float | None:
    """Return the mean of the values that are there, None when there are none."""
    there = [float(value) for value in values if value is not None]
    return round(sum(there) / len(there), 4) if there else None


def _measured(scores: Sequence[ItemScore]) -> dict[str, Any]:
    return {"items": len(scores), **{name: mean(getattr(score, name) for score in scores) for name in MEASURES}}


def arms_of(scores: Iterable[ItemScore]) -> list[str]:
    """Return the arms in the order in which they come."""
    return list(dict.fromkeys(score.arm for score in scores))


def best_arm(scores: Sequence[ItemScore], kind: str) -> str:
    """Return the base's best arm of a kind ("zero_shot", "few_shot"): accuracy, then chrF, then loss decide."""
    arms = [arm for arm in arms_of(scores) if arm.partition("/")[0] == kind]

    def merit(arm: str) -> tuple[float, float, float]:
        row = _measured([score for score in scores if score.arm == arm and score.split == "test"])
        return (row["accuracy"] or 0.0, row["chrf"] or 0.0, -(row["loss"] or 0.0))

    return max(arms, key=merit)


def by_arm(scores: Sequence[ItemScore]) -> list[dict[str, Any]]:
    """Return one row per arm: the test split, by language, and the unseen tasks apart."""
    rows = []
    for arm in arms_of(scores):
        mine = [score for score in scores if score.arm == arm]
        test = [score for score in mine if score.split == "test"]
        languages = sorted({score.language for score in test})
        rows.append(
            {
                "name": arm,
                "shots": max(score.shots for score in mine),
                **_measured(test),
                "stop_rate": mean(score.stopped for score in test),
                "languages": {
                    language: _measured([score for score in test if score.language == language])
                    for language in languages
                },
                "unseen": _measured([score for score in mine if score.split == "unseen"]),
            }
        )
    return rows


def by_task(scores: Sequence[ItemScore]) -> list[dict[str, Any]]:
    """Return one row per task and language with each arm's mean in the task's first metric.

    That is accuracy for choice tasks of records; for open ones the share of exact answers.
    """
    arms = arms_of(scores)
    keys = sorted({(score.split, score.kind, score.task, score.language) for score in scores})
    rows = []
    for split, kind, task, language in keys:
        mine = [
            score
            for score in scores
            if (score.split, score.kind, score.task, score.language) == (split, kind, task, language)
        ]
        first = [score for score in mine if score.arm == arms[0]]
        row: dict[str, Any] = {
            "task": task,
            "language": language,
            "kind": kind,
            "metric": first[0].headline,
            "split": split,
            "items": len(first),
        }
        for arm in arms:
            row[arm] = mean(headline(score) for score in mine if score.arm == arm)
        rows.append(row)
    return rows
