"""Figures on held-out answers with a thumb up or down, which judge KTO where too few pairs are held out. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.stats import binomtest, rankdata

from seodang.alignment.summary import estimate_mean, round_figure
from seodang.evaluation.judge.resampling import CONFIDENCE, MINIMUM_GROUPS, Estimate, Floats, estimate
from seodang.records import count_questions

if TYPE_CHECKING:
    from seodang.alignment.preferences import RatedAnswer


@dataclass(frozen=True, slots=True)
class ThumbScore:
    """Log-probabilities of an answer in nats, by the tuned and by the aligned model."""

    group: str
    is_desirable: bool
    tuned: float
    aligned: float


def count_marked_questions(answers: Sequence[RatedAnswer]) -> int:
    """Return how many questions judge by thumbs; 0 if all thumbs point in one direction."""
    return count_questions((answer.group, answer.is_desirable) for answer in answers)


def summarize_thumbs(scores: Sequence[ThumbScore], beta: float) -> dict[str, Any]:
    """Return what the aligned model prefers, and how far it has moved, on answers with thumbs.

    Args:
        scores: Some of each mark; none of them was trained on.
        beta: The implicit reward is beta times the log ratio of aligned and tuned model.
    """
    good, bad = ([each for each in scores if each.is_desirable == side] for side in (True, False))
    return {
        "good": len(good),
        "bad": len(bad),
        "questions": count_questions((each.group, each.is_desirable) for each in scores),
        "reward_accuracy": round_figure(asdict(_compare_changes(good, bad))),
        "reward_margin": _estimate_margin(scores, beta),
        **_summarize_side(good, "chosen"),
        **_summarize_side(bad, "rejected"),
    }


def _summarize_side(scores: Sequence[ThumbScore], side: str) -> Mapping[str, Any]:
    groups = [each.group for each in scores]
    tuned, aligned = np.array([(each.tuned, each.aligned) for each in scores]).T
    return {
        f"tuned_{side}_log_probability": estimate_mean(tuned, groups),
        f"aligned_{side}_log_probability": estimate_mean(aligned, groups),
        f"{side}_change": estimate_mean(aligned - tuned, groups),
    }


def _compare_changes(good: Sequence[ThumbScore], bad: Sequence[ThumbScore]) -> Estimate:
    changes = [np.array([each.aligned - each.tuned for each in side]) for side in (good, bad)]
    questions = min(count_effective_groups([each.group for each in side]) for side in (good, bad))
    return estimate_auc(*changes, questions=questions)


def estimate_auc(good: Floats, bad: Floats, *, questions: float) -> Estimate:
    """Return the probability that a value of the first sample exceeds one of the second; a tie counts half.

    It is the statistic of Mann and Whitney (1947) over the number of pairs of values. Its variance is at most p(1 - p)
    over the size of the smaller sample (Birnbaum and Klose 1957, Annals of Mathematical Statistics 28:933-945), so
    Wilson's interval of a share among so many is wide enough, and stays honest at 0 and 1.

    Args:
        good: At least one value.
        bad: At least one value.
        questions: Independent values in the smaller sample.
    """
    ranks = rankdata(np.concatenate([good, bad]))[: len(good)]
    share = float((ranks.sum() - len(good) * (len(good) + 1) / 2) / (len(good) * len(bad)))
    if questions < MINIMUM_GROUPS:
        return Estimate(share)
    count = int(questions)
    interval = binomtest(round(share * count), count).proportion_ci(CONFIDENCE, "wilson")
    return Estimate(share, min(share, float(interval.low)), max(share, float(interval.high)))


def count_effective_groups(groups: Sequence[str]) -> float:
    """Return how many groups of equal size tell as much as these; one large group counts little (Kish 1965)."""
    sizes = np.array(list(Counter(groups).values()), dtype=float)
    return float(sizes.sum() ** 2 / np.square(sizes).sum())


def _estimate_margin(scores: Sequence[ThumbScore], beta: float) -> dict[str, float | None]:
    """Return how much higher the mean implicit reward of good answers is than that of bad ones."""
    changes = np.array([beta * (each.aligned - each.tuned) for each in scores])
    is_good = np.array([float(each.is_desirable) for each in scores])
    columns = np.column_stack([changes * is_good, is_good, changes * (1 - is_good), 1 - is_good])
    return round_figure(asdict(estimate(columns, [each.group for each in scores], _subtract_means)))


def _subtract_means(sums: Floats) -> Floats:
    with np.errstate(divide="ignore", invalid="ignore"):
        means = sums[..., ::2] / sums[..., 1::2]
    difference: Floats = means[..., 0] - means[..., 1]
    return difference
